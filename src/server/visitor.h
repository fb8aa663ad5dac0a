/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One connection from the internet, from accept to its end. It finds its tunnel, moves to the shard of the
 * tunnel's session, gets a stream to the client and is relayed. Nobody owns it but itself and, at a stop, its
 * shard. */

#include "server/shard.h"

typedef struct Visitor Visitor;

/* Own FD, and deal with their own failures. loop: the shard's */
void visitor_new_http(Shard *sh, int fd, const Address *peer, bool https);
void visitor_new_tcp(Shard *sh, int fd, const Address *peer, Tunnel *t);

/* Each visitor that waits for an absent client looks again. */
void visitor_retry_parked(Shard *sh);

/* Breaks off the connections that lead to tunnels of USER. */
void visitor_abort_user(Shard *sh, const User *user);

/* For a stop: lets go of visitors that have no stream yet, and of all. */
void visitor_stop_waiting(Shard *sh);
void visitor_free_all(Shard *sh);
