/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The public port of a tcp tunnel: lives with the tunnel's session and accepts its visitors. */

#include "server/tunnel.h"

struct Shard;

typedef struct TcpPort TcpPort;

/* Owns FD (listening) and takes a reference to T. Adds itself to *LIST. Failures are logged. loop: the
 * shard's */
void tcp_port_open(TcpPort **list, struct Shard *shard, int fd, Tunnel *t);

/* Closes all of *LIST. */
void tcp_port_close_all(TcpPort **list);
