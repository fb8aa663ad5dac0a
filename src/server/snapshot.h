/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is in force: the configuration, the credentials and pages made from the files that it names, and the
 * sockets that are listened on. Immutable and counted by references; any thread. A reload makes a new one,
 * which shares with the older what stays. */

#include <stdatomic.h>

#include "net/tls.h"
#include "server/config.h"
#include "server/dev-ca.h"
#include "server/error-pages.h"
#include "server/registry.h"

typedef enum ListenerKind { LISTEN_HTTP, LISTEN_HTTPS, LISTEN_TUNNEL, LISTEN_KIND_MAX } ListenerKind;

#define SNAPSHOT_SOCKETS_MAX 32 /* of all kinds together */

/* Counted by references: it is closed with the last of its snapshots. */
typedef struct PublicSocket {
        atomic_uint n_refs;
        int fd;          /* owned, listening; each shard polls its own duplicate */
        char *text;      /* owned: as configured; NULL: systemd has passed it */
        Address address; /* with the port that it got */
} PublicSocket;

typedef struct SnapshotSocket {
        ListenerKind kind;
        PublicSocket *socket; /* a reference */
} SnapshotSocket;

typedef struct Snapshot {
        atomic_uint n_refs;
        const ServerConfig *config;        /* a reference: what has other credentials may share it */
        TlsServer *https_tls, *tunnel_tls; /* references */
        ErrorPages *error_pages;           /* a reference */
        SnapshotSocket sockets[SNAPSHOT_SOCKETS_MAX];
        unsigned n_sockets;
        unsigned trust; /* another one than before: who clients are is asked otherwise, of all of them */
} Snapshot;

struct Inherited;

/* With one reference. Takes what CONFIG holds, on failure too. If INHERITED (NULL: none) or OLDER (the same)
 * has sockets that systemd has passed, these are all that is listened on; else sockets of OLDER that are
 * still configured stay, others are bound. *DEV_CA is made where a certificate is wanted of it; it outlives
 * all snapshots. FAULTS: why it can't be is added. Returns 0, or a negative errno. */
int snapshot_new(Snapshot **ret, ServerConfig *config, const Snapshot *older, struct Inherited *inherited,
                 DevCa **dev_ca, ConfigList *faults);

/* OLDER with its certificate, key and CA read again. Returns as above. */
int snapshot_new_credentials(Snapshot **ret, const Snapshot *older, DevCa **dev_ca, ConfigList *faults);

Snapshot *snapshot_ref(Snapshot *s);
Snapshot *snapshot_unref(Snapshot *s); /* NULL; takes NULL */

/* Whether S listens on SOCKET for KIND. */
bool snapshot_has_socket(const Snapshot *s, ListenerKind kind, const PublicSocket *socket);

/* Stops listening, in all snapshots with the same sockets. Once nobody duplicates them any more. */
void snapshot_close_sockets(const Snapshot *s);

/* Where the first socket of that kind listens, or NULL. */
const Address *snapshot_address(const Snapshot *s, ListenerKind kind);

/* What the registry is to know of S. Borrows from it. */
RegistryOptions snapshot_registry_options(const Snapshot *s);

DEFINE_CLEANUP(Snapshot*, snapshot_unref);
