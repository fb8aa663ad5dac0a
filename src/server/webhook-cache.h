/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Logins that a webhook has allowed, for a while. No token is kept. loop: main */

#include <stdint.h>

#include "server/user.h"

#define WEBHOOK_CACHE_MAX 10000 /* the oldest gives way */

typedef struct WebhookCache WebhookCache;

/* Which login it is: a hash of all that the answer depends on. */
typedef struct WebhookKey {
        uint8_t hash[32]; /* SHA-256 */
} WebhookKey;

/* ADDRESS has no port; CERTIFICATE_USER may be NULL. Returns 0 or a negative errno. */
int webhook_key_make(WebhookKey *ret, const char *token, const char *address, const char *certificate_user);

/* KEEP_USEC: how long; 0: nothing is kept. Returns 0 or -ENOMEM. */
int webhook_cache_new(WebhookCache **ret, uint64_t keep_usec);

/* Borrowed, or NULL. NOW: of the clock that webhook_cache_add() is given, too. */
User *webhook_cache_find(WebhookCache *c, const WebhookKey *key, uint64_t now_usec);

/* Takes a reference to USER. Without memory it isn't kept. */
void webhook_cache_add(WebhookCache *c, const WebhookKey *key, User *user, uint64_t now_usec);

/* Forgets the logins of the user with that name; NULL: all. */
void webhook_cache_forget(WebhookCache *c, const char *user);

/* Takes NULL; returns NULL. */
WebhookCache *webhook_cache_free(WebhookCache *c);
