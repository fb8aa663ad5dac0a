/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A session with a server: authenticates, asks for tunnels, and takes the visitors that the server sends,
 * over the transport that both ends know: mux, or classic (ngrok 1.x; doc: pgrok-protocol). */

#include "client/link.h"
#include "client/tunnels.h"
#include "net/stream.h"

typedef struct Session Session;

/* All borrowed until the session is freed. */
typedef struct SessionParams {
        LinkParams link;
        const char *token;     /* or NULL */
        const char *client_id; /* "": the server shall give one */
        const char *instance;  /* the same for all sessions of this process */
        unsigned number;       /* which of them; only 0 has tunnels */
        Tunnels *tunnels;      /* NULL but for session 0 */
        bool mux_only;         /* classic won't do; mux is offered through link.alpn */
} SessionParams;

typedef enum SessionEnd {
        SESSION_LOST,      /* unreachable, or the connection broke */
        SESSION_UNTRUSTED, /* the server's certificate */
        SESSION_REFUSED,   /* by the server: the token, the version */
        SESSION_NO_MUX,    /* the server takes no connection that offers it: come again without */
} SessionEnd;

/* Any of them may free the session. */
typedef struct SessionOps {
        /* Authenticated: ANSWER says as whom. Its ClientId is well-formed. */
        void (*online)(const MessageAuthResp *answer, void *userdata);

        /* The last of its URLs is new. For session 0, as all that is about tunnels. */
        void (*tunnel_up)(Tunnel *tunnel, void *userdata);
        void (*tunnel_refused)(Tunnel *tunnel, const char *why, void *userdata);

        /* Owns STREAM and HEAD, bytes already read from it, or NULL. START is borrowed. */
        void (*visitor)(Stream *stream, Buffer *head, const MessageStartProxy *start, void *userdata);

        /* The server wants a new session in place of S, which serves its visitors and then ends. */
        void (*draining)(Session *s, void *userdata);

        /* Once; it must free S. WHY is a sentence without its full stop. */
        void (*ended)(Session *s, SessionEnd end, const char *why, void *userdata);
} SessionOps;

/* PARAMS is copied, OPS is borrowed for ever. Never calls back before it returns. Returns 0 or a negative
 * errno. loop: PARAMS->link.worker */
int session_new(Session **ret, const SessionParams *params, const SessionOps *ops, void *userdata);

/* Requests the tunnels that are to be asked for. Once online. */
void session_ask(Session *s);

/* How long a message and its answer last took, in microseconds; 0: not measured yet. */
uint64_t session_round_trip_usec(const Session *s);

/* The way to the server may have gone without a word: unless the server says something within a moment,
 * another session takes over (mux: this one drains, since the answer may be late only). Once online; else
 * nothing happens. */
void session_probe(Session *s);

/* The service behind the tunnel of URL fails, or no more: for servers that know what to do with that. Once
 * online. */
void session_tell_health(Session *s, const char *url, bool is_failing);

/* Makes way for another session, as if the server had asked for it: ops->draining is called. Returns false
 * when that can't be: with classic, or before it is online; then it is to be freed. */
bool session_drain(Session *s);

/* The same, of a session whose server is left for another: it is told, and sends no new visitors. */
bool session_leave(Session *s);

/* With mux, the visitors that the session has brought end too; with classic they go on. Takes NULL; returns
 * NULL. */
Session *session_free(Session *s);
