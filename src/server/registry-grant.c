/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <utlist.h>

#include "base/str.h"
#include "server/names.h"
#include "server/registry-private.h"

/* What a client asks for, and gets: all that one ReqTunnel wants, or nothing. */

#define TAKEN_BY_MAX 80
#define RANDOM_NAME_ATTEMPTS CONFIG_LIST_ITEMS_MAX /* of the patterns of a policy each one */

/* What one request is getting, before it is certain. */
typedef struct Grants {
        Client *client;
        TunnelWish wish;
        const char *http_auth;
        TunnelOptions *options; /* a reference, or NULL */
        Claim *name;            /* for all but tcp; may be NULL until it is chosen */
        Claim *port;
        Tunnel *tunnels[TUNNEL_PROTOCOL_MAX]; /* references, as many as the wish has protocols */
} Grants;

static int refuse(int error, char **ret_why, char *why) {
        if (!why)
                return -ENOMEM;
        *ret_why = why;
        return error;
}

/* A name that nobody has; of those that the user may have only, also one that waits for it. */
static bool name_is_free(Registry *r, const Client *client, const char *host) {
        const Claim *c = claim_of_host(r, host);

        return !c || (client->user->policy.subdomains.n > 0 && claim_allows(c, client) && !claim_is_used(c));
}

static bool label_is_given_out(const WishRules *rules, const char *label) {
        return !label_is_reserved(rules, label) && !label_banned_word(rules, label);
}

/* Still, since the rules may be others now. */
static bool sticky_is_allowed(const WishRules *rules, const Policy *policy, const char *host) {
        char label[HOST_LABEL_LENGTH_MAX + 1];

        snprintf(label, sizeof(label), "%.*s", (int) hostname_prefix_length(host, rules->domain), host);
        return host_is_allowed(rules, policy, host) && label_is_given_out(rules, label);
}

/* Again what the client had, if it may. */
static bool choose_sticky_name(Registry *r, Grants *g, const char *key) {
        const Sticky *s = client_sticky(g->client, key);
        const Claim *c = s && s->host ? claim_of_host(r, s->host) : NULL;

        if (!s || !s->host || !sticky_is_allowed(&r->options.rules, &g->client->user->policy, s->host))
                return false;
        if (c && (!claim_allows(c, g->client) || claim_is_used(c)))
                return false;
        strcpy(g->wish.host, s->host);
        return true;
}

/* Whether it is to be had; then it is the wish. */
static bool try_label(Registry *r, Grants *g, const char *label) {
        const WishRules *rules = &r->options.rules;

        snprintf(g->wish.host, sizeof(g->wish.host), "%.63s.%.189s", label, rules->domain);
        return label_is_given_out(rules, label) && name_is_free(r, g->client, g->wish.host);
}

static bool choose_from_pool(Registry *r, Grants *g) {
        const ConfigList *pool = r->options.rules.pool;

        for (size_t i = 0; pool && i < pool->n; i++)
                if (policy_allows_label(&g->client->user->policy, pool->items[i]) &&
                    try_label(r, g, pool->items[i]))
                        return true;
        return false;
}

/* Of the user's own names, or of all. */
static bool choose_random_name(Registry *r, Grants *g) {
        const ConfigList *patterns = &g->client->user->policy.subdomains;
        char label[HOST_LABEL_LENGTH_MAX + 1];

        if (r->options.rules.no_random && patterns->n == 0)
                return false;
        for (unsigned i = 0; i < RANDOM_NAME_ATTEMPTS && random_label(patterns, i, label); i++)
                if (try_label(r, g, label))
                        return true;
        return false;
}

static int choose_name(Registry *r, Grants *g) {
        char key[32];

        snprintf(key, sizeof(key), "http#%u", g->client->n_http);
        if (choose_sticky_name(r, g, key))
                return 0;
        if (!choose_from_pool(r, g) && !choose_random_name(r, g))
                return -EEXIST;
        client_remember(g->client, key, g->wish.host, 0);
        return 0;
}

static int refuse_any_name(const WishRules *rules, const Policy *p, char **ret_why) {
        _cleanup_free_ char *list = policy_list_subdomains(p);

        if (p->subdomains.n == 0 && rules->no_random)
                return refuse(-EEXIST, ret_why,
                              str_format("All names that this server gives out are taken; ask for one with "
                                         "a subdomain, or try again later"));
        if (p->subdomains.n == 0)
                return refuse(-EEXIST, ret_why, str_format("No random name is free; ask for one"));
        return refuse(-EEXIST, ret_why,
                      list ? str_format("None of the names that you may have is free: %s", list) : NULL);
}

/* Another user's wildcard covers it, and the policy doesn't name it more closely than that. Who asks for a
 * subdomain gets it whatever wildcard the domain has. */
static bool name_is_of_other(Registry *r, const Grants *g) {
        const char *host = g->wish.host, *domain = r->options.rules.domain;
        size_t below = hostname_prefix_length(host, domain);
        const Claim *c = claim_above(r, host);

        if (!c || claim_allows(c, g->client) || (below > 0 && !hostname_is_wildcard(host)))
                return false;
        return !policy_allows_host_apart(&g->client->user->policy, host, c->host);
}

/* What stands in the way of a tunnel of P; https and tls share a port. */
static const Tunnel *claim_tunnel_beside(const Claim *c, TunnelProtocol p) {
        if (c->tunnels[p])
                return c->tunnels[p];
        return p == TUNNEL_HTTPS ? c->tunnels[TUNNEL_TLS] : p == TUNNEL_TLS ? c->tunnels[TUNNEL_HTTPS] : NULL;
}

/* " By …", where C is that of the same user, who may not know any more; else "". */
static const char *taken_by(const Claim *c, const Client *client, char ret[static TAKEN_BY_MAX]) {
        char label[CLIENT_LABEL_MAX];

        *ret = '\0';
        if (!c || *client->user->name == '\0' || !streq(c->user, client->user->name) ||
            streq(c->client_id, client->id))
                return ret;
        client_label(c->client_id, label);
        snprintf(ret, TAKEN_BY_MAX, " It is another client of yours that has it, %s.", label);
        return ret;
}

static int refuse_taken(Registry *r, TunnelProtocol p, const Grants *g, const Claim *c, char **ret_why) {
        _cleanup_free_ char *url = tunnel_url(&r->options.rules, p, g->wish.host, 0);
        char by[TAKEN_BY_MAX];

        return refuse(
                -EEXIST, ret_why,
                url ? str_format("The tunnel %s is already registered.%s", url, taken_by(c, g->client, by))
                    : NULL);
}

static int take_name(Registry *r, Grants *g, char **ret_why) {
        const Tunnel *taken;
        bool is_of_other;
        Claim *c;

        if (g->wish.host[0] == '\0') {
                if (choose_name(r, g) < 0)
                        return refuse_any_name(&r->options.rules, &g->client->user->policy, ret_why);
                g->client->n_http++;
        }
        c = claim_of_host(r, g->wish.host);
        if (!c && HASH_COUNT(r->names) >= CLAIMS_MAX)
                return refuse(-ENOBUFS, ret_why, str_format("This server has no room for another name"));
        is_of_other = c ? !claim_allows(c, g->client) : name_is_of_other(r, g);
        for (unsigned i = 0; i < g->wish.n_protocols; i++) {
                TunnelProtocol p = g->wish.protocols[i];

                if (p == TUNNEL_TCP)
                        continue;
                taken = c ? claim_tunnel_beside(c, p) : NULL;
                if (is_of_other || taken)
                        return refuse_taken(r, taken ? taken->protocol : p, g, c, ret_why);
        }
        g->name = claim_host(r, g->wish.host, g->client->user->name, g->client->id);
        return g->name ? 0 : -ENOMEM;
}

/* Returns a free claim on PORT, bound now if nobody had it; NULL when it is not to be had. */
static Claim *try_port(Registry *r, uint16_t port, const Client *client) {
        Claim *c = claim_of_port(r, port);

        if (!c)
                return claim_port(r, port, -1, client->user->name, client->id);
        if (claim_is_used(c) || !claim_allows(c, client) ||
            claim_set_owner(c, client->user->name, client->id) < 0)
                return NULL;
        return c;
}

static Claim *take_free_port(Registry *r, const Client *client) {
        const WishRules *rules = &r->options.rules;
        const Policy *policy = &client->user->policy;
        unsigned n = rules->tcp_high - rules->tcp_low + 1U;

        for (unsigned i = 0; i < n; i++) {
                uint16_t port = r->next_port;
                bool free = policy_allows_port(policy, port) && !claim_of_port(r, port);
                Claim *c = free ? try_port(r, port, client) : NULL;

                r->next_port = port == rules->tcp_high ? rules->tcp_low : (uint16_t) (port + 1);
                if (c)
                        return c;
        }
        return NULL;
}

static int refuse_random_port(const Policy *p, char **ret_why) {
        _cleanup_free_ char *list = policy_list_ports(p);

        if (p->tcp_ports.n == 0)
                return refuse(-EADDRINUSE, ret_why, str_format("No tcp port is free"));
        return refuse(-EADDRINUSE, ret_why,
                      list ? str_format("None of the ports that you may have is free: %s", list) : NULL);
}

static int take_port(Registry *r, Grants *g, const char *subdomain, char **ret_why) {
        _cleanup_free_ char *key = NULL;
        Sticky *s;

        if (g->wish.remote_port != 0) {
                g->port = try_port(r, g->wish.remote_port, g->client);
                return g->port ? 0
                               : refuse(-EADDRINUSE, ret_why,
                                        str_format("The tunnel tcp://%s:%u is already registered.",
                                                   r->options.rules.domain, g->wish.remote_port));
        }
        key = *subdomain ? str_format("tcp:%s", subdomain) : str_format("tcp#%u", g->client->n_tcp);
        if (!key)
                return -ENOMEM;
        s = client_sticky(g->client, key);
        if (s && policy_allows_port(&g->client->user->policy, s->port))
                g->port = try_port(r, s->port, g->client);
        if (!g->port)
                g->port = take_free_port(r, g->client);
        if (!g->port)
                return refuse_random_port(&g->client->user->policy, ret_why);
        if (!*subdomain)
                g->client->n_tcp++;
        client_remember(g->client, key, NULL, g->port->port);
        return 0;
}

static int make_tunnels(Registry *r, Grants *g) {
        for (unsigned i = 0; i < g->wish.n_protocols; i++) {
                TunnelProtocol p = g->wish.protocols[i];
                bool tcp = p == TUNNEL_TCP;
                const char *host = tcp ? r->options.rules.domain : g->wish.host;
                uint16_t port = tcp ? g->port->port : 0;
                _cleanup_free_ char *url = tunnel_url(&r->options.rules, p, host, port);
                int e = url ? tunnel_new(&g->tunnels[i], p, url, host, port, g->http_auth, g->options,
                                         g->client->user)
                            : -ENOMEM;

                if (e < 0)
                        return e;
                strcpy(g->tunnels[i]->label, g->client->label);
                rate_set(&g->tunnels[i]->rate, r->options.rate_per_tunnel);
        }
        return 0;
}

/* The worker listens on a descriptor of its own. */
static int duplicate_listener(const Grants *g, int *ret) {
        if (!g->port)
                return 0;
        *ret = fcntl(g->port->fd, F_DUPFD_CLOEXEC, 3);
        return *ret < 0 ? -errno : 0;
}

static int grants_make(Registry *r, Grants *g, const char *subdomain, char **ret_why) {
        const User *user = g->client->user;
        int e = 0;

        if (g->client->n_requests >= r->options.max_tunnels_per_client)
                return refuse(-ENOBUFS, ret_why,
                              str_format("A client may have %llu tunnels here, and has them",
                                         (unsigned long long) r->options.max_tunnels_per_client));
        if (user->policy.max_tunnels > 0 && user->n_tunnels >= user->policy.max_tunnels)
                return refuse(
                        -ENOBUFS, ret_why,
                        str_format("You may have %llu tunnels at a time, and have them; close one first",
                                   (unsigned long long) user->policy.max_tunnels));
        if (tunnel_wish_has_host(&g->wish))
                e = take_name(r, g, ret_why);
        for (unsigned i = 0; e >= 0 && i < g->wish.n_protocols; i++)
                if (g->wish.protocols[i] == TUNNEL_TCP)
                        e = take_port(r, g, subdomain, ret_why);
        return e < 0 ? e : make_tunnels(r, g);
}

static void grants_commit(Registry *r, Grants *g, int port_fd, TunnelGrant *ret) {
        g->client->n_requests++;
        g->client->user->n_tunnels++;
        for (unsigned i = 0; i < g->wish.n_protocols; i++) {
                Tunnel *t = TAKE_PTR(g->tunnels[i]);
                bool tcp = t->protocol == TUNNEL_TCP;

                t->client = g->client; /* which is here as long as it has tunnels */
                (tcp ? g->port : g->name)->tunnels[t->protocol] = t;
                if (t->protocol == TUNNEL_HTTPS || t->protocol == TUNNEL_TLS)
                        claim_set_tls(r, g->name, t->protocol == TUNNEL_TLS);
                DL_APPEND(g->client->tunnels, t);
                r->counts.tunnels++;
                ret[i] = (TunnelGrant) { .tunnel = tunnel_ref(t), .fd = tcp ? port_fd : -1 };
        }
}

static bool claim_is_new(const Claim *c) {
        return !claim_is_used(c) && c->free_usec == 0 && !c->kept;
}

/* A claim that was made for nothing would keep others out for the grace time. */
static void grants_drop(Registry *r, Grants *g) {
        for (unsigned i = 0; i < g->wish.n_protocols; i++)
                tunnel_unref(g->tunnels[i]);
        if (g->name && claim_is_new(g->name))
                claim_drop(r, g->name);
        if (g->port && claim_is_new(g->port))
                claim_drop(r, g->port);
}

static int add(Registry *r, Grants *g, const char *client_id, SessionName session, const MessageReqTunnel *m,
               TunnelGrant *ret, char **ret_why) {
        int e, port_fd = -1;

        g->client = client_find(r, client_id);
        if (!g->client || session_set_get(&g->client->sessions, 0).id != session.id)
                return -ESTALE;
        e = tunnel_wish_parse(m, &r->options.rules, &g->client->user->policy, &g->wish, ret_why);
        if (e >= 0)
                e = grants_make(r, g, message_str(m->subdomain), ret_why);
        if (e >= 0)
                e = duplicate_listener(g, &port_fd);
        if (e < 0) {
                grants_drop(r, g);
                return e;
        }
        grants_commit(r, g, port_fd, ret);
        return (int) g->wish.n_protocols;
}

int registry_add(Registry *r, const char *client_id, SessionName session, const MessageReqTunnel *m,
                 TunnelGrant ret[static TUNNEL_PROTOCOL_MAX], char **ret_why) {
        Grants g = { .http_auth = message_str(m->http_auth) };
        int e = tunnel_options_decode(&g.options, message_str(m->options), ret_why);

        if (e < 0)
                return e;
        pthread_rwlock_wrlock(&r->lock);
        e = add(r, &g, client_id, session, m, ret, ret_why);
        registry_unlock_changed(r);
        tunnel_options_unref(g.options);
        return e;
}
