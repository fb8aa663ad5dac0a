/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The proxy connections that a server asked for and that have no visitor yet. Few are opened at a time,
 * and never more than descriptors allow: the rest of what was asked for waits. */

#include "client/proxy.h"

#define PROXIES_OPENING_MAX 64
#define PROXIES_WAITING_MAX 10000 /* asked for and not begun; more are not remembered, servers ask again */
#define PROXIES_IDLE_MAX 1024     /* registered, without a visitor */

typedef struct Proxies Proxies;

/* Owns STREAM and HEAD (or NULL). START is borrowed. May free the proxies. */
typedef void (*ProxiesVisitorFn)(Stream *stream, Buffer *head, const MessageStartProxy *start,
                                 void *userdata);

/* All pointers are borrowed; outlive it. Returns 0 or -ENOMEM. */
int proxies_new(Proxies **ret, const LinkParams *params, const char *client_id, ProxiesVisitorFn on_visitor,
                void *userdata);

/* The server asks for one more. */
void proxies_want(Proxies *p);

/* Closes all. Takes NULL; returns NULL. */
Proxies *proxies_free(Proxies *p);
