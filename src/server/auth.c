/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/auth.h"

int auth_ask(Auth *a, const AuthQuestion *q, AuthPending **ret, AuthAnswerFn answer, void *userdata) {
        *ret = NULL;
        return a->ops->ask(a, q, ret, answer, userdata);
}

int auth_ask_tunnel(Auth *a, const AuthClient *c, const MessageReqTunnel *m, AuthPending **ret,
                    AuthAnswerFn answer, void *userdata) {
        *ret = NULL;
        if (a->ops->ask_tunnel)
                return a->ops->ask_tunnel(a, c, m, ret, answer, userdata);
        answer(NULL, c->user, NULL, userdata);
        return 0;
}

AuthPending *auth_cancel(AuthPending *p) {
        if (p)
                p->auth->ops->cancel(p);
        return NULL;
}

void auth_logout(Auth *a, const AuthClient *c) {
        if (a->ops->logout)
                a->ops->logout(a, c);
}

void auth_forget(Auth *a, const char *user) {
        if (a->ops->forget)
                a->ops->forget(a, user);
}

void auth_poll(Auth *a) {
        if (a->ops->poll)
                a->ops->poll(a);
}

Auth *auth_replace(Auth *a, Auth *newer) {
        if (a->ops != newer->ops) {
                auth_free(a);
                return newer;
        }
        if (a->ops->take)
                a->ops->take(a, newer);
        auth_free(newer);
        return a;
}

void auth_set_revoked_fn(Auth *a, AuthRevokedFn fn, void *userdata) {
        a->revoked = fn;
        a->userdata = userdata;
}

void auth_set_known_fn(Auth *a, AuthKnownFn fn, void *userdata) {
        a->known = fn;
        a->userdata = userdata;
        if (a->ops->tell_known)
                a->ops->tell_known(a);
}

Auth *auth_free(Auth *a) {
        if (a)
                a->ops->free(a);
        return NULL;
}
