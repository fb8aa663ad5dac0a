/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who owns which name, port and session. Written by the main thread, read by the workers, under one lock
 * that is never held across a callback.
 *
 * A name belongs to a user, and stays reserved for a grace time after its tunnel ended; so does a port,
 * whose socket keeps listening meanwhile. A client is known by its ClientId, also while it is away; what it
 * was given at random it gets again. */

#include <stdbool.h>

#include "net/address.h"
#include "server/tunnel-wish.h"

typedef struct Registry Registry;

typedef struct RegistryOptions {
        WishRules rules;
        Address tcp_address; /* where tcp tunnels listen; its port is ignored */
        uint64_t grace_usec; /* how long what a client had stays reserved */
        uint64_t park_usec;  /* how long visitors of a port without a client wait in its backlog */
        uint64_t max_clients, max_tunnels_per_client;
} RegistryOptions;

/* OPTIONS are copied, what they borrow outlives the registry. Returns 0 or a negative errno. */
int registry_new(Registry **ret, const RegistryOptions *options);

/* Takes NULL; returns NULL. */
Registry *registry_free(Registry *r);

/* ---- workers and main ---- */

typedef enum RegistryAnswer {
        REGISTRY_FOUND,
        REGISTRY_UNKNOWN, /* nobody's */
        REGISTRY_AWAY,    /* its client may come back */
} RegistryAnswer;

/* The tunnel of a host name (lower case, no port) for http or https: a reference in *RET when found. */
RegistryAnswer registry_find(Registry *r, TunnelProtocol protocol, const char *host, Tunnel **ret);

/* The session that the client of that id has now. Returns 0 or -ENOENT. */
int registry_find_session(Registry *r, const char *client_id, SessionName *ret);

/* ---- main only ---- */

/* A client of USER has passed authentication, from PEER, and gets SESSION, which replaces its earlier one:
 * *RET_REPLACED (id 0: there was none) is to be closed, its tunnels are gone already. CLIENT_ID gets a new
 * one in its place when it is empty or not 16–64 of [A-Za-z0-9_-]. Returns 0 with *RET_CLIENT_ID, owned by
 * the caller; -EKEYREJECTED when the id is another user's, -ENOBUFS when there are too many clients, or
 * -ENOMEM. */
int registry_login(Registry *r, const char *client_id, User *user, const Address *peer, SessionName session,
                   char **ret_client_id, SessionName *ret_replaced);

/* The session has ended: its tunnels go, their names and ports stay reserved from NOW on. */
void registry_logout(Registry *r, const char *client_id, uint64_t session_id, uint64_t now_usec);

/* All sessions and tunnels of the user of that name are over now; the sessions themselves are to be closed.
 * Names and ports are free at once, but for those that SUCCESSOR (NULL: there is none), the same user with
 * another policy, may still have: they stay reserved for its clients that may come back. */
void registry_revoke(Registry *r, const char *name, User *successor, uint64_t now_usec);

/* A user of a known client whose time is over at NOW (UNIX time): a reference, or NULL. */
User *registry_find_expired(Registry *r, int64_t now_sec);

typedef struct TunnelGrant {
        Tunnel *tunnel; /* a reference */
        int fd;         /* owned: the listening socket of a tcp tunnel, else -1. The registry keeps one too */
} TunnelGrant;

/* Registers the tunnels of one ReqTunnel, all or none. Returns their number; -ESTALE when the session isn't
 * the client's any more; -EEXIST (name taken), -EADDRINUSE (port taken), -ENOBUFS (a limit), -EKEYREJECTED,
 * -EINVAL with *RET_WHY, a sentence for the client, owned by the caller; or -ENOMEM. */
int registry_add(Registry *r, const char *client_id, SessionName session, const MessageReqTunnel *m,
                 TunnelGrant ret[static TUNNEL_PROTOCOL_MAX], char **ret_why);

/* Forgets reservations whose grace is over, and resets visitors of ports whose client stays away. Returns
 * true while there are reservations. */
bool registry_sweep(Registry *r, uint64_t now_usec);

/* Closes the sockets of tcp tunnels, for a server that stops. */
void registry_close_ports(Registry *r);

typedef struct RegistryCounts {
        unsigned clients, tunnels; /* that are there now; http+https counts twice */
} RegistryCounts;

void registry_count(Registry *r, RegistryCounts *ret);

DEFINE_CLEANUP(Registry*, registry_free);
