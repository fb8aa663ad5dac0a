/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who owns which name, port and session. Written by the main thread, read by the workers, under one lock
 * that is never held across a callback.
 *
 * A name belongs to a user, and stays reserved for a grace time after its tunnel ended; so does a port,
 * whose socket keeps listening meanwhile. A client is known by its ClientId, also while it is away; what it
 * was given at random it gets again.
 *
 * A client may have several sessions, numbered by itself. Its tunnels are those of session 0: they come and
 * go with it, also while others are there. Visitors are spread over all. A session replaces the one of its
 * number. What else there was stays when session 0 comes again from the same process (Instance), and is
 * replaced too when another process begins: nobody can know whether the old one still lives. */

#include <stdbool.h>

#include "net/address.h"
#include "proto/message.h"
#include "server/session-set.h"
#include "server/tunnel-wish.h"

typedef struct Registry Registry;

typedef struct RegistryOptions {
        WishRules rules;
        Address tcp_address; /* where tcp tunnels listen; its port is ignored */
        uint64_t grace_usec; /* how long what a client had stays reserved */
        uint64_t park_usec;  /* how long visitors of a port without a client wait in its backlog */
        uint64_t max_clients, max_tunnels_per_client;
        uint64_t rate_per_tunnel; /* bytes a second; 0: any */
} RegistryOptions;

/* OPTIONS are copied, what they borrow outlives them. Returns 0 or a negative errno. */
int registry_new(Registry **ret, const RegistryOptions *options);

/* What is asked for from now on is judged by OPTIONS; what was granted stays. The rate is that of all
 * tunnels. As above. loop: main */
void registry_set_options(Registry *r, const RegistryOptions *options);

/* Takes NULL; returns NULL. */
Registry *registry_free(Registry *r);

/* FN is called when something of what registry_save() says is new, by main. */
typedef void (*RegistryChangeFn)(void *userdata);
void registry_set_change_fn(Registry *r, RegistryChangeFn fn, void *userdata);

/* FN is called by main when PORT begins to be listened on, with its socket, which stays the registry's, and,
 * with -1, when it is given up: not by registry_free() and registry_close_ports(). */
typedef void (*RegistryPortFn)(uint16_t port, int fd, void *userdata);
void registry_set_port_fn(Registry *r, RegistryPortFn fn, void *userdata);

/* ---- workers and main ---- */

typedef enum RegistryAnswer {
        REGISTRY_FOUND,
        REGISTRY_UNKNOWN, /* nobody's */
        REGISTRY_AWAY,    /* its client may come back */
        REGISTRY_ABSENT,  /* the same, but nobody waits for it */
} RegistryAnswer;

/* The tunnel of a host name (lower case, no port) for http, https or tls: a reference in *RET when found, and
 * in *RET_SESSION the one of its client's sessions that is to serve the next visitor: one on WORKER, which
 * asks, if there is any, since a visitor that stays where it is costs less. */
RegistryAnswer registry_find(Registry *r, TunnelProtocol protocol, const char *host, unsigned worker,
                             Tunnel **ret, SessionName *ret_session);

/* Whether any name may have a tunnel of tls, so that hellos are worth a look. Takes no lock. */
bool registry_has_tls(Registry *r);

/* HOST is a name that belongs to another user than USER. */
bool registry_is_of_other(Registry *r, const char *host, const char *user);

/* As registry_find(), for the tunnel of a port; its visitors all come to one worker, so the session may be on
 * any. */
RegistryAnswer registry_find_port(Registry *r, uint16_t port, Tunnel **ret, SessionName *ret_session);

/* The session 0 that the client of that id has now. Returns 0 or -ENOENT. */
int registry_find_session(Registry *r, const char *client_id, SessionName *ret);

/* The client of that id says that the service behind its tunnel URL fails, or no more. What isn't its own is
 * passed over. */
void registry_set_failing(Registry *r, const char *client_id, const char *url, bool is_failing);

/* ---- main only ---- */

/* A client that has passed authentication. Strings are borrowed for the call. */
typedef struct RegistryLogin {
        const char *client_id; /* gets a new one in its place when empty or not 16–64 of [A-Za-z0-9_-] */
        User *user;            /* a reference is taken */
        const Address *peer;   /* where it came from */
        const char *instance;  /* "": of no other session's */
        unsigned number;       /* below MESSAGE_SESSIONS_MAX: which of its sessions this is */
        SessionName session;
} RegistryLogin;

/* Enters the session of LOGIN. Returns the number of sessions in RET_REPLACED, which are to be closed; if
 * they had tunnels these are gone already. *RET_CLIENT_ID is owned by the caller. Else -EKEYREJECTED when the
 * id is another user's, -ENOENT when this is not session 0 and its process has no other one, -ENOBUFS when
 * there are too many clients, or -ENOMEM. */
int registry_login(Registry *r, const RegistryLogin *login, char **ret_client_id,
                   SessionName ret_replaced[static MESSAGE_SESSIONS_MAX]);

/* How many sessions that client has on WORKER, without the one of NUMBER, which a new one would replace. */
unsigned registry_count_on(Registry *r, const char *client_id, unsigned worker, unsigned number);

/* The session has ended. If it was session 0, the tunnels go; names and ports stay reserved from NOW on. */
void registry_logout(Registry *r, const char *client_id, uint64_t session_id, uint64_t now_usec);

/* All sessions and tunnels of the user of that name are over now; the sessions themselves are to be closed.
 * Names and ports are free at once, but for those that SUCCESSOR (NULL: there is none), the same user with
 * another policy, may still have: they stay reserved for its clients that may come back. */
void registry_revoke(Registry *r, const char *name, User *successor, uint64_t now_usec);

/* The user of the client that people know by LABEL: a reference, or NULL. */
User *registry_find_user(Registry *r, const char *label);

/* A user of a known client whose time is over at NOW (UNIX time): a reference, or NULL. */
User *registry_find_expired(Registry *r, int64_t now_sec);

/* A user of a known client: a reference, or NULL: there is none. */
User *registry_any_user(Registry *r);

typedef struct TunnelGrant {
        Tunnel *tunnel; /* a reference */
        int fd;         /* owned: the listening socket of a tcp tunnel, else -1. The registry keeps one too */
} TunnelGrant;

/* Registers the tunnels of one ReqTunnel, all or none. Returns their number; -ESTALE when SESSION isn't the
 * client's session 0 any more; -EEXIST (name taken), -EADDRINUSE (port taken), -ENOBUFS (a limit),
 * -EKEYREJECTED, -EINVAL with *RET_WHY, a sentence for the client, owned by the caller; or -ENOMEM. */
int registry_add(Registry *r, const char *client_id, SessionName session, const MessageReqTunnel *m,
                 TunnelGrant ret[static TUNNEL_PROTOCOL_MAX], char **ret_why);

/* HOST ("name" or "name:port") is USER's, and leads to its koding/tunnel client, the one that attends: at
 * once, and whenever it is there. Returns 0, -EINVAL (not a host name), -EEXIST when it is another user's,
 * -ENOBUFS or -ENOMEM. */
int registry_host_add(Registry *r, const char *host, const char *user);

/* Takes it away again, at once. Returns 0, or -ENOENT when it was not added; those of a policy stay. */
int registry_host_remove(Registry *r, const char *host, const char *user);

/* The hosts of USER's policy are its own, also while it has no client. Those that are another user's are
 * added to TAKEN. Only if the policy lets it use koding/tunnel. Returns 0, -ENOBUFS or -ENOMEM. */
int registry_keep_hosts(Registry *r, const User *user, ConfigList *taken);

/* From now on the hosts of its user lead to the client with that session: those of the user's policy, and
 * those that were added. The rest is as above, and -ESTALE when the session isn't the client's any more. */
int registry_attend(Registry *r, const char *client_id, SessionName session, ConfigList *taken);

/* Forgets reservations whose grace is over, and resets visitors of ports whose client stays away. Returns
 * true while there are reservations. */
bool registry_sweep(Registry *r, uint64_t now_usec);

/* Closes the sockets of tcp tunnels, for a server that stops. */
void registry_close_ports(Registry *r);

typedef struct RegistryPort {
        uint16_t port;
        int fd; /* borrowed: its listening socket */
} RegistryPort;

/* All ports that somebody has, also if its client is away: *RET is owned by the caller. Returns 0 or -ENOMEM.
 */
int registry_list_ports(Registry *r, RegistryPort **ret, size_t *ret_n);

/* All tunnels: *RET, owned by the caller, holds *RET_N references. Returns 0 or -ENOMEM. */
int registry_list_tunnels(Registry *r, Tunnel ***ret, size_t *ret_n);

typedef struct RegistryCounts {
        unsigned clients, tunnels; /* that are there now; http+https counts twice */
        unsigned ports;            /* that are somebody's, also while its client is away */
} RegistryCounts;

void registry_count(Registry *r, RegistryCounts *ret);

DEFINE_CLEANUP(Registry*, registry_free);
