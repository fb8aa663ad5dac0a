/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <utlist.h>

#include "base/str.h"
#include "server/registry-private.h"

/* A host is a name that is kept for its user: because the policy says so, because it was added, or both. Its
 * tunnels come and go with the user's client that attends. */

#define HOST_KEY_MAX (HOSTNAME_LENGTH_MAX + sizeof(":65535"))

/* As visitors will name it. */
static int host_key(const char *host, char ret[static HOST_KEY_MAX]) {
        char name[HOSTNAME_LENGTH_MAX + 1];
        uint16_t port;

        if (host_header_parse(host, strlen(host), name, &port) < 0 || !hostname_is_valid(name))
                return -EINVAL;
        if (port == 0)
                strcpy(ret, name);
        else
                snprintf(ret, HOST_KEY_MAX, "%s:%u", name, port);
        return 0;
}

static bool host_is_of(const Claim *c, const char *user) {
        return c->kept && streq(c->user, user);
}

/* The client of USER to which its hosts lead, or NULL. */
static Client *attendant_of(Registry *r, const char *user) {
        Client *c, *next;

        HASH_ITER(hh, r->clients, c, next)
                if (c->attends && streq(c->user->name, user))
                        return c;
        return NULL;
}

static int host_open_for(Registry *r, Claim *c, Client *client, TunnelProtocol p) {
        _cleanup_free_ char *url = strchr(c->host, ':')
                                           ? str_format("%s://%s", tunnel_protocol_to_string(p), c->host)
                                           : tunnel_url(&r->options.rules, p, c->host, 0);
        Tunnel *t;
        int e = url ? tunnel_new(&t, p, url, c->host, 0, "", NULL, client->user) : -ENOMEM;

        if (e < 0)
                return e;
        t->no_parking = true;
        t->client = client;
        strcpy(t->label, client->label);
        rate_set(&t->rate, r->options.rate_per_tunnel);
        c->tunnels[p] = t;
        DL_APPEND(client->tunnels, t);
        r->counts.tunnels++;
        return 0;
}

/* Makes the tunnels that C lacks; another client of its user may have the name. */
static int host_open(Registry *r, Claim *c, Client *client) {
        const WishRules *rules = &r->options.rules;
        int e = 0;

        if (claim_is_used(c))
                return 0;
        if (!claim_host(r, c->host, client->user->name, client->id))
                return -ENOMEM;
        if (rules->http_port != 0)
                e = host_open_for(r, c, client, TUNNEL_HTTP);
        if (e >= 0 && rules->https_port != 0)
                e = host_open_for(r, c, client, TUNNEL_HTTPS);
        claim_set_tls(r, c, false);
        return e;
}

/* Nobody keeps it any more. */
static void host_drop(Registry *r, Claim *c) {
        for (int p = 0; p < TUNNEL_PROTOCOL_MAX; p++) {
                Tunnel *t = c->tunnels[p];

                if (!t || !t->no_parking)
                        continue;
                c->tunnels[p] = NULL;
                DL_DELETE(t->client->tunnels, t);
                tunnel_unref(t);
                r->counts.tunnels--;
        }
        if (claim_is_used(c)) {
                DL_DELETE(r->hosts, c);
                c->kept = 0;
        } else
                claim_drop(r, c);
}

static void host_unkeep(Registry *r, Claim *c, ClaimKept why) {
        if (c->kept & ~why)
                c->kept &= ~why;
        else
                host_drop(r, c);
}

/* Returns 0, -EEXIST, -ENOBUFS or -ENOMEM. */
static int host_keep(Registry *r, const char *key, const char *user, ClaimKept why) {
        Claim *c = claim_of_host(r, key);

        if (c && !streq(c->user, user))
                return -EEXIST;
        if (!c && HASH_COUNT(r->names) >= CLAIMS_MAX)
                return -ENOBUFS;
        if (!c)
                c = claim_host(r, key, user, "");
        if (!c)
                return -ENOMEM;
        if (!c->kept)
                DL_APPEND(r->hosts, c);
        c->kept |= why;
        return 0;
}

void host_restore(Registry *r, const char *host, const char *user) {
        char key[HOST_KEY_MAX];

        if (host_key(host, key) >= 0)
                (void) host_keep(r, key, user, KEPT_ADDED);
}

int registry_host_add(Registry *r, const char *host, const char *user) {
        char key[HOST_KEY_MAX];
        Client *client;
        int e = host_key(host, key);

        if (e < 0)
                return e;
        pthread_rwlock_wrlock(&r->lock);
        e = host_keep(r, key, user, KEPT_ADDED);
        client = e >= 0 ? attendant_of(r, user) : NULL;
        if (client)
                e = host_open(r, claim_of_host(r, key), client);
        registry_unlock_changed(r);
        return e;
}

int registry_host_remove(Registry *r, const char *host, const char *user) {
        char key[HOST_KEY_MAX];
        int e = -ENOENT;
        Claim *c;

        if (host_key(host, key) < 0)
                return -ENOENT;
        pthread_rwlock_wrlock(&r->lock);
        c = claim_of_host(r, key);
        if (c && host_is_of(c, user) && c->kept & KEPT_ADDED) {
                host_unkeep(r, c, KEPT_ADDED);
                e = 0;
        }
        registry_unlock_changed(r);
        return e;
}

static bool list_has(const ConfigList *hosts, const char *key) {
        char other[HOST_KEY_MAX];

        for (size_t i = 0; i < hosts->n; i++)
                if (host_key(hosts->items[i], other) >= 0 && streq(other, key))
                        return true;
        return false;
}

/* What the user's policy says now. */
static int keep_configured(Registry *r, const User *user, ConfigList *taken) {
        static const ConfigList none = {};
        const ConfigList *hosts = user->policy.koding != POLICY_KODING_NO ? &user->policy.hosts : &none;
        char key[HOST_KEY_MAX];
        Claim *c, *next;
        int e = 0;

        DL_FOREACH_SAFE(r->hosts, c, next)
                if (host_is_of(c, user->name) && c->kept & KEPT_CONFIGURED && !list_has(hosts, c->host))
                        host_unkeep(r, c, KEPT_CONFIGURED);
        for (size_t i = 0; i < hosts->n && e >= 0; i++) {
                if (strchr(hosts->items[i], '*') || host_key(hosts->items[i], key) < 0)
                        continue; /* patterns are for clients that ask */
                e = host_keep(r, key, user->name, KEPT_CONFIGURED);
                if (e == -EEXIST)
                        e = config_list_add(taken, key);
        }
        return e;
}

int registry_keep_hosts(Registry *r, const User *user, ConfigList *taken) {
        int e;

        pthread_rwlock_wrlock(&r->lock);
        e = keep_configured(r, user, taken);
        pthread_rwlock_unlock(&r->lock);
        return e;
}

static int attend(Registry *r, Client *client, ConfigList *taken) {
        int e = keep_configured(r, client->user, taken);
        Claim *c;

        client->attends = true;
        DL_FOREACH(r->hosts, c)
                if (e >= 0 && host_is_of(c, client->user->name))
                        e = host_open(r, c, client);
        return e;
}

int registry_attend(Registry *r, const char *client_id, SessionName session, ConfigList *taken) {
        Client *client;
        int e;

        pthread_rwlock_wrlock(&r->lock);
        client = client_find(r, client_id);
        e = client && session_set_get(&client->sessions, 0).id == session.id ? attend(r, client, taken)
                                                                             : -ESTALE;
        pthread_rwlock_unlock(&r->lock);
        return e;
}
