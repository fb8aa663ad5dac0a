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
        bool foreign_hosts;             /* host names outside the domain may be had */
        uint16_t http_port, https_port; /* of URLs; 0: the server doesn't listen on it */
        uint16_t tcp_low, tcp_high;
} WishRules;

typedef struct TunnelWish {
        TunnelProtocol protocols[TUNNEL_PROTOCOL_MAX]; /* each once, as asked for */
        unsigned n_protocols;                          /* at least 1 */
        char host[HOSTNAME_LENGTH_MAX + 1];            /* "": any */
        uint16_t remote_port;                          /* 0: any */
} TunnelWish;

/* Returns 0, -EINVAL (or -EKEYREJECTED for names that are not given out) with *RET_WHY a sentence for the
 * client, owned by the caller, or -ENOMEM. */
int tunnel_wish_parse(const MessageReqTunnel *m, const WishRules *rules, TunnelWish *ret, char **ret_why);

bool tunnel_wish_has_host(const TunnelWish *w); /* http or https is among the protocols */

/* "http://host", with ":port" unless it is the protocol's own; "tcp://domain:port". Owned by the caller, or
 * NULL. */
char *tunnel_url(const WishRules *rules, TunnelProtocol protocol, const char *host, uint16_t port);
