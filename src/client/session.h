/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a session with a server needs and tells, whatever its transport. A transport is a file pair that takes
 * SessionParams and calls SessionOps: classic.[ch]. */

#include "client/link.h"
#include "client/tunnels.h"
#include "net/stream.h"

/* All borrowed until the session is freed. */
typedef struct SessionParams {
        LinkParams link;
        const char *token;     /* or NULL */
        const char *client_id; /* "": the server shall give one */
        Tunnels *tunnels;
} SessionParams;

typedef enum SessionEnd {
        SESSION_LOST,      /* unreachable, or the connection broke */
        SESSION_UNTRUSTED, /* the server's certificate */
        SESSION_REFUSED,   /* by the server: the token, the version */
} SessionEnd;

/* Any of them may free the session. */
typedef struct SessionOps {
        /* Authenticated as CLIENT_ID. */
        void (*online)(const char *client_id, void *userdata);

        /* The last of its URLs is new. */
        void (*tunnel_up)(Tunnel *tunnel, void *userdata);
        void (*tunnel_refused)(Tunnel *tunnel, const char *why, void *userdata);

        /* Owns STREAM and HEAD, bytes already read from it, or NULL. START is borrowed. */
        void (*visitor)(Stream *stream, Buffer *head, const MessageStartProxy *start, void *userdata);

        /* Once; it must free the session. WHY is a sentence without its full stop. */
        void (*ended)(SessionEnd end, const char *why, void *userdata);
} SessionOps;
