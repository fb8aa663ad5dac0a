/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the mux share: mux.c (its life, and what comes in), mux-out.c (what goes out), and
 * mux-stream.c (a stream, as its owner uses it). */

#include "net/mux.h"
#include "proto/yamux.h"

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
        bool is_deaf;   /* reset after its end: it takes nothing more, but what it said is whole */
        bool owes_end;  /* there was no room for it yet */
        bool freed;     /* only yamux still needs it */
        bool waiting;   /* in the ring */
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

static inline BufferPool *mux_pool(Mux *m) {
        return &m->transport->worker->buffers;
}

/* ---- mux.c ---- */

/* The session is over; `ended` is called when nobody is in the middle of something. */
void mux_fail(Mux *m, int error);

/* ---- mux-out.c ---- */

void mux_schedule_flush(Mux *m);

/* Sends what there is, wakes who waits for room, and waits for what is wanted next. */
void mux_flush(Mux *m);

/* The buffer that streams write to, or NULL when memory is out. */
Buffer *mux_out(Mux *m);

/* What streams may still write, headers included. */
size_t mux_room(const Mux *m);

/* Whether there is room for a frame that's worth it, if need be after sending what is there. */
bool mux_make_out_room(Mux *m);

/* MS waits for room, or no longer. */
void mux_stream_join_ring(MuxStream *ms);
void mux_stream_leave_ring(MuxStream *ms);

/* What is left for MS of its share in this round. */
size_t mux_stream_share(MuxStream *ms);

/* ---- mux-stream.c ---- */

/* Returns a stream in M's list, or NULL. */
MuxStream *mux_stream_new(Mux *m);

/* Its owner is to look at it, in this turn of the loop. */
void mux_stream_wake(MuxStream *ms);

/* It ends as if the peer had aborted it. */
void mux_stream_abort(MuxStream *ms);

/* Keeps what the reader has left of a view. Returns 0 or -ENOMEM. */
int mux_stream_keep(MuxStream *ms);

/* Both directions have ended: what is left to be read needs the mux no more. */
bool mux_stream_is_complete(const MuxStream *ms);
