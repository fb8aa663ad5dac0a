/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What follows from where a visitor comes from: whether it may, and what the local service is told. */

#include "client/tunnel-config.h"

typedef struct VisitorAddress { /* all borrowed, as StartProxy has it */
        const char *url;        /* of the tunnel */
        const char *visitor;    /* "ip:port" */
        const char *server;     /* the same: where the visitor has connected; "": not known */
} VisitorAddress;

/* LEFT: bits of TunnelOption, what the server leaves to us. */
bool visitor_address_may_come(const VisitorAddress *a, const TunnelConfig *config, unsigned left);

/* Writes the header of the PROXY protocol that CONFIG wants, if it wants one, to FD, which has just been
 * connected to the service, in front of all else. Returns 0 or -ECONNRESET. */
int visitor_address_introduce(const VisitorAddress *a, const TunnelConfig *config, int fd);
