/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/channel.h"

#include <errno.h>

#include "proto/frame.h"

struct Channel {
        Stream *stream; /* owned */
        Buffer *in;     /* owned; NULL while no part of a message waits */
        Buffer *out;    /* owned; NULL while nothing is queued */
        ChannelFn on_message;
        ChannelWritableFn on_writable; /* or NULL */
        void *userdata;                /* borrowed */
        ReadyItem ready;               /* input at hand that no event announces */
        bool reading;
        bool wants_writable; /* on_writable is owed */
        size_t frame_rest; /* bytes still to be written of the frame at the head of `out`, once it is begun */
        bool *freed;       /* of the call that is running: set when the channel goes meanwhile */
};

static BufferPool *channel_pool(Channel *c) {
        return &c->stream->worker->buffers;
}

static void channel_update_events(Channel *c) {
        unsigned events = 0;

        if (c->reading)
                events |= STREAM_READABLE;
        if (c->out || c->wants_writable)
                events |= STREAM_WRITABLE;
        stream_set_events(c->stream, events);
}

/* Takes one message out of what was read. Returns 1, 0 for none yet, or a negative errno. */
static int channel_next(Channel *c, Message *ret) {
        const char *payload;
        size_t n;
        ssize_t k;
        int r;

        if (!c->in)
                return 0;
        k = frame_parse(buffer_head(c->in), buffer_length(c->in), &payload, &n);
        if (k < 0)
                return k == -EAGAIN ? 0 : (int) k;
        r = message_decode(payload, n, ret);
        if (r < 0)
                return r;
        buffer_consume(c->in, (size_t) k);
        if (buffer_length(c->in) == 0)
                c->in = buffer_put(channel_pool(c), c->in);
        return 1;
}

/* Returns false when the channel was freed or released, or its end was told. */
static bool channel_dispatch(Channel *c) {
        bool freed = false;
        int r;

        c->freed = &freed;
        do {
                _cleanup_message_ Message m = {};

                r = c->reading ? channel_next(c, &m) : 0;
                if (r != 0)
                        c->on_message(c, r > 0 ? &m : NULL, MIN(r, 0), c->userdata);
        } while (r > 0 && !freed);
        if (freed)
                return false;
        c->freed = NULL;
        return r == 0;
}

/* Returns bytes read, 0 at the end, or a negative errno. */
static ssize_t channel_read(Channel *c) {
        ssize_t k;

        if (!c->in)
                c->in = buffer_get(channel_pool(c));
        if (!c->in)
                return -ENOMEM;
        if (buffer_room(c->in) == 0)
                buffer_compact(c->in);
        k = stream_read(c->stream, buffer_tail(c->in), buffer_room(c->in));
        if (k > 0)
                buffer_produce(c->in, (size_t) k);
        else if (buffer_length(c->in) == 0)
                c->in = buffer_put(channel_pool(c), c->in);
        return k;
}

/* Frame by frame, because Go peers read a payload with a single read: each must lie in one TLS record.
 * Returns 0 when the kernel has everything, -EAGAIN, or an error. */
static int channel_send_queue(Channel *c) {
        while (c->out) {
                const char *payload;
                size_t n;
                ssize_t k;

                if (c->frame_rest == 0)
                        c->frame_rest = (size_t) frame_parse(buffer_head(c->out), buffer_length(c->out),
                                                             &payload, &n);
                k = stream_write(c->stream, buffer_head(c->out), c->frame_rest);
                if (k < 0)
                        return (int) k;
                c->frame_rest -= (size_t) k;
                buffer_consume(c->out, (size_t) k);
                if (buffer_length(c->out) == 0)
                        c->out = buffer_put(channel_pool(c), c->out);
        }
        return stream_flush(c->stream);
}

/* Returns false when the channel is gone or its end was told. */
static bool channel_write_event(Channel *c) {
        bool freed = false;
        int r = channel_send_queue(c);

        if (r < 0 && r != -EAGAIN) {
                c->on_message(c, NULL, r, c->userdata);
                return false;
        }
        if (r == 0 && c->wants_writable) {
                c->wants_writable = false;
                c->freed = &freed;
                c->on_writable(c, c->userdata);
                if (!freed)
                        c->freed = NULL;
        }
        return !freed;
}

static void on_channel_event(Stream *s _unused_, unsigned events, void *userdata) {
        Channel *c = userdata;
        ssize_t k = 1;

        if ((events & STREAM_WRITABLE) && !channel_write_event(c))
                return;
        if ((events & STREAM_READABLE) && c->reading) {
                k = channel_read(c);
                if (k > 0 && !channel_dispatch(c))
                        return;
        }
        if (k <= 0 && k != -EAGAIN)
                c->on_message(c, NULL, (int) k, c->userdata);
        else
                channel_update_events(c);
}

static void on_channel_ready(ReadyItem *item) {
        Channel *c = container_of(item, Channel, ready);

        if (channel_dispatch(c))
                channel_update_events(c);
}

int channel_new(Channel **ret, Stream *s, Buffer *rest, ChannelFn on_message, void *userdata) {
        Channel *c = new0(Channel, 1);

        if (!c)
                return -ENOMEM;
        *c = (Channel) { .stream = s, .on_message = on_message, .userdata = userdata, .in = rest };
        c->ready.run = on_channel_ready;
        stream_set_callback(s, on_channel_event, c);
        channel_set_reading(c, true);
        *ret = c;
        return 0;
}

void channel_set_writable_fn(Channel *c, ChannelWritableFn on_writable) {
        c->on_writable = on_writable;
        c->wants_writable = true;
        channel_update_events(c);
}

int channel_queue(Channel *c, const Message *m) {
        int r;

        if (!c->out)
                c->out = buffer_get(channel_pool(c));
        if (!c->out)
                return -ENOMEM;
        r = message_encode(m, c->out);
        if (r < 0) {
                if (buffer_length(c->out) == 0)
                        c->out = buffer_put(channel_pool(c), c->out);
                return r;
        }
        r = channel_send_queue(c);
        channel_update_events(c);
        return r == -EAGAIN ? 0 : r;
}

int channel_send(Channel *c, const Message *m) {
        if (!c->out)
                return channel_queue(c, m);
        c->wants_writable = c->on_writable;
        return -EAGAIN;
}

void channel_set_reading(Channel *c, bool reading) {
        c->reading = reading;
        if (reading && c->in)
                worker_ready(c->stream->worker, &c->ready);
        channel_update_events(c);
}

Stream *channel_stream(Channel *c) {
        return c->stream;
}

const char *channel_explain(Channel *c) {
        return stream_explain(c->stream);
}

Stream *channel_release(Channel *c, Buffer **ret_rest) {
        Stream *s = TAKE_PTR(c->stream);

        worker_unready(s->worker, &c->ready);
        stream_set_callback(s, NULL, NULL);
        stream_set_events(s, 0);
        if (c->freed)
                *c->freed = true;
        *ret_rest = c->in;
        buffer_put(&s->worker->buffers, c->out);
        free(c);
        return s;
}

Channel *channel_free(Channel *c) {
        if (c) {
                Buffer *rest;
                Stream *s = channel_release(c, &rest);

                buffer_put(&s->worker->buffers, rest);
                stream_free(s);
        }
        return NULL;
}
