/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connection on the tunnel port until it has said who it is: its first message makes it a login, a proxy
 * connection of a session, or nothing. It has little time for that, and only so many may be open. */

#include "net/mux.h"
#include "server/shard.h"

#define GATE_TIMEOUT_USEC (10 * UINT64_C(1000000))

typedef struct Gate Gate;

/* Owns FD and deals with its own failures. loop: the shard's */
void gate_new(Shard *sh, int fd, const Address *peer);

/* Owns STREAM: a TLS connection that came to the https port and speaks mux. */
void gate_adopt(Shard *sh, Stream *stream, const Address *peer);

/* Owns STREAM, and the MUX that it belongs to, or NULL: a login from PEER that is refused. Sends AuthResp
 * with WHY after DELAY and closes. */
void gate_refuse(Shard *sh, Stream *stream, Mux *mux, const Address *peer, const char *why,
                 uint64_t delay_usec);

/* The same for a client of koding/tunnel, which waits for the answer to its CONNECT: it gets 502. */
void gate_refuse_koding(Shard *sh, Stream *stream, const Address *peer, const char *why, uint64_t delay_usec);

/* Closes. Takes NULL; returns NULL. */
Gate *gate_free(Gate *g);
