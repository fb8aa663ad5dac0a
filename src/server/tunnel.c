/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/tunnel.h"

#include <errno.h>
#include <limits.h>

#include "base/str.h"

int tunnel_new(Tunnel **ret, TunnelProtocol protocol, const char *url, const char *host, uint16_t port,
               const char *http_auth, TunnelOptions *options, User *user) {
        const ConfigList nobody = {};
        _cleanup_(tunnel_unrefp) Tunnel *t = new0(Tunnel, 1);
        int r = 0;

        if (!t)
                return -ENOMEM;
        t->n_refs = 1;
        t->protocol = protocol;
        t->port = port;
        t->user = user_ref(user);
        t->options = tunnel_options_ref(options);
        if (str_replace(&t->url, url) < 0 || str_replace(&t->host, host) < 0)
                return -ENOMEM;
        if (tunnel_protocol_is_http(protocol))
                r = http_users_new(&t->users, http_auth, options ? &options->http_auth : &nobody);
        if (r >= 0)
                *ret = TAKE_PTR(t);
        return r;
}

Tunnel *tunnel_ref(Tunnel *t) {
        if (t)
                atomic_fetch_add_explicit(&t->n_refs, 1, memory_order_relaxed);
        return t;
}

Tunnel *tunnel_unref(Tunnel *t) {
        if (!t || atomic_fetch_sub(&t->n_refs, 1) > 1)
                return NULL;
        http_users_free(t->users);
        tunnel_options_unref(t->options);
        free(t->url);
        free(t->host);
        user_unref(t->user);
        free(t);
        return NULL;
}

static bool count_up(atomic_uint *n, uint64_t max) {
        if (atomic_fetch_add_explicit(n, 1, memory_order_relaxed) < max)
                return true;
        atomic_fetch_sub_explicit(n, 1, memory_order_relaxed);
        return false;
}

bool tunnel_enter(Tunnel *t, uint64_t max) {
        uint64_t max_of_user = t->user->policy.max_connections;

        if (!count_up(&t->n_connections, max))
                return false;
        if (count_up(&t->user->n_connections, max_of_user > 0 ? max_of_user : UINT_MAX))
                return true;
        atomic_fetch_sub_explicit(&t->n_connections, 1, memory_order_relaxed);
        return false;
}

void tunnel_leave(Tunnel *t) {
        atomic_fetch_sub_explicit(&t->n_connections, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&t->user->n_connections, 1, memory_order_relaxed);
}
