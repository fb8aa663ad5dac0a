/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One proxy connection of the classic transport: opens, registers, and waits for the visitor that the server
 * sends through it. */

#include "client/link.h"

#define PROXY_REGISTER_TIMEOUT_USEC (20 * UINT64_C(1000000)) /* dial, TLS, RegProxy */

/* Servers close an idle one after 60 s. A Go server would send a visitor into one that we closed, so ours
 * must not be the shorter one. */
#define PROXY_IDLE_TIMEOUT_USEC (120 * UINT64_C(1000000))

typedef struct Proxy Proxy;

typedef struct ProxyOps {
        /* The server knows it now. */
        void (*registered)(Proxy *p, void *userdata);

        /* A visitor: STREAM and HEAD (or NULL) are the callee's, START is borrowed. It must free the
         * proxy. */
        void (*started)(Proxy *p, Stream *stream, Buffer *head, const MessageStartProxy *start,
                        void *userdata);

        /* It came to nothing: WHY is a sentence, or NULL when an idle one was closed. It must free the
         * proxy. */
        void (*ended)(Proxy *p, const char *why, void *userdata);
} ProxyOps;

/* All pointers are borrowed; outlive the proxy. Never calls back before it returns. Returns 0 or a
 * negative errno. loop: PARAMS->worker */
int proxy_new(Proxy **ret, const LinkParams *params, const char *client_id, const ProxyOps *ops,
              void *userdata);

/* Closes. Takes NULL; returns NULL. */
Proxy *proxy_free(Proxy *p);
