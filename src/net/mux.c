/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/mux.h"

#include <errno.h>
#include <utlist.h>

#include "base/parse.h"
#include "proto/yamux.h"

/* Out: streams write their frames into one buffer, straight behind each other, in the order in which they get
 * to it; when it is full, and once a turn, it is flushed, control frames in front. While the transport takes no
 * more, streams wait in a ring, and each gets its share when there is room.
 *
 * In: a stream's bytes are offered to its reader where they are, in the buffer that the transport was read
 * into. What the reader leaves is kept, at most the stream's window, and the peer may send more only when it
 * has been read. The transport itself is always read: stopping would stall everybody. */

#define MUX_HEADROOM 1024 /* in front of what streams write: for control frames */
#define MUX_OUT_BYTES (257U * 1024) /* that streams write until it is flushed: a window, and headers */
#define MUX_SHARE (128U * 1024)     /* of it, for each of several streams that wait for room */
#define MUX_FRAME_MIN (16U * 1024)  /* less room than that is not worth one */
#define MUX_READS_MAX 4 /* buffers at one event */

typedef struct MuxStream {
        Stream stream;
        YamuxStream yamux;
        Mux *mux; /* borrowed; NULL: it has ended under the stream */
        ReadyItem ready;
        Buffer *first, *last; /* owned: bytes that wait for the reader */
        const uint8_t *view;  /* bytes offered where they are, before those that wait */
        size_t n_view;
        uint64_t unread_since_usec; /* since when bytes wait */
        size_t n_unread;
        bool has_end, was_reset;
        bool is_deaf;  /* reset after its end: it takes nothing more, but what it said is whole */
        bool owes_end; /* there was no room for it yet */
        bool freed;    /* only yamux still needs it */
        bool waiting;  /* in the ring */
        unsigned round; /* of the mux, in which it has taken n_taken bytes of room */
        size_t n_taken;
        struct MuxStream *prev, *next;         /* in the ring */
        struct MuxStream *all_prev, *all_next; /* of the mux */
} MuxStream;

struct Mux {
        Stream *transport; /* owned */
        Yamux yamux;
        const MuxEvents *events; /* borrowed */
        void *userdata;
        Buffer *head;   /* owned: was read before there was a mux; NULL once it is taken */
        Buffer *out;    /* owned; NULL when empty */
        bool out_begun; /* part of `out` is written: nothing may go in front */
        ReadyItem flush;
        MuxStream *ring; /* waiting for room, the longest first */
        unsigned n_ring;
        unsigned n_woken;   /* that got room last: they share what there is */
        unsigned round;     /* counts how often room was shared out */
        MuxStream *streams; /* not freed by their owners yet */
        unsigned n_streams;
        size_t n_unread; /* of all streams */
        uint64_t heard_usec, pinged_usec, round_trip_usec;
        uint32_t ping_value;
        int error;      /* what is to be told */
        bool has_ended; /* `ended` is due or was called */
        bool told_empty;
        bool busy; /* feeding yamux: a free must wait */
        bool dead; /* freed meanwhile */
};

static MuxStream *mux_stream(Stream *s) {
        return container_of(s, MuxStream, stream);
}

static BufferPool *mux_pool(Mux *m) {
        return &m->transport->worker->buffers;
}

/* ---- out ---- */

static void mux_schedule_flush(Mux *m) {
        if (m->transport->worker) /* else it is detached: mux_attach() comes back to it */
                worker_flush_later(m->transport->worker, &m->flush);
}

static Buffer *mux_out(Mux *m) {
        if (!m->out) {
                m->out = buffer_get(mux_pool(m));
                if (m->out)
                        m->out->start = m->out->end = MUX_HEADROOM;
        }
        return m->out;
}

/* Puts control frames in front of what streams have written, and the last frames of closed streams behind. */
static void mux_add_control(Mux *m) {
        uint8_t frames[MUX_HEADROOM];
        size_t n;

        if (!yamux_has_output(&m->yamux) || !mux_out(m))
                return;
        buffer_produce(m->out, yamux_output_last(&m->yamux, buffer_tail(m->out), buffer_room(m->out)));
        if (m->out_begun)
                return;
        n = yamux_output(&m->yamux, frames, MIN(sizeof(frames), (size_t) m->out->start));
        m->out->start -= (uint32_t) n;
        memcpy(buffer_head(m->out), frames, n);
}

/* Returns 0 when `out` is with the transport, -EAGAIN, or an error. */
static int mux_write_out(Mux *m) {
        while (buffer_length(m->out) > 0) {
                ssize_t k = stream_write(m->transport, buffer_head(m->out), buffer_length(m->out));

                if (k < 0)
                        return (int) k;
                m->out_begun = true;
                buffer_consume(m->out, (size_t) k);
        }
        m->out = buffer_put(mux_pool(m), m->out);
        m->out_begun = false;
        return 0;
}

/* Those that got no room in the last round come first. */
static void mux_wake_ring(Mux *m) {
        MuxStream *ms, *next;

        for (int served = 0; served <= 1; served++)
                DL_FOREACH_SAFE(m->ring, ms, next) {
                        if (served != (ms->round == m->round && ms->n_taken > 0))
                                continue;
                        DL_DELETE(m->ring, ms);
                        ms->waiting = false;
                        worker_ready(m->transport->worker, &ms->ready);
                }
        m->n_woken = m->n_ring;
        m->n_ring = 0;
        m->round++;
}

static void mux_fail(Mux *m, int error) {
        if (m->has_ended)
                return;
        m->has_ended = true;
        m->error = error;
        stream_set_events(m->transport, 0);
        mux_schedule_flush(m); /* `ended` is called from there, where nobody is in the middle of something */
}

/* Returns 0 when the kernel has everything, -EAGAIN, or an error. */
static int mux_send(Mux *m) {
        int r, f;

        do {
                mux_add_control(m);
                r = mux_write_out(m);
        } while (r == 0 && yamux_has_output(&m->yamux) && mux_out(m));
        f = stream_flush(m->transport);
        return r == 0 ? f : r;
}

static void mux_flush(Mux *m) {
        int r = mux_send(m);

        if (r < 0 && r != -EAGAIN) {
                mux_fail(m, r);
                return;
        }
        if (!m->out)
                mux_wake_ring(m);
        if (m->n_streams == 0 && r == 0 && m->events->emptied && !m->told_empty) {
                m->told_empty = true;
                m->events->emptied(m, m->userdata);
                return;
        }
        stream_set_events(m->transport, STREAM_READABLE | (r == -EAGAIN ? STREAM_WRITABLE : 0));
}

/* What streams may still write, headers included. */
static size_t mux_room(const Mux *m) {
        size_t n = buffer_length(m->out);

        if (!m->out)
                return MUX_OUT_BYTES;
        return n < MUX_OUT_BYTES ? MIN(MUX_OUT_BYTES - n, buffer_room(m->out)) : 0;
}

/* Whether there is room for a frame that's worth it, if need be after sending what is there. */
static bool mux_make_out_room(Mux *m) {
        const size_t least = YAMUX_HEADER_BYTES + MUX_FRAME_MIN;

        if (mux_room(m) < least && mux_send(m) < 0)
                return false; /* an error shows again in the flush that is due */
        return mux_room(m) >= least && mux_out(m);
}

static void on_mux_event(Stream *s, unsigned events, void *userdata);

static void on_mux_flush(ReadyItem *item) {
        Mux *m = container_of(item, Mux, flush);

        if (m->has_ended)
                m->events->ended(m, m->error, m->userdata);
        else if (m->head)
                on_mux_event(m->transport, STREAM_READABLE | STREAM_WRITABLE, m);
        else
                mux_flush(m);
}

/* ---- in ---- */

static void mux_stream_wake(MuxStream *ms) {
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

/* The stream ends as if the peer had aborted it. */
static void mux_stream_abort(MuxStream *ms) {
        ms->was_reset = true;
        mux_stream_drop_input(ms);
        mux_stream_wake(ms);
}

static MuxStream *mux_longest_unread(Mux *m) {
        MuxStream *ms, *worst = NULL;

        DL_FOREACH2(m->streams, ms, all_next)
                if (ms->n_unread > 0 && (!worst || ms->unread_since_usec < worst->unread_since_usec))
                        worst = ms;
        return worst;
}

/* Memory is short: the readers that have let their bytes wait for longest pay. */
static void mux_make_room(Mux *m) {
        while (m->n_unread >= MUX_MEMORY_MAX) {
                MuxStream *worst = mux_longest_unread(m);

                mux_stream_abort(worst);
                yamux_close(&worst->yamux);
                mux_schedule_flush(m);
        }
}

/* Keeps what the reader has left of a view. */
static int mux_stream_keep(MuxStream *ms) {
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

static void on_yamux_data(YamuxStream *s, const uint8_t *data, size_t n, void *userdata) {
        MuxStream *ms = container_of(s, MuxStream, yamux);
        Mux *m = userdata;

        ms->view = data;
        ms->n_view = n;
        if (!ms->first && ms->stream.is_direct && (ms->stream.wanted & STREAM_READABLE) && !ms->ready.queued)
                ms->stream.on_event(&ms->stream, STREAM_READABLE, ms->stream.userdata);
        if (m->dead || m->yamux.current != s) /* its reader is gone, and MS perhaps too */
                return;
        if (ms->n_view > 0 && mux_stream_keep(ms) < 0) {
                mux_stream_abort(ms);
                yamux_close(s);
        }
        if (ms->n_unread > 0)
                mux_stream_wake(ms);
        mux_make_room(m);
}

static MuxStream *mux_stream_new(Mux *m);

static YamuxStream *on_yamux_incoming(Yamux *y _unused_, void *userdata) {
        Mux *m = userdata;
        MuxStream *ms;

        if (m->dead || !m->events->opened || m->n_streams >= MUX_STREAMS_MAX)
                return NULL;
        ms = mux_stream_new(m);
        return ms ? &ms->yamux : NULL;
}

static void on_yamux_opened(YamuxStream *s, void *userdata) {
        Mux *m = userdata;

        m->events->opened(m, &container_of(s, MuxStream, yamux)->stream, m->userdata);
}

static void on_yamux_writable(YamuxStream *s, void *userdata _unused_) {
        mux_stream_wake(container_of(s, MuxStream, yamux));
}

static void on_yamux_end(YamuxStream *s, void *userdata _unused_) {
        MuxStream *ms = container_of(s, MuxStream, yamux);

        ms->has_end = true;
        mux_stream_wake(ms);
}

static void on_yamux_reset(YamuxStream *s, void *userdata _unused_) {
        MuxStream *ms = container_of(s, MuxStream, yamux);

        if (ms->has_end) {
                ms->is_deaf = true;
                mux_stream_wake(ms);
        } else
                mux_stream_abort(ms);
        yamux_close(s);
}

static void on_yamux_released(YamuxStream *s, void *userdata _unused_) {
        MuxStream *ms = container_of(s, MuxStream, yamux);

        if (ms->freed)
                free(ms);
}

static void on_yamux_pong(uint32_t value, void *userdata) {
        Mux *m = userdata;

        if (value != m->ping_value || m->pinged_usec == 0)
                return;
        m->round_trip_usec = MAX(clock_usec() - m->pinged_usec, UINT64_C(1));
        m->yamux.round_trip_usec = (uint32_t) MIN(m->round_trip_usec, (uint64_t) UINT32_MAX);
        m->pinged_usec = 0;
}

static void on_yamux_go_away(uint32_t code _unused_, void *userdata) {
        Mux *m = userdata;

        if (!m->dead && m->events->go_away)
                m->events->go_away(m, m->userdata);
}

static const YamuxEvents yamux_events = {
        .incoming = on_yamux_incoming,
        .opened = on_yamux_opened,
        .data = on_yamux_data,
        .writable = on_yamux_writable,
        .end = on_yamux_end,
        .reset = on_yamux_reset,
        .released = on_yamux_released,
        .pong = on_yamux_pong,
        .go_away = on_yamux_go_away,
};

static void mux_destroy(Mux *m);

/* Returns bytes read, 0 at the end, or a negative errno; -ESHUTDOWN when the mux is gone. */
static ssize_t mux_read(Mux *m) {
        BufferPool *pool = mux_pool(m);
        Buffer *b = m->head ? TAKE_PTR(m->head) : buffer_get(pool);
        ssize_t k;

        if (!b)
                return -ENOMEM;
        k = (ssize_t) buffer_length(b);
        if (k == 0)
                k = stream_read(m->transport, b->data, BUFFER_BYTES);
        if (k > 0) {
                int r;

                m->heard_usec = clock_usec();
                m->busy = true;
                r = yamux_input(&m->yamux, buffer_head(b), (size_t) k);
                m->busy = false;
                if (r < 0)
                        k = r;
        }
        buffer_put(pool, b);
        if (!m->dead)
                return k;
        mux_destroy(m);
        return -ESHUTDOWN;
}

static void on_mux_event(Stream *s _unused_, unsigned events, void *userdata) {
        Mux *m = userdata;
        ssize_t k = 1;

        if (events & STREAM_WRITABLE)
                mux_schedule_flush(m);
        for (int i = 0; i < MUX_READS_MAX && k > 0 && (events & STREAM_READABLE) && !m->has_ended; i++)
                k = mux_read(m);
        if (k == -ESHUTDOWN)
                return;
        if (k <= 0 && k != -EAGAIN) {
                if (k == -EPROTO || k == -ENOBUFS) {
                        yamux_go_away(&m->yamux, YAMUX_PROTOCOL_ERROR);
                        mux_end(m);
                }
                mux_fail(m, (int) k);
        } else if (yamux_has_output(&m->yamux))
                mux_schedule_flush(m);
}

/* ---- a stream ---- */

/* Both directions have ended: what is left to be read needs the mux no more. */
static bool mux_stream_is_complete(const MuxStream *ms) {
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

static void mux_stream_join_ring(MuxStream *ms) {
        Mux *m = ms->mux;

        if (ms->waiting)
                return;
        ms->waiting = true;
        DL_APPEND(m->ring, ms);
        m->n_ring++;
        mux_schedule_flush(m);
}

static void mux_stream_leave_ring(MuxStream *ms) {
        if (!ms->waiting)
                return;
        ms->waiting = false;
        DL_DELETE(ms->mux->ring, ms);
        ms->mux->n_ring--;
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

/* What is left for MS of its share in this round. */
static size_t mux_stream_share(MuxStream *ms) {
        const Mux *m = ms->mux;
        size_t share = m->n_woken > 1 ? MUX_SHARE : MUX_OUT_BYTES;

        if (ms->round != m->round) {
                ms->round = m->round;
                ms->n_taken = 0;
        }
        return share - MIN(share, ms->n_taken);
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
        if (buffer_room(ms->mux->out) < YAMUX_HEADER_BYTES) { /* beyond MUX_OUT_BYTES there is room for many */
                mux_stream_join_ring(ms);
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
};

static MuxStream *mux_stream_new(Mux *m) {
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

/* ---- life ---- */

int mux_new(Mux **ret, Stream *transport, bool is_client, const MuxEvents *events, void *userdata) {
        Mux *m = new0(Mux, 1);

        if (!m)
                return -ENOMEM;
        m->transport = transport;
        m->events = events;
        m->userdata = userdata;
        m->flush.run = on_mux_flush;
        m->heard_usec = clock_usec();
        yamux_init(&m->yamux, is_client, &yamux_events, m);
        stream_set_callback(transport, on_mux_event, m);
        stream_set_events(transport, STREAM_READABLE);
        *ret = m;
        return 0;
}

void mux_set_head(Mux *m, Buffer *head) {
        m->head = head;
        mux_schedule_flush(m); /* where it is taken: no event of the transport announces it */
}

void mux_set_events(Mux *m, const MuxEvents *events, void *userdata) {
        m->events = events;
        m->userdata = userdata;
}

int mux_open(Mux *m, Stream **ret) {
        MuxStream *ms = mux_stream_new(m);
        int r;

        if (!ms)
                return -ENOMEM;
        r = yamux_open(&m->yamux, &ms->yamux);
        if (r < 0) {
                stream_free(&ms->stream);
                return r;
        }
        mux_schedule_flush(m);
        *ret = &ms->stream;
        return 0;
}

void mux_ping(Mux *m) {
        m->pinged_usec = clock_usec();
        yamux_ping(&m->yamux, ++m->ping_value);
        mux_schedule_flush(m);
}

uint64_t mux_heard_usec(const Mux *m) {
        return m->heard_usec;
}

void mux_go_away(Mux *m) {
        yamux_go_away(&m->yamux, YAMUX_NORMAL);
        mux_schedule_flush(m);
}

void mux_end(Mux *m) {
        mux_add_control(m);
        if (mux_write_out(m) == 0)
                (void) stream_shutdown(m->transport);
        (void) stream_flush(m->transport);
}

bool mux_is_wearing_out(const Mux *m) {
        return yamux_is_wearing_out(&m->yamux);
}

Yamux *mux_yamux(Mux *m) {
        return &m->yamux;
}

bool mux_is_over(const Mux *m) {
        return m->has_ended;
}

unsigned mux_count_streams(const Mux *m) {
        return m->n_streams;
}

void mux_detach(Mux *m) {
        worker_unflush(m->transport->worker, &m->flush);
        stream_detach(m->transport);
}

int mux_attach(Mux *m, Worker *w) {
        int r = stream_attach(m->transport, w);

        if (r < 0)
                return r;
        stream_set_callback(m->transport, on_mux_event, m);
        stream_set_events(m->transport, STREAM_READABLE);
        mux_schedule_flush(m);
        return 0;
}

/* Everything but the memory that callers further up still look at. */
static void mux_close(Mux *m) {
        MuxStream *ms, *next;

        DL_FOREACH_SAFE2(m->streams, ms, next, all_next) {
                mux_stream_leave_ring(ms);
                if (!mux_stream_is_complete(ms))
                        mux_stream_abort(ms);
                ms->mux = NULL;
        }
        m->streams = NULL;
        yamux_done(&m->yamux);
}

static void mux_destroy(Mux *m) {
        if (m->transport->worker)
                worker_unflush(m->transport->worker, &m->flush);
        buffer_put(m->transport->worker ? mux_pool(m) : NULL, m->head);
        buffer_put(m->transport->worker ? mux_pool(m) : NULL, m->out);
        stream_free(m->transport);
        free(m);
}

Mux *mux_free(Mux *m) {
        if (!m)
                return NULL;
        mux_close(m);
        if (m->busy)
                m->dead = true;
        else
                mux_destroy(m);
        return NULL;
}
