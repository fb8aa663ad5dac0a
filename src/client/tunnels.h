/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The tunnels that this client asks for: what to request of a server, what its answers mean, and which
 * names and ports were ours before, so that they are asked for again. No I/O. */

#include <pthread.h>

#include "client/tunnel-config.h"
#include "proto/message.h"

#define TUNNEL_REQ_ID_BYTES 8

typedef enum TunnelState {
        TUNNEL_IDLE,  /* to be asked for */
        TUNNEL_ASKED, /* no answer yet */
        TUNNEL_UP,
        TUNNEL_REFUSED,
} TunnelState;

typedef struct TunnelUrl {
        char *proto;   /* owned */
        char *url;     /* owned */
        unsigned left; /* bits of TunnelOption: what the server doesn't do, and we do */
} TunnelUrl;

#define TUNNEL_OPTIONS_OURS (TUNNEL_OPTION_ALLOW | TUNNEL_OPTION_DENY | TUNNEL_OPTION_SERVER_ADDR)

typedef struct Tunnel {
        const TunnelConfig *config; /* borrowed; outlives us */
        TunnelState state;
        char req_id[2 * TUNNEL_REQ_ID_BYTES + 1]; /* of the latest request */
        TunnelUrl urls[TUNNEL_PROTOS_MAX];        /* what the server gave in this session */
        size_t n_urls;
        char *last_label;   /* owned: the random name that a server gave us, or NULL */
        uint16_t last_port; /* the tcp port that a server gave us, or 0 */
        bool asked_for_last;
        unsigned missing; /* bits of TunnelOption: what it was refused for, because nobody does it; or 0 */
        char *why;        /* owned: why it was refused, or NULL */
} Tunnel;

typedef struct Tunnels {
        Tunnel *items; /* owned */
        size_t n;
        pthread_mutex_t lock; /* for the URLs: other threads may look for one */
} Tunnels;

/* Those of the N configurations (borrowed; outlive us) that are selected. Returns 0 or -ENOMEM. */
int tunnels_init(Tunnels *t, TunnelConfig *const *configs, size_t n);
void tunnels_done(Tunnels *t);

/* Others take their place; those of the same name keep what a server gave them before. Returns 1 when nothing
 * but new ones came, so that it is enough to ask for these; 0 when a session must begin, since something has
 * changed or gone; or -ENOMEM, and all is as before. */
int tunnels_replace(Tunnels *t, TunnelConfig *const *configs, size_t n);

/* A session begins: all are to be asked for. */
void tunnels_restart(Tunnels *t);

/* The refused ones are to be asked for again. */
void tunnels_retry_refused(Tunnels *t);

/* The next one to be asked for, or NULL. Fills *RET with borrowed strings (never message_done() it). */
Tunnel *tunnels_ask_next(Tunnels *t, MessageReqTunnel *ret);

typedef enum TunnelAnswer {
        TUNNEL_ANSWER_UP,      /* urls[n_urls - 1] is new */
        TUNNEL_ANSWER_REFUSED, /* for good: NewTunnel.Error says why */
        TUNNEL_ANSWER_MISSING, /* the server doesn't do all that the tunnel needs: so it is refused by us */
        TUNNEL_ANSWER_NOTHING, /* the same, known already */
        TUNNEL_ANSWER_AGAIN,   /* what we had before is gone: it is to be asked for anew, with less */
} TunnelAnswer;

/* Takes a server's NewTunnel. Returns a TunnelAnswer with *RET the tunnel, -EPROTO for an answer to no
 * request or one that doesn't fit it, or -ENOMEM. */
int tunnels_answer(Tunnels *t, const MessageNewTunnel *m, Tunnel **ret);

/* The configuration of the tunnel that has URL in this session, with what is left to us (see TunnelUrl), or
 * NULL. Any thread. */
const TunnelConfig *tunnels_find(Tunnels *t, const char *url, unsigned *ret_left);

/* Has every tunnel an answer? */
bool tunnels_are_answered(const Tunnels *t);
size_t tunnels_count(const Tunnels *t, TunnelState state);
