/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/mux-private.h"

#include <errno.h>
#include <utlist.h>

#include "base/parse.h"

/* The transport is always read: stopping would stall everybody. A stream that isn't read costs memory
 * instead, its window at most, and all together are capped. */

#define MUX_READS_MAX 4 /* buffers at one event */

void mux_fail(Mux *m, int error) {
        if (m->has_ended)
                return;
        m->has_ended = true;
        m->error = error;
        stream_set_events(m->transport, 0);
        mux_schedule_flush(m); /* `ended` is called from there, where nobody is in the middle of something */
}

/* ---- in ---- */

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

static void on_mux_flush(ReadyItem *item) {
        Mux *m = container_of(item, Mux, flush);

        if (m->has_ended)
                m->events->ended(m, m->error, m->userdata);
        else if (m->head)
                on_mux_event(m->transport, STREAM_READABLE | STREAM_WRITABLE, m);
        else
                mux_flush(m);
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

uint64_t mux_round_trip_usec(const Mux *m) {
        return m->round_trip_usec;
}

uint64_t mux_heard_usec(const Mux *m) {
        return m->heard_usec;
}

void mux_go_away(Mux *m) {
        yamux_go_away(&m->yamux, YAMUX_NORMAL);
        mux_schedule_flush(m);
}

bool mux_is_wearing_out(const Mux *m) {
        return yamux_is_wearing_out(&m->yamux);
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
