/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One public name or port that leads to one client, whose sessions the registry knows. Immutable but for its
 * links in the registry, counted by references; any thread. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/rate.h"
#include "proto/tunnel-options.h"
#include "proto/tunnel-protocol.h"
#include "server/client-label.h"
#include "server/http-users.h"
#include "server/user.h"

/* Names a session on any thread. Ids are never used twice; 0 is none. */
typedef struct SessionName {
        unsigned worker;
        uint64_t id;
} SessionName;

typedef struct Tunnel Tunnel;
struct Tunnel {
        atomic_uint n_refs;
        TunnelProtocol protocol;
        char *url;                    /* owned: as NewTunnel and StartProxy say it */
        char *host;                   /* owned: the public name; of tcp tunnels the server's domain */
        uint16_t port;                /* of tcp tunnels */
        HttpUsers *users;             /* owned: who may come, by http authentication; NULL: everybody */
        TunnelOptions *options;       /* a reference; NULL: none */
        User *user;                   /* a reference: whose it is */
        bool no_parking;              /* visitors don't wait for a client that is away: they get 502 */
        char label[CLIENT_LABEL_MAX]; /* of its client */
        atomic_uint n_connections;    /* its visitors */
        atomic_bool is_failing;       /* its client says that the service behind it fails */
        Rate rate;                    /* of all of them */
        struct Client *client;        /* the registry's, under its lock while it has the tunnel */
        Tunnel *prev, *next;          /* of the same client; the main thread's */
};

/* With one reference. HTTP_AUTH: "user:password", or ""; users of OPTIONS (may be NULL) take its place.
 * Returns 0, -ENOMEM, or what GnuTLS fails with. */
int tunnel_new(Tunnel **ret, TunnelProtocol protocol, const char *url, const char *host, uint16_t port,
               const char *http_auth, TunnelOptions *options, User *user);
Tunnel *tunnel_ref(Tunnel *t); /* takes NULL */
Tunnel *tunnel_unref(Tunnel *t);

/* A visitor comes, unless MAX of the tunnel or as many as its user may have are there. Followed by
 * tunnel_leave() if it may. */
bool tunnel_enter(Tunnel *t, uint64_t max);
void tunnel_leave(Tunnel *t);

DEFINE_CLEANUP(Tunnel*, tunnel_unref);
