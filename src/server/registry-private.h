/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the registry share. */

#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

#include "server/registry.h"
#include "server/session-set.h"

#define CLAIMS_MAX 1000000 /* names, and ports, also reserved ones */
#define INSTANCE_LENGTH_MAX 64

/* What a client got without asking for it by name, to get it again. */
typedef struct Sticky {
        char *key;  /* owned: "tcp:SUBDOMAIN", or "http#N" for the N-th such request of a session */
        char *host; /* owned, or NULL */
        uint16_t port;
        struct Sticky *next;
} Sticky;

typedef struct Client {
        char *id; /* owned */
        char label[CLIENT_LABEL_MAX];
        User *user;             /* a reference */
        SessionSet sessions;    /* empty: away */
        Address peer;           /* where session 0 came from */
        uint64_t away_usec;     /* since when */
        unsigned n_requests;    /* granted to this session 0 */
        unsigned n_http, n_tcp; /* among them, without a wish for a name or port */
        Tunnel *tunnels;        /* references */
        Sticky *sticky;         /* owned */
        unsigned n_sticky;
        /* the process that its sessions are of; "": none can join */
        char instance[INSTANCE_LENGTH_MAX + 1];
        bool attends; /* the hosts of its user lead to it */
        UT_hash_handle hh;
} Client;

/* Why a name stays its user's without a grace time. */
typedef enum ClaimKept { KEPT_CONFIGURED = 1 << 0, KEPT_ADDED = 1 << 1 } ClaimKept;

/* A name, or a port, and who may have it. */
typedef struct Claim {
        char *host;                           /* owned; names only; a wildcard begins with "*." */
        uint16_t port;                        /* ports only */
        int fd;                               /* owned, listening; ports only */
        char *user;                           /* owned */
        char *client_id;                      /* owned: the last to have it */
        Tunnel *tunnels[TUNNEL_PROTOCOL_MAX]; /* borrowed from the client's list */
        uint64_t free_usec;                   /* since when it has none */
        uint64_t awaited_usec;                /* until then visitors wait also if it is kept */
        bool is_tls;                          /* names: what it had last on the https port was tls */
        unsigned kept;                        /* ClaimKept: not 0 for a host, see registry_host_add() */
        struct Claim *prev, *next;            /* of the hosts */
        UT_hash_handle hh;
} Claim;

struct Registry {
        RegistryOptions options;
        pthread_rwlock_t lock;
        Client *clients;   /* owned, by id */
        Claim *names;      /* owned, by host */
        Claim *ports;      /* owned, by port */
        Claim *hosts;      /* those names that are kept */
        atomic_uint n_tls; /* names that are `is_tls' */
        uint16_t next_port;
        RegistryCounts counts;
        RegistryChangeFn on_change; /* may be NULL */
        void *userdata;             /* borrowed */
        RegistryPortFn on_port;     /* may be NULL */
        void *port_userdata;        /* borrowed */
};

/* After a change. */
void registry_unlock_changed(Registry *r);

bool claim_is_used(const Claim *c);
Claim *claim_of_host(Registry *r, const char *host);

/* Of the wildcards that HOST, perhaps one itself, is below, the most specific one; NULL for none. */
Claim *claim_above(Registry *r, const char *host);

/* The first of both: whose visitors of HOST are. */
Claim *claim_for_host(Registry *r, const char *host);

/* Returns the claim for HOST, or a new one; NULL when memory is out. */
Claim *claim_host(Registry *r, const char *host, const char *user, const char *client_id);
void claim_drop(Registry *r, Claim *c);
void claim_set_tls(Registry *r, Claim *c, bool is_tls);

Claim *claim_of_port(Registry *r, uint16_t port);
Claim *claim_of_tunnel(Registry *r, const Tunnel *t);
bool claim_allows(const Claim *c, const Client *client);

/* Returns 0 or -ENOMEM. */
int claim_set_owner(Claim *c, const char *user, const char *client_id);

/* Returns a new claim for PORT, which has none, with FD listening there, or, with -1, one bound now; NULL
 * when that can't be. Takes FD in any case. */
Claim *claim_port(Registry *r, uint16_t port, int fd, const char *user, const char *client_id);

/* HOST is kept as by registry_host_add(), under the lock. */
void host_restore(Registry *r, const char *host, const char *user);

Client *client_find(Registry *r, const char *id);

/* Returns a new client, with a new id in the place of one that is not usable, or NULL. */
Client *client_new(Registry *r, const char *id, User *user);

/* What C got when it asked for KEY, or NULL. */
Sticky *client_sticky(Client *c, const char *key);

/* C gets HOST, or PORT, again when it asks for KEY. Forgetting is no failure: it gets another one then. */
void client_remember(Client *c, const char *key, const char *host, uint16_t port);
