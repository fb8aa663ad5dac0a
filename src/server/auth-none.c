/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/auth-none.h"

#include <errno.h>
#include <uthash.h>

#include "base/str.h"

#define NAMED_USERS_MAX 100000 /* the CA has signed each of them */

typedef struct NamedUser {
        User *user; /* a reference */
        UT_hash_handle hh;
} NamedUser;

typedef struct NoneAuth {
        Auth auth;
        NamedUser *users; /* owned, by name */
} NoneAuth;

static int named_user_new(NamedUser **ret, const char *name) {
        _cleanup_free_ NamedUser *n = new0(NamedUser, 1);
        Policy policy = {};
        char *why;
        int r = n ? policy_set(&policy, "hosts", "*", &why) : -ENOMEM;

        if (r >= 0)
                r = user_new(&n->user, name, &policy);
        if (r >= 0)
                *ret = TAKE_PTR(n);
        return r;
}

/* Borrowed, or NULL. */
static User *find_user(NoneAuth *a, const char *name) {
        NamedUser *n;

        HASH_FIND_STR(a->users, name, n);
        if (n)
                return n->user;
        if (HASH_COUNT(a->users) >= NAMED_USERS_MAX || named_user_new(&n, name) < 0)
                return NULL;
        HASH_ADD_KEYPTR(hh, a->users, n->user->name, strlen(n->user->name), n);
        return n->user;
}

static int none_ask(Auth *auth, const AuthQuestion *q, AuthPending **ret _unused_, AuthAnswerFn answer,
                    void *userdata) {
        User *u =
                find_user(container_of(auth, NoneAuth, auth), q->certificate_user ? q->certificate_user : "");

        if (!u)
                return -ENOMEM;
        answer(NULL, u, NULL, userdata);
        return 0;
}

static void none_free(Auth *auth) {
        NoneAuth *a = container_of(auth, NoneAuth, auth);
        NamedUser *n, *next;

        HASH_ITER(hh, a->users, n, next) {
                HASH_DEL(a->users, n);
                user_unref(n->user);
                free(n);
        }
        free(a);
}

static const AuthOps none_ops = { .ask = none_ask, .free = none_free };

int auth_none_new(Auth **ret) {
        NoneAuth *a = new0(NoneAuth, 1);

        if (!a)
                return -ENOMEM;
        a->auth.ops = &none_ops;
        *ret = &a->auth;
        return 0;
}
