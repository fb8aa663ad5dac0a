/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a ReqTunnel asks for, checked and put into order: pure logic, without knowing who owns what. */

#include <stdbool.h>

#include "base/config-key.h"
#include "proto/hostname.h"
#include "proto/message.h"
#include "server/tunnel.h"

typedef struct WishRules {              /* all borrowed */
        const char *domain;             /* lower case */
        const ConfigList *reserved;     /* labels that nobody gets */
        const ConfigList *banned;       /* the same, also as words between the hyphens of a label */
        const ConfigList *pool;         /* labels for those who ask for none, before random ones; or NULL */
        bool no_random;                 /* then, and after the pool, there is none */
        uint16_t http_port, https_port; /* of URLs; 0: the server doesn't listen on it */
        uint16_t tcp_low, tcp_high;
} WishRules;

typedef struct TunnelWish {
        TunnelProtocol protocols[TUNNEL_PROTOCOL_MAX]; /* each once, as asked for */
        unsigned n_protocols;                          /* at least 1 */
        char host[HOSTNAME_LENGTH_MAX + 1];            /* "": any; may be a wildcard */
        uint16_t remote_port;                          /* 0: any */
} TunnelWish;

/* POLICY is the user's. Returns 0, -EINVAL (or -EKEYREJECTED for what is not given out, or not to this user)
 * with *RET_WHY a sentence for the client, owned by the caller, or -ENOMEM. */
int tunnel_wish_parse(const MessageReqTunnel *m, const WishRules *rules, const Policy *policy,
                      TunnelWish *ret, char **ret_why);

bool label_is_reserved(const WishRules *rules, const char *label);

/* The banned words that LABEL has, or NULL. */
const char *label_banned_word(const WishRules *rules, const char *label);

/* The user may have a tunnel of that host name, below the domain or outside. */
bool host_is_allowed(const WishRules *rules, const Policy *policy, const char *host);

bool tunnel_wish_has_host(const TunnelWish *w); /* http, https or tls is among the protocols */

/* "http://host", with ":port" unless it is the protocol's own; "tcp://domain:port". Owned by the caller, or
 * NULL. */
char *tunnel_url(const WishRules *rules, TunnelProtocol protocol, const char *host, uint16_t port);
