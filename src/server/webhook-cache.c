/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/webhook-cache.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <uthash.h>

#include "base/str.h"

typedef struct CachedLogin {
        WebhookKey key;
        User *user; /* a reference */
        uint64_t until_usec;
        UT_hash_handle hh;
} CachedLogin;

struct WebhookCache {
        CachedLogin *logins; /* owned; uthash keeps the order of adding, which is that of ending */
        uint64_t keep_usec;
};

int webhook_key_make(WebhookKey *ret, const char *token, const char *address, const char *certificate_user) {
        const char *parts[] = { token, address, certificate_user ? certificate_user : "" };
        gnutls_hash_hd_t hash;

        if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                gnutls_hash(hash, parts[i], strlen(parts[i]) + 1); /* the NUL parts them */
        gnutls_hash_deinit(hash, ret->hash);
        return 0;
}

static void cached_login_remove(WebhookCache *c, CachedLogin *l) {
        HASH_DEL(c->logins, l);
        user_unref(l->user);
        free(l);
}

static void remove_expired(WebhookCache *c, uint64_t now_usec) {
        while (c->logins && c->logins->until_usec <= now_usec)
                cached_login_remove(c, c->logins);
}

User *webhook_cache_find(WebhookCache *c, const WebhookKey *key, uint64_t now_usec) {
        CachedLogin *l = NULL;

        remove_expired(c, now_usec);
        HASH_FIND(hh, c->logins, key, sizeof(*key), l);
        return l ? l->user : NULL;
}

void webhook_cache_add(WebhookCache *c, const WebhookKey *key, User *user, uint64_t now_usec) {
        CachedLogin *l = NULL;

        if (c->keep_usec == 0)
                return;
        remove_expired(c, now_usec);
        HASH_FIND(hh, c->logins, key, sizeof(*key), l);
        if (!l && HASH_COUNT(c->logins) == WEBHOOK_CACHE_MAX)
                l = c->logins;
        if (l)
                cached_login_remove(c, l);
        l = new0(CachedLogin, 1);
        if (!l)
                return;
        l->key = *key;
        l->user = user_ref(user);
        l->until_usec = now_usec + c->keep_usec;
        HASH_ADD(hh, c->logins, key, sizeof(l->key), l);
}

void webhook_cache_forget(WebhookCache *c, const char *user) {
        CachedLogin *l, *next;

        HASH_ITER(hh, c->logins, l, next)
                if (!user || streq(l->user->name, user))
                        cached_login_remove(c, l);
}

int webhook_cache_new(WebhookCache **ret, uint64_t keep_usec) {
        WebhookCache *c = new0(WebhookCache, 1);

        if (!c)
                return -ENOMEM;
        c->keep_usec = keep_usec;
        *ret = c;
        return 0;
}

WebhookCache *webhook_cache_free(WebhookCache *c) {
        if (c)
                webhook_cache_forget(c, NULL);
        free(c);
        return NULL;
}
