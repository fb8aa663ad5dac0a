/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connection that a proxy passes on, until it has said for whom (the PROXY protocol): then it is a
 * visitor's, from that address. One that doesn't begin with a header is closed. */

#include "server/shard.h"

typedef struct Proxied Proxied;

/* Owns FD, which PEER, the proxy, has connected, and deals with its own failures. loop: the shard's */
void proxied_new(Shard *sh, int fd, const Address *peer, bool https);

/* Closes. Takes NULL; returns NULL. */
Proxied *proxied_free(Proxied *p);
