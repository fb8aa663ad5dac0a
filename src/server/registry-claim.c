/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <utlist.h>

#include "base/str.h"
#include "net/listener.h"
#include "server/registry-private.h"

/* Names and ports, and whose they are. */

static void claim_free(Claim *c) {
        safe_close(c->fd);
        free(c->host);
        free(c->user);
        free(c->client_id);
        free(c);
}

bool claim_is_used(const Claim *c) {
        for (int p = 0; p < TUNNEL_PROTOCOL_MAX; p++)
                if (c->tunnels[p])
                        return true;
        return false;
}

/* A name is a user's. Without authentication everybody is the same user, so it takes the ClientId too. */
bool claim_allows(const Claim *c, const Client *client) {
        if (!streq(c->user, client->user->name))
                return false;
        return client->user->name[0] != '\0' || streq(c->client_id, client->id);
}

Claim *claim_of_host(Registry *r, const char *host) {
        Claim *c;

        HASH_FIND_STR(r->names, hostname_key(host), c);
        return c;
}

/* What has no name of its own in the domain is nobody's but who has a wildcard there. */
Claim *claim_above(Registry *r, const char *host) {
        const char *domain = r->options.rules.domain, *key = hostname_key(host);
        bool inside = streq(host, domain) || hostname_prefix_length(host, domain) > 0;
        Claim *c = NULL;

        while (!c && (key = hostname_wider(key)) && (!inside || strlen(key) > strlen(domain)))
                c = claim_of_host(r, key);
        return c;
}

Claim *claim_for_host(Registry *r, const char *host) {
        Claim *c = claim_of_host(r, host);

        return c ? c : claim_above(r, host);
}

Claim *claim_of_port(Registry *r, uint16_t port) {
        Claim *c;

        HASH_FIND(hh, r->ports, &port, sizeof(port), c);
        return c;
}

Claim *claim_of_tunnel(Registry *r, const Tunnel *t) {
        return t->protocol == TUNNEL_TCP ? claim_of_port(r, t->port) : claim_of_host(r, t->host);
}

void claim_set_tls(Registry *r, Claim *c, bool is_tls) {
        if (is_tls && !c->is_tls)
                atomic_fetch_add_explicit(&r->n_tls, 1, memory_order_relaxed);
        if (!is_tls && c->is_tls)
                atomic_fetch_sub_explicit(&r->n_tls, 1, memory_order_relaxed);
        c->is_tls = is_tls;
}

void claim_drop(Registry *r, Claim *c) {
        claim_set_tls(r, c, false);
        if (c->kept)
                DL_DELETE(r->hosts, c);
        if (c->host)
                HASH_DEL(r->names, c);
        else
                HASH_DEL(r->ports, c);
        if (!c->host && r->on_port)
                r->on_port(c->port, -1, r->port_userdata);
        claim_free(c);
}

int claim_set_owner(Claim *c, const char *user, const char *client_id) {
        int e = str_replace(&c->user, user);

        return e < 0 ? e : str_replace(&c->client_id, client_id);
}

Claim *claim_host(Registry *r, const char *host, const char *user, const char *client_id) {
        Claim *c = claim_of_host(r, host);
        bool is_new = !c;

        if (is_new) {
                c = new0(Claim, 1);
                if (!c)
                        return NULL;
                c->fd = -1;
                c->host = strdup(host);
        }
        if (!c->host || claim_set_owner(c, user, client_id) < 0) {
                if (is_new)
                        claim_free(c);
                return NULL;
        }
        if (is_new)
                HASH_ADD_KEYPTR(hh, r->names, hostname_key(c->host), strlen(hostname_key(c->host)), c);
        return c;
}

Claim *claim_port(Registry *r, uint16_t port, int fd, const char *user, const char *client_id) {
        Claim *c = new0(Claim, 1);
        Address address = r->options.tcp_address;

        if (!c) {
                safe_close(fd);
                return NULL;
        }
        address_set_port(&address, port);
        c->port = port;
        c->fd = fd >= 0 ? fd : listener_bind(&address);
        if (c->fd < 0 || claim_set_owner(c, user, client_id) < 0) {
                claim_free(c);
                return NULL;
        }
        HASH_ADD(hh, r->ports, port, sizeof(c->port), c);
        if (fd < 0 && r->on_port)
                r->on_port(port, c->fd, r->port_userdata);
        return c;
}
