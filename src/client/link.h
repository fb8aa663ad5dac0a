/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Opens a connection to the server's tunnel port and speaks messages on it: dial, through an HTTP proxy if
 * there is one, then TLS. */

#include "net/address.h"
#include "net/channel.h"
#include "net/tls.h"

#define LINK_USER_TIMEOUT_USEC (30 * UINT64_C(1000000))

typedef struct Link Link;

/* All borrowed; outlive the link, TLS also what it opened. */
typedef struct LinkParams {
        Worker *worker;
        TlsClient *tls;
        const char *host;
        uint16_t port;
        const char *tls_name;    /* that the server's certificate must have */
        const char *http_proxy;  /* URL, or NULL */
        const char *const *alpn; /* to offer, as of stream_tls_new_client(); or NULL */
} LinkParams;

/* Once. C is the callee's; its TLS handshake has only begun, so messages are queued. PEER is whom it is
 * connected to, borrowed for the call. On failure C is NULL and WHY a sentence. The link must be freed,
 * here or later. */
typedef void (*LinkFn)(Link *l, Channel *c, const Address *peer, const char *why, void *userdata);

/* The channel will call ON_MESSAGE with USERDATA as well. Never calls back before it returns. Returns 0 or
 * a negative errno; -EINVAL is an unreadable proxy URL. loop: PARAMS->worker */
int link_new(Link **ret, const LinkParams *params, ChannelFn on_message, LinkFn done, void *userdata);

/* Ends the attempt without a call back. Takes NULL; returns NULL. */
Link *link_free(Link *l);
