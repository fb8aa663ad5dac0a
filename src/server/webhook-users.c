/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/webhook-users.h"

#include <errno.h>
#include <uthash.h>

#include "base/str.h"

#define SWEEP_MIN 64

typedef struct KnownUser {
        char *key;  /* owned: the name and the policy */
        User *user; /* a reference; nobody else's: it may go */
        UT_hash_handle hh;
} KnownUser;

struct WebhookUsers {
        KnownUser *known; /* owned */
        unsigned sweep_at;
};

static void known_user_remove(WebhookUsers *w, KnownUser *k) {
        HASH_DEL(w->known, k);
        user_unref(k->user);
        free(k->key);
        free(k);
}

/* When twice as many are known as were in use at the last look: so that looking costs nearly nothing. */
static void webhook_users_sweep(WebhookUsers *w) {
        KnownUser *k, *next;

        if (HASH_COUNT(w->known) < w->sweep_at)
                return;
        HASH_ITER(hh, w->known, k, next)
                if (atomic_load(&k->user->n_refs) == 1)
                        known_user_remove(w, k);
        w->sweep_at = MIN(MAX(2 * HASH_COUNT(w->known), SWEEP_MIN), WEBHOOK_USERS_MAX);
}

static int webhook_users_add(WebhookUsers *w, char *key, WebhookAnswer *a, User **ret) {
        KnownUser *k = new0(KnownUser, 1);
        Policy policy = a->policy;

        if (!k) {
                free(key);
                return -ENOMEM;
        }
        k->key = key;
        a->policy = (Policy){};
        if (user_new(&k->user, a->user, &policy) < 0) {
                free(key);
                free(k);
                return -ENOMEM;
        }
        HASH_ADD_KEYPTR(hh, w->known, k->key, strlen(k->key), k);
        *ret = user_ref(k->user);
        return 0;
}

int webhook_users_get(WebhookUsers *w, WebhookAnswer *a, User **ret) {
        _cleanup_free_ char *key = str_format("%s\n%s", a->user, a->policy_text);
        KnownUser *k = NULL;

        if (!key)
                return -ENOMEM;
        HASH_FIND_STR(w->known, key, k);
        if (k) {
                *ret = user_ref(k->user);
                return 0;
        }
        webhook_users_sweep(w);
        if (HASH_COUNT(w->known) >= WEBHOOK_USERS_MAX)
                return -ENOBUFS;
        return webhook_users_add(w, TAKE_PTR(key), a, ret);
}

int webhook_users_new(WebhookUsers **ret) {
        WebhookUsers *w = new0(WebhookUsers, 1);

        if (!w)
                return -ENOMEM;
        w->sweep_at = SWEEP_MIN;
        *ret = w;
        return 0;
}

WebhookUsers *webhook_users_free(WebhookUsers *w) {
        KnownUser *k, *next;

        if (!w)
                return NULL;
        HASH_ITER(hh, w->known, k, next)
                known_user_remove(w, k);
        free(w);
        return NULL;
}
