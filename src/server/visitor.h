/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One connection from the internet, from accept to its end. It finds its tunnel, moves to the shard of the
 * tunnel's session, gets a stream to the client and is relayed. Nobody owns it but itself and, at a stop, its
 * shard. */

#include "server/shard.h"

typedef struct Visitor Visitor;

/* Own FD, and deal with their own failures. SERVER: where it has connected, if that isn't FD's own address,
 * or NULL. loop: the shard's */
void visitor_new_http(Shard *sh, int fd, const Address *peer, const Address *server, bool https);
void visitor_new_tcp(Shard *sh, int fd, const Address *peer, Tunnel *t);

struct Passed;

/* One that another process has accepted. Owns its descriptor. As above. */
void visitor_new_passed(Shard *sh, const struct Passed *p);

/* Each visitor that waits for an absent client looks again. */
void visitor_retry_parked(Shard *sh);

/* Breaks off the connections that lead to tunnels of USER. */
void visitor_abort_user(Shard *sh, const User *user);

/* What people may know of a visitor. */
typedef struct VisitorInfo {
        Address peer;
        TunnelProtocol protocol;
        Tunnel *tunnel; /* a reference; NULL until it is found */
        uint64_t started_usec;
        uint64_t bytes_in, bytes_out; /* relayed from it, and to it */
} VisitorInfo;

/* Fills RET, at most MAX of them. Returns their number. */
size_t visitor_list(Shard *sh, VisitorInfo *ret, size_t max);

/* Adds what the relays of SH have moved so far, which its own metrics do not have yet. */
void visitor_add_bytes(Shard *sh, Metrics *sum);

/* Aborts the connections that the client of that label serves. */
void visitor_abort_client(Shard *sh, const char *label);

/* For a stop: lets go of visitors that have no stream yet, and of all. */
void visitor_stop_waiting(Shard *sh);
void visitor_free_all(Shard *sh);
