/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sockets that were passed to us (sd_listen_fds(3)), by their names.
 *
 * By systemd: "http", "https" and "tunnel" of its socket units, and "tcp-PORT", which a former life of ours
 * has let it keep. By the process that this one is to replace (upgrade.h) the same, and besides: "own-http",
 * … that it had bound itself, as the configuration told; "metrics" and "control", where it listens for
 * administrators; "state", the lock of the state folder; "upgrade", on which both talk; "visitors", on which
 * still older processes send theirs. */

#include <stdbool.h>

#include "server/snapshot.h"

#define INHERITED_UPGRADE_FD 3 /* it comes first, so that it is found by everybody */
#define INHERITED_CHANNELS_MAX 16

typedef enum InheritedKind {
        INHERITED_UPGRADE,
        INHERITED_STATE,
        INHERITED_CONTROL,
        INHERITED_METRICS,
        INHERITED_KIND_MAX
} InheritedKind;

typedef struct InheritedPort {
        uint16_t port;
        int fd; /* owned; -1 once it is taken */
} InheritedPort;

typedef struct InheritedSocket {
        ListenerKind kind;
        bool is_own; /* of a former process of ours: what is configured decides what becomes of it */
        int fd;      /* owned; -1 once it is taken */
} InheritedSocket;

typedef struct Inherited {
        InheritedSocket sockets[2 * SNAPSHOT_SOCKETS_MAX];
        unsigned n_sockets;
        InheritedPort *ports; /* owned */
        unsigned n_ports;
        int fds[INHERITED_KIND_MAX];          /* owned; -1: there is none, or it is taken */
        int channels[INHERITED_CHANNELS_MAX]; /* owned: those named "visitors" */
        unsigned n_channels;
} Inherited;

/* Takes what was passed; once. What is none of ours is told in the log and closed. Returns 0 or a negative
 * errno; *RET is to be done in any case. */
int inherited_take(Inherited *ret);
void inherited_done(Inherited *i); /* closes what nobody took, and lets systemd forget the ports among it */

/* The name under which systemd keeps the socket of a tcp tunnel. */
#define INHERITED_NAME_MAX sizeof("tcp-65535")
const char *inherited_port_name(uint16_t port, char ret[static INHERITED_NAME_MAX]);

/* Under which the next process gets a socket of ours; IS_OWN as above. */
const char *inherited_socket_name(ListenerKind kind, bool is_own);
const char *inherited_kind_name(InheritedKind kind);
#define INHERITED_CHANNEL_NAME "visitors"

/* The socket of PORT, the caller's from now on, or -1. USERDATA is the Inherited: a RegistrySocketFn. */
int inherited_take_port(uint16_t port, void *userdata);

/* One of our own that listens for KIND at ADDRESS, the caller's from now on, or -1. I may be NULL. */
int inherited_take_own(Inherited *i, ListenerKind kind, const Address *address);
