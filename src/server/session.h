/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The authenticated link from a client, whatever transport it speaks, and the one verb that the rest of the
 * server knows of it: open a stream to this tunnel for this visitor. */

#include <stdbool.h>
#include <uthash.h>

#include "net/address.h"
#include "net/channel.h"
#include "server/client-label.h"
#include "server/registry.h"
#include "server/tcp-port.h"

#define SESSION_OPEN_USEC (30 * UINT64_C(1000000)) /* for SessionOps: a client may have to connect anew */

typedef struct Session Session;
typedef struct Opening Opening;
struct Shard;

/* Once: STREAM is the callee's and ready for the visitor's bytes; NULL when the session has ended. */
typedef void (*OpenedFn)(Opening *o, Stream *stream);

/* One visitor's wait for a stream. Embedded in the visitor. */
struct Opening {
        Session *session;       /* borrowed; NULL: it doesn't wait */
        Tunnel *tunnel;         /* borrowed; outlives the wait */
        const Address *visitor; /* the same */
        const Address *server;  /* the same: where the visitor has connected; NULL: nobody wants to know */
        uint16_t host_port;     /* of an http visitor's Host, set before it waits; 0: none was named */
        bool is_websocket;      /* the same: it asks for an upgrade to one */
        OpenedFn opened;
        bool half_close;      /* once opened: the peer keeps the directions apart */
        bool hides_end;       /* the same: the peer doesn't say when its local service has closed */
        Opening *prev, *next; /* the session's */
};

/* What main decided about a client, for the session that is to be made of it. */
typedef struct SessionSpec {
        uint64_t id;
        unsigned number; /* which of the client's sessions; only 0 has tunnels */
        char *client_id; /* owned by the session on success; a secret */
        User *user;      /* a reference, the same */
        Address peer;
        bool half_close; /* the client keeps the directions of a stream apart; Go clients don't */
} SessionSpec;

typedef struct SessionOps {
        const char *transport; /* "mux" */
        uint64_t open_usec;    /* how long a visitor waits for its stream */
        bool hides_end;        /* see Opening */

        /* Calls O's callback, before it returns or later. */
        void (*open_stream)(Session *s, Opening *o);
        void (*cancel)(Session *s, Opening *o);
        /* The answer to one ReqTunnel: N tunnels, or none and WHY. Borrowed. */
        void (*answer)(Session *s, const MessageReqTunnel *request, const TunnelGrant *grants, int n,
                       const char *why);
        /* The server is going to stop: tell the client. NULL: there is no way to. */
        void (*drain)(Session *s);
        /* A connection on which the client registered for visitors. Owns STREAM. NULL: no such thing here. */
        void (*add_proxy)(Session *s, Stream *stream);
        /* Tells each waiting visitor that the session has ended, and frees it; the shard forgot it. */
        void (*destroy)(Session *s);
} SessionOps;

/* The common part; each kind of session embeds it first. loop: its shard's */
struct Session {
        const SessionOps *ops;
        struct Shard *shard; /* borrowed; outlives the session */
        SessionSpec spec;
        char label[CLIENT_LABEL_MAX]; /* how people see the client */
        uint64_t started_usec;
        unsigned n_tunnels;
        TcpPort *ports;    /* owned: where its tcp tunnels listen */
        bool is_counted;   /* among those of its address */
        UT_hash_handle hh; /* in the shard, by id */
};

/* Enters S, filled with ops and zeroes, into SHARD under SPEC's id. */
void session_init(Session *s, const SessionOps *ops, struct Shard *shard, const SessionSpec *spec);

/* Frees what the common part owns, for ops->destroy(). */
void session_done(Session *s);

void session_open_stream(Session *s, Opening *o, Tunnel *t, const Address *visitor, OpenedFn opened);

/* The visitor waits no longer. Takes one that doesn't wait. */
void opening_cancel(Opening *o);

/* For kinds of sessions: writes StartProxy to STREAM, not flushed: the relay does that with the visitor's
 * first bytes. Returns 0, -EAGAIN with nothing written, or an error. */
int opening_write_start(const Opening *o, Stream *stream);

/* For kinds of sessions: hands STREAM (NULL: the session has ended) to the visitor. */
void opening_finish(Opening *o, Stream *stream);

/* For kinds of sessions, on their control channel: AuthResp, where MAX is how many sessions a client may
 * have (0: one), and the NewTunnels that answer REQUEST as of ops->answer. Return 0 or what channel_queue()
 * does. */
int session_send_auth_resp(const Session *s, Channel *control, uint16_t max);
int session_send_answer(Channel *control, const MessageReqTunnel *request, const TunnelGrant *grants, int n,
                        const char *why);

/* What people may know of a session. */
typedef struct SessionInfo {
        char label[CLIENT_LABEL_MAX];
        User *user; /* a reference */
        const char *transport;
        Address peer;
        uint64_t started_usec;
        unsigned n_tunnels;
} SessionInfo;

void session_describe(const Session *s, SessionInfo *ret);

/* Ends S because of REASON, half a sentence for the log, and tells main. S is freed. */
/* M has come from the client, and is about a tunnel of its. */
void session_set_health(Session *s, const MessageTunnelHealth *m);

void session_end(Session *s, const char *reason);

/* The server is going to stop: no new visitors come, the client is told. If it can't be told, and another
 * process serves from now on, S ends, and is freed. */
void session_stop(Session *s);

/* Frees S without a word to anybody but its waiting visitors. */
void session_destroy(Session *s);
