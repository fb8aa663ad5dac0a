/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One worker's part of the server: the sessions, visitors and not yet known connections that live on its
 * loop, and its share of the public listeners. It listens while it owns a session; shard 0 always does. */

#include <stdbool.h>

#include "net/listener.h"
#include "net/worker.h"
#include "server/metrics.h"
#include "server/session.h"
#include "server/snapshot.h"

typedef struct Shard Shard;
struct Server;
struct Gate;
struct Visitor;
struct Proxied;

typedef struct ShardListener {
        Listener *listener; /* owned */
        ListenerKind kind;
        const PublicSocket *socket; /* borrowed from the snapshot */
} ShardListener;

struct Shard {
        Worker *worker;          /* owned by the server */
        struct Server *server;   /* borrowed; what it shares is immutable or locked */
        Snapshot *snapshot;      /* a reference: what is in force */
        Session *sessions;       /* by id */
        struct Gate *gates;      /* connections on the tunnel port that haven't said who they are */
        struct Proxied *proxied; /* connections that haven't said for whom they are */
        struct Visitor *visitors;
        struct MuxTail *tails; /* what is left of mux sessions that were replaced */
        unsigned n_gates, n_visitors, n_parked;
        ShardListener listeners[SNAPSHOT_SOCKETS_MAX];
        unsigned n_listeners;
        unsigned n_placed; /* main's: sessions that it has placed here */
        Metrics metrics;
        bool stopping, told_idle;
        Mail idle_mail;
};

static inline Shard *shard_of(Worker *w) {
        return w->userdata;
}

/* Opens or closes its listeners, as its sessions ask for. */
void shard_update_listeners(Shard *sh);

/* From now on SNAPSHOT, of which it takes the reference, is in force. Listeners that stay aren't touched. */
void shard_set_snapshot(Shard *sh, Snapshot *snapshot);

/* A gate came or went: the tunnel port rests while too many are open. */
void shard_update_gates(Shard *sh);

/* NULL if it has ended. */
Session *shard_find_session(Shard *sh, uint64_t id);

/* Accepts no more, lets go who still waits, and tells the stopper once no visitor is left. */
void shard_stop(Shard *sh);

/* It was stopped because another process serves from now on, which takes who still waits (visitor-pass.c). */
bool shard_is_replaced(const Shard *sh);

/* Closes everything there is. */
void shard_abort(Shard *sh);

/* For visitors that go while stopping. */
void shard_check_idle(Shard *sh);
