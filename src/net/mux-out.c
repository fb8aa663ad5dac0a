/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/mux-private.h"

#include <errno.h>
#include <utlist.h>

/* Streams write their frames into one buffer, straight behind each other, in the order in which they get to
 * it; when it is full, and once a turn, it is flushed, control frames in front. While the transport takes no
 * more, streams wait in a ring, and each gets its share when there is room. */

#define MUX_HEADROOM 1024           /* in front of what streams write: for control frames */
#define MUX_OUT_BYTES (257U * 1024) /* that streams write until it is flushed: a window, and headers */
#define MUX_SHARE (128U * 1024)     /* of it, for each of several streams that wait for room */
#define MUX_FRAME_MIN (16U * 1024)  /* less room than that is not worth one */

void mux_schedule_flush(Mux *m) {
        if (m->transport->worker) /* else it is detached: mux_attach() comes back to it */
                worker_flush_later(m->transport->worker, &m->flush);
}

Buffer *mux_out(Mux *m) {
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

void mux_flush(Mux *m) {
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

size_t mux_room(const Mux *m) {
        size_t n = buffer_length(m->out);

        if (!m->out)
                return MUX_OUT_BYTES;
        return n < MUX_OUT_BYTES ? MIN(MUX_OUT_BYTES - n, buffer_room(m->out)) : 0;
}

bool mux_make_out_room(Mux *m) {
        const size_t least = YAMUX_HEADER_BYTES + MUX_FRAME_MIN;

        if (mux_room(m) < least && mux_send(m) < 0)
                return false; /* an error shows again in the flush that is due */
        return mux_room(m) >= least && mux_out(m);
}

void mux_stream_join_ring(MuxStream *ms) {
        Mux *m = ms->mux;

        if (ms->waiting)
                return;
        ms->waiting = true;
        DL_APPEND(m->ring, ms);
        m->n_ring++;
        mux_schedule_flush(m);
}

void mux_stream_leave_ring(MuxStream *ms) {
        if (!ms->waiting)
                return;
        ms->waiting = false;
        DL_DELETE(ms->mux->ring, ms);
        ms->mux->n_ring--;
}

size_t mux_stream_share(MuxStream *ms) {
        const Mux *m = ms->mux;
        size_t share = m->n_woken > 1 ? MUX_SHARE : MUX_OUT_BYTES;

        if (ms->round != m->round) {
                ms->round = m->round;
                ms->n_taken = 0;
        }
        return share - MIN(share, ms->n_taken);
}

void mux_end(Mux *m) {
        mux_add_control(m);
        if (mux_write_out(m) == 0)
                (void) stream_shutdown(m->transport);
        (void) stream_flush(m->transport);
}
