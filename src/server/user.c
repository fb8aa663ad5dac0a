/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/user.h"

#include <errno.h>

#include "base/str.h"

#define USER_NAME_MAX 64

bool user_name_is_valid(const char *name) {
        size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-");

        return n > 0 && n <= USER_NAME_MAX && name[n] == '\0';
}

int user_new(User **ret, const char *name, Policy *policy) {
        User *u = new0(User, 1);

        if (!u || str_replace(&u->name, name) < 0) {
                free(u);
                if (policy)
                        policy_done(policy);
                return -ENOMEM;
        }
        u->n_refs = 1;
        if (policy)
                u->policy = *policy;
        rate_set(&u->rate, u->policy.rate);
        *ret = u;
        return 0;
}

User *user_ref(User *u) {
        if (u)
                atomic_fetch_add_explicit(&u->n_refs, 1, memory_order_relaxed);
        return u;
}

User *user_unref(User *u) {
        if (!u || atomic_fetch_sub(&u->n_refs, 1) > 1)
                return NULL;
        free(u->name);
        policy_done(&u->policy);
        free(u);
        return NULL;
}
