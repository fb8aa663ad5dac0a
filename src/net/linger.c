/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/linger.h"

#include <errno.h>

#include "net/timer.h"

#define LINGER_BURST 4 /* buffers drained at one event */

/*  SENDING ──all in the kernel──► DRAINING ──the peer's end, an error, or time──► done */

struct Linger {
        Stream *stream; /* owned */
        Buffer *answer; /* owned; NULL once it is written */
        Timer *timeout; /* owned */
        bool has_ended; /* shut down */
        LingerDoneFn done;
        void *userdata; /* borrowed */
};

/* Returns 0 when everything is in the kernel, -EAGAIN, or an error. */
static int linger_send(Linger *l) {
        while (l->answer) {
                ssize_t k = stream_write(l->stream, buffer_head(l->answer), buffer_length(l->answer));

                if (k < 0)
                        return (int) k;
                buffer_consume(l->answer, (size_t) k);
                if (buffer_length(l->answer) == 0)
                        l->answer = buffer_put(&l->stream->worker->buffers, l->answer);
        }
        if (!l->has_ended) {
                int r = stream_shutdown(l->stream);

                if (r < 0)
                        return r;
                l->has_ended = true;
        }
        return stream_flush(l->stream);
}

/* Returns -EAGAIN while the peer may send more. */
static int linger_drain(Linger *l) {
        Buffer *b = buffer_get(&l->stream->worker->buffers);
        ssize_t k;

        if (!b)
                return -ENOMEM;
        k = 1;
        for (int i = 0; i < LINGER_BURST && k > 0; i++)
                k = stream_read(l->stream, b->data, BUFFER_BYTES);
        buffer_put(&l->stream->worker->buffers, b);
        return k > 0 ? -EAGAIN : (int) k;
}

static void on_linger_event(Stream *s, unsigned events, void *userdata) {
        Linger *l = userdata;
        int sent, drained = -EAGAIN;

        sent = linger_send(l);
        if (events & STREAM_READABLE)
                drained = linger_drain(l);
        if ((sent < 0 && sent != -EAGAIN) || (drained < 0 && drained != -EAGAIN) ||
            (sent == 0 && drained == 0)) {
                l->done(l, l->userdata);
                return;
        }
        stream_set_events(s, (drained == 0 ? 0 : STREAM_READABLE) | (sent == 0 ? 0 : STREAM_WRITABLE));
}

static void on_linger_timeout(void *userdata) {
        Linger *l = userdata;

        l->done(l, l->userdata);
}

int linger_new(Linger **ret, Stream *s, const void *answer, size_t n, LingerDoneFn done, void *userdata) {
        Linger *l = new0(Linger, 1);
        int r = -ENOMEM;

        if (l) {
                *l = (Linger) { .stream = s, .done = done, .userdata = userdata };
                r = timer_new_after(&l->timeout, s->worker, LINGER_TIMEOUT_USEC, on_linger_timeout, l);
        }
        if (r >= 0 && n > 0) {
                l->answer = buffer_get(&s->worker->buffers);
                r = l->answer ? buffer_append(l->answer, answer, n) : -ENOMEM;
        }
        if (r < 0) {
                if (!l)
                        stream_free(s);
                linger_free(l);
                return r;
        }
        stream_set_callback(s, on_linger_event, l);
        stream_set_events(s, STREAM_READABLE | STREAM_WRITABLE);
        *ret = l;
        return 0;
}

Linger *linger_free(Linger *l) {
        if (!l)
                return NULL;
        timer_free(l->timeout);
        buffer_put(&l->stream->worker->buffers, l->answer);
        stream_free(l->stream);
        free(l);
        return NULL;
}
