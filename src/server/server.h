/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The server as a whole: what its threads share, and the main thread's own affairs. */

#include "base/file-watch.h"
#include "net/http-service.h"
#include "net/timer.h"
#include "server/access-log.h"
#include "server/attempts.h"
#include "server/auth.h"
#include "server/crowd.h"
#include "server/dev-ca.h"
#include "server/guard.h"
#include "server/inherited.h"
#include "server/log-kinds.h"
#include "server/options.h"
#include "server/registry.h"
#include "server/shard.h"
#include "server/state.h"
#include "server/watchdog.h"

typedef struct Stopper Stopper;
typedef struct Upgrade Upgrade;
typedef struct Predecessor Predecessor;
typedef struct Login Login;
typedef struct TunnelRequest TunnelRequest;

#define SERVER_SIGNALS_MAX 4
#define SERVER_CREDENTIALS_MAX 5 /* files: certificate, key, CAs of clients and of visitors; a folder */

typedef struct Server {
        /* shared, immutable while the workers run */
        Worker *main;  /* owned; its userdata is the server */
        Shard *shards; /* owned, n_shards of them; each is its worker's own */
        unsigned n_shards;

        /* shared, locked by itself */
        Registry *registry; /* owned */
        State *state;       /* owned; NULL: it doesn't survive a restart. main only */
        Crowd *crowd;       /* owned */
        Guard *guard;       /* owned */
        LogKinds log_kinds;
        AccessLog *access_log; /* owned */
        int successor_fd; /* owned: leads to the process that has replaced this one, for visitors (pass.h);
                             set before shards are told to stop; or -1 */

        /* main only */
        const ServerOptions *options; /* borrowed: what to read the configuration from again */
        Snapshot *snapshot;           /* a reference: what is in force. Each shard has its own reference */
        Inherited *inherited;         /* borrowed: until all is set up */
        Watchdog *watchdog;           /* owned; NULL: nobody listens */
        DevCa *dev_ca;                /* owned; NULL until its certificates are wanted */
        Auth *auth;                   /* owned */
        Attempts *attempts;           /* owned */
        Login *logins;                /* owned: wait for an answer of auth */
        TunnelRequest *requests;      /* the same */
        HttpService *control;         /* owned; NULL: there is none */
        HttpService *metrics;         /* the same */
        uint64_t last_session_id;
        uint64_t started_usec;
        uint64_t n_auth_failures;
        Stopper *stopper;          /* owned; NULL until the server is to stop */
        Upgrade *upgrade;          /* owned; NULL: there is none under way */
        Predecessor *predecessors; /* owned: processes that this one has replaced, and that aren't gone yet */
        unsigned n_passed;         /* visitors that they have passed on */
        bool draining;             /* it stops because somebody asked for it, and has much time */
        Timer *sweep;              /* owned; runs while something is reserved */
        Timer *watch;              /* owned: for what changes by itself */
        FileWatch credentials[SERVER_CREDENTIALS_MAX];
        int64_t expiry_day;      /* UNIX time, in days: when it was looked for what has expired */
        int64_t certificate_day; /* the same, for the certificate; 0: there may be a new one */
        uv_signal_t signals[SERVER_SIGNALS_MAX];
} Server;

/* Binds, starts the workers, and serves until a signal says stop. Takes what CONFIG holds, which was loaded
 * as OPTIONS (borrowed) say, and what INHERITED holds. Logs. Returns the exit status. */
int server_run(ServerConfig *config, const ServerOptions *options, Inherited *inherited);

/* ---- main only ---- */

/* Where that session of a client is to live: on the shard that has fewest of its others, and, among those,
 * fewest of all. */
unsigned server_choose_shard(const Server *s, const char *client_id, unsigned number);
void server_session_began(Server *s, unsigned shard);
void server_session_ended(Server *s, unsigned shard);

/* Lets parked visitors look again for their session: there is another tunnel, or a session less. */
void server_retry_parked(const Server *s);

/* Something may be reserved now, which has its end. */
void server_update_sweep(Server *s);

/* Reads the configuration again, and applies what is different; if anything is wrong with it, nothing. Logs,
 * and tells systemd. Returns 0, or a negative errno with *RET_WHY, a line a fault, owned by the caller, or
 * NULL. reload.c */
int server_reload(Server *s, char **ret_why);

void server_log_faults(const ConfigList *faults);

/* What S->auth has to say about users comes to S. */
void server_listen_to_auth(Server *s);

/* How many workers C asks for. */
unsigned server_wanted_shards(const ServerConfig *c);

/* Takes no more clients and visitors, and ends with the last visitor, or after limits.drain. Returns 0, also
 * if it stops already, or -ENOMEM. */
int server_drain(Server *s);

/* Closes what administrators are connected to, before the shards end. */
void server_close_services(Server *s);

/* Stops listening, once no shard does. */
void server_close_sockets(Server *s);

/* The shards have nothing left: end the main loop too. */
void server_end(Server *s);
