/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sockets that systemd has passed to us (sd_listen_fds(3)), by their names: "http", "https" and "tunnel" of
 * its socket units, and "tcp-PORT", which a former life of ours has let it keep. */

#include <stdbool.h>

#include "server/snapshot.h"

typedef struct InheritedPort {
        uint16_t port;
        int fd; /* owned; -1 once it is taken */
} InheritedPort;

typedef struct Inherited {
        struct {
                ListenerKind kind;
                int fd; /* owned; -1 once it is taken */
        } sockets[SNAPSHOT_SOCKETS_MAX];
        unsigned n_sockets;
        InheritedPort *ports; /* owned */
        unsigned n_ports;
} Inherited;

/* Takes what was passed; once. What is none of ours is told in the log and closed. Returns 0 or a negative
 * errno; *RET is to be done in any case. */
int inherited_take(Inherited *ret);
void inherited_done(Inherited *i); /* closes what nobody took, and lets systemd forget the ports among it */

/* The name under which systemd keeps the socket of a tcp tunnel. */
#define INHERITED_NAME_MAX sizeof("tcp-65535")
const char *inherited_port_name(uint16_t port, char ret[static INHERITED_NAME_MAX]);

/* The socket of PORT, the caller's from now on, or -1. USERDATA is the Inherited: a RegistrySocketFn. */
int inherited_take_port(uint16_t port, void *userdata);
