/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Many streams over one: yamux on a transport, each of its streams a Stream like any other. What they write
 * in one turn of the loop leaves in one flush; a reader that stalls holds up nobody else. */

#include "net/stream.h"

#define MUX_ALPN "pgrok-mux/1"             /* of a TLS connection that carries one */
#define MUX_MEMORY_MAX (64U * 1024 * 1024) /* of bytes that readers leave waiting */
#define MUX_STREAMS_MAX 200000             /* that the peer may open */

typedef struct Mux Mux;

typedef struct MuxEvents {
        /* The peer opened S, which is the callee's, and not to be used before this returns. NULL: it may open
         * none. */
        void (*opened)(Mux *m, Stream *s, void *userdata);

        /* Once. ERROR as of stream_read(): 0 when the peer closed the transport. The callee frees the mux. */
        void (*ended)(Mux *m, int error, void *userdata);

        /* The peer wants no new streams; open ones go on. May be NULL. */
        void (*go_away)(Mux *m, void *userdata);

        /* The last stream is gone, and all is sent. Once. May be NULL. Freeing the mux here would reset the
         * transport if the peer has said something meanwhile: mux_end() it, and wait for its end. */
        void (*emptied)(Mux *m, void *userdata);
} MuxEvents;

/* Owns TRANSPORT on success. EVENTS and USERDATA are borrowed. Returns 0 or -ENOMEM. loop: TRANSPORT's */
int mux_new(Mux **ret, Stream *transport, bool is_client, const MuxEvents *events, void *userdata);

/* HEAD: bytes of a new mux's transport that were read before; they come before all others. Owns HEAD. */
void mux_set_head(Mux *m, Buffer *head);

/* For a new owner. */
void mux_set_events(Mux *m, const MuxEvents *events, void *userdata);

/* Opens a stream, owned by the caller. Returns 0, -ENOBUFS when the ids are used up, or -ENOMEM. */
int mux_open(Mux *m, Stream **ret);

/* Sends a ping: measures the round trip, on which the growth of windows depends, and makes a live peer say
 * something. */
void mux_ping(Mux *m);

/* How long the last answered ping was under way, in microseconds; 0: none was. */
uint64_t mux_round_trip_usec(const Mux *m);

/* When something last came from the peer. */
uint64_t mux_heard_usec(const Mux *m);

/* Sends what waits, as far as the transport takes it, and ends that: a farewell before mux_free(). */
void mux_end(Mux *m);

/* Tells the peer to open no more streams. */
void mux_go_away(Mux *m);

/* New sessions should replace this one: its stream ids are nearly used up. */
bool mux_is_wearing_out(const Mux *m);

/* `ended` has been called, or will be. */
bool mux_is_over(const Mux *m);

/* Not freed yet by their owners. */
unsigned mux_count_streams(const Mux *m);

/* As for streams. Its streams are moved by their owners, before a detach and after an attach. */
void mux_detach(Mux *m);
int mux_attach(Mux *m, Worker *w);

/* Closes the transport; streams that are still open fail with -ECONNRESET, those that have ended both ways
 * can be read to their end. Takes NULL; returns NULL. */
Mux *mux_free(Mux *m);

#define MUX_FAREWELL_USEC (5 * UINT64_C(1000000)) /* to wait after mux_end() */

DEFINE_CLEANUP(Mux*, mux_free);
