/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/mux-private.h"

#include <errno.h>
#include <utlist.h>

#include "base/parse.h"

/* A stream's bytes are offered to its reader where they are, in the buffer that the transport was read into.
 * What the reader leaves is kept, at most the stream's window, and the peer may send more only when it has
 * been read. */

static MuxStream *mux_stream(Stream *s) {
        return container_of(s, MuxStream, stream);
}

void mux_stream_wake(MuxStream *ms) {
        if (ms->stream.worker && ms->stream.wanted != 0)
                worker_ready(ms->stream.worker, &ms->ready);
}

static void mux_count_unread(MuxStream *ms, ssize_t n) {
        ms->n_unread += (size_t) n;
        if (!ms->mux)
                return;
        ms->mux->n_unread += (size_t) n;
        ms->mux->yamux.may_grow = ms->mux->n_unread < MUX_MEMORY_MAX / 2;
}

static void mux_stream_drop_input(MuxStream *ms) {
        BufferPool *pool = ms->stream.worker ? &ms->stream.worker->buffers : NULL;

        while (ms->first) {
                Buffer *b = ms->first;

                ms->first = b->next;
                buffer_put(pool, b);
        }
        ms->last = NULL;
        ms->view = NULL;
        ms->n_view = 0;
        mux_count_unread(ms, -(ssize_t) ms->n_unread);
}

void mux_stream_abort(MuxStream *ms) {
        ms->was_reset = true;
        mux_stream_drop_input(ms);
        mux_stream_wake(ms);
}

int mux_stream_keep(MuxStream *ms) {
        if (ms->n_unread == 0)
                ms->unread_since_usec = clock_usec();
        while (ms->n_view > 0) {
                size_t k;

                if (!ms->last || buffer_room(ms->last) == 0) {
                        Buffer *b = buffer_get(&ms->stream.worker->buffers);

                        if (!b)
                                return -ENOMEM;
                        if (ms->last)
                                ms->last->next = b;
                        else
                                ms->first = b;
                        ms->last = b;
                }
                k = MIN(ms->n_view, buffer_room(ms->last));
                memcpy(buffer_tail(ms->last), ms->view, k);
                buffer_produce(ms->last, k);
                ms->view += k;
                ms->n_view -= k;
                mux_count_unread(ms, (ssize_t) k);
        }
        ms->view = NULL;
        return 0;
}

bool mux_stream_is_complete(const MuxStream *ms) {
        return ms->has_end && ms->yamux.has_sent_end;
}

/* Why the stream can't be used any more, or 0. */
static int mux_stream_error(const MuxStream *ms) {
        return ms->was_reset || (!ms->mux && !mux_stream_is_complete(ms)) ? -ECONNRESET : 0;
}

/* Why the stream can't be written to any more, or 0. */
static int mux_stream_write_error(const MuxStream *ms) {
        return ms->is_deaf ? -ECONNRESET : mux_stream_error(ms);
}

static ssize_t mux_stream_peek(Stream *s, const uint8_t **ret) {
        MuxStream *ms = mux_stream(s);

        if (ms->was_reset)
                return -ECONNRESET;
        if (ms->first) {
                *ret = buffer_head(ms->first);
                return (ssize_t) buffer_length(ms->first);
        }
        if (ms->n_view > 0) {
                *ret = ms->view;
                return (ssize_t) ms->n_view;
        }
        if (ms->has_end)
                return 0;
        return ms->mux ? -EAGAIN : -ECONNRESET;
}

static void mux_stream_consume(Stream *s, size_t n) {
        MuxStream *ms = mux_stream(s);

        if (ms->first) {
                Buffer *b = ms->first;

                buffer_consume(b, n);
                mux_count_unread(ms, -(ssize_t) n);
                ms->unread_since_usec = clock_usec();
                if (buffer_length(b) == 0) {
                        ms->first = b->next;
                        if (!ms->first)
                                ms->last = NULL;
                        buffer_put(&s->worker->buffers, b);
                }
        } else {
                ms->view += n;
                ms->n_view -= n;
        }
        if (ms->n_unread > 0 || ms->has_end) /* level-triggered, whether it is all read now or not */
                mux_stream_wake(ms);
        if (ms->mux && ms->yamux.yamux) {
                yamux_consumed(&ms->yamux, n, ms->mux->heard_usec);
                if (yamux_has_output(&ms->mux->yamux))
                        mux_schedule_flush(ms->mux);
        }
}

static ssize_t mux_stream_read(Stream *s, void *data, size_t n) {
        const uint8_t *from;
        ssize_t k = stream_peek(s, &from);

        if (k <= 0)
                return k;
        n = MIN(n, (size_t) k);
        memcpy(data, from, n);
        stream_consume(s, n);
        return (ssize_t) n;
}

static ssize_t mux_stream_reserve(Stream *s, uint8_t **ret) {
        MuxStream *ms = mux_stream(s);
        Mux *m = ms->mux;
        size_t window, share;
        int r = mux_stream_write_error(ms);

        if (r < 0)
                return r;
        window = yamux_may_send(&ms->yamux);
        if (window == 0)
                return -EAGAIN; /* yamux says when it may go on */
        share = mux_stream_share(ms);
        if (share == 0 || !mux_make_out_room(m)) {
                mux_stream_join_ring(ms);
                return -EAGAIN;
        }
        *ret = buffer_tail(m->out) + YAMUX_HEADER_BYTES;
        return (ssize_t) MIN(MIN(window, mux_room(m) - YAMUX_HEADER_BYTES), share);
}

static void mux_stream_commit(Stream *s, size_t n) {
        MuxStream *ms = mux_stream(s);
        Mux *m = ms->mux;

        mux_schedule_flush(m); /* also with nothing written: `out` goes back to the pool then */
        if (n == 0)
                return;
        yamux_begin_data(&ms->yamux, n, buffer_tail(m->out));
        buffer_produce(m->out, YAMUX_HEADER_BYTES + n);
        ms->n_taken += n;
}

static ssize_t mux_stream_write(Stream *s, const void *data, size_t n) {
        uint8_t *to;
        ssize_t k = stream_reserve(s, &to);

        if (k < 0)
                return k;
        n = MIN(n, (size_t) k);
        memcpy(to, data, n);
        stream_commit(s, n);
        return (ssize_t) n;
}

/* What was written is in `out`; only an end may still be owed. */
static int mux_stream_flush(Stream *s) {
        MuxStream *ms = mux_stream(s);
        int r = mux_stream_write_error(ms);

        if (r < 0 || !ms->owes_end)
                return r;
        if (!mux_out(ms->mux))
                return -ENOMEM;
        if (buffer_room(ms->mux->out) < YAMUX_HEADER_BYTES) {
                mux_stream_join_ring(ms); /* rarely: beyond MUX_OUT_BYTES there is room for many */
                return -EAGAIN;
        }
        yamux_end(&ms->yamux, buffer_tail(ms->mux->out));
        buffer_produce(ms->mux->out, YAMUX_HEADER_BYTES);
        ms->owes_end = false;
        mux_schedule_flush(ms->mux);
        return 0;
}

static int mux_stream_shutdown(Stream *s) {
        MuxStream *ms = mux_stream(s);
        int r = mux_stream_write_error(ms);

        if (r < 0)
                return r;
        ms->owes_end = !ms->yamux.has_sent_end;
        r = mux_stream_flush(s);
        return r == -EAGAIN ? 0 : r;
}

static unsigned mux_stream_poll(const MuxStream *ms) {
        unsigned events = 0;

        if (mux_stream_error(ms) < 0)
                return STREAM_READABLE | STREAM_WRITABLE | STREAM_ABORTED;
        if (ms->n_unread > 0 || ms->has_end)
                events |= STREAM_READABLE;
        if (ms->is_deaf)
                events |= STREAM_WRITABLE | STREAM_ABORTED;
        else if (!ms->waiting && (ms->owes_end || yamux_may_send(&ms->yamux) > 0))
                events |= STREAM_WRITABLE;
        return events;
}

static void on_mux_stream_ready(ReadyItem *item) {
        MuxStream *ms = container_of(item, MuxStream, ready);
        unsigned events = mux_stream_poll(ms) & ms->stream.wanted;

        if (events != 0 && ms->stream.on_event)
                ms->stream.on_event(&ms->stream, events, ms->stream.userdata);
}

static void mux_stream_update_events(Stream *s) {
        MuxStream *ms = mux_stream(s);

        if (s->worker && (mux_stream_poll(ms) & s->wanted))
                worker_ready(s->worker, &ms->ready);
}

static void mux_stream_detach(Stream *s) {
        worker_unready(s->worker, &mux_stream(s)->ready);
}

static int mux_stream_attach(Stream *s _unused_) {
        return 0;
}

static void mux_stream_destroy(Stream *s, bool reset _unused_) {
        MuxStream *ms = mux_stream(s);
        Mux *m = ms->mux;

        if (s->worker)
                worker_unready(s->worker, &ms->ready);
        mux_stream_drop_input(ms);
        ms->stream.wanted = 0;
        ms->freed = true;
        if (m) {
                mux_stream_leave_ring(ms);
                DL_DELETE2(m->streams, ms, all_prev, all_next);
                m->n_streams--;
                ms->mux = NULL;
                mux_schedule_flush(m);
        }
        if (!ms->yamux.yamux) {
                free(ms);
                return;
        }
        yamux_close(&ms->yamux); /* says RST unless both directions have ended: then MS is gone now */
}

static const char *mux_stream_explain(Stream *s) {
        const Mux *m = mux_stream(s)->mux;

        return m ? stream_explain(m->transport) : NULL;
}

static const StreamOps mux_stream_ops = {
        .read = mux_stream_read,
        .write = mux_stream_write,
        .flush = mux_stream_flush,
        .shutdown = mux_stream_shutdown,
        .update_events = mux_stream_update_events,
        .detach = mux_stream_detach,
        .attach = mux_stream_attach,
        .destroy = mux_stream_destroy,
        .peek = mux_stream_peek,
        .consume = mux_stream_consume,
        .reserve = mux_stream_reserve,
        .commit = mux_stream_commit,
        .explain = mux_stream_explain,
};

MuxStream *mux_stream_new(Mux *m) {
        MuxStream *ms = new0(MuxStream, 1);

        if (!ms)
                return NULL;
        ms->stream = (Stream) { .ops = &mux_stream_ops, .worker = m->transport->worker };
        ms->ready.run = on_mux_stream_ready;
        ms->mux = m;
        DL_APPEND2(m->streams, ms, all_prev, all_next);
        m->n_streams++;
        return ms;
}
