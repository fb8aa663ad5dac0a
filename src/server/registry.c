/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <utlist.h>

#include "base/parse.h"
#include "base/str.h"
#include "net/listener.h"
#include "server/names.h"
#include "server/registry-private.h"

#define CLIENT_ID_BYTES 16 /* of a new one: 128 random bits */
#define CLIENT_ID_LENGTH_MIN 16
#define CLIENT_ID_LENGTH_MAX 64
#define RANDOM_NAME_ATTEMPTS CONFIG_LIST_ITEMS_MAX /* of the patterns of a policy each one */
#define STICKY_MAX 256        /* a client; beyond, what it gets is new each time */
#define AWAY_CLIENTS_FACTOR 4 /* known clients, also away ones, for each that may be here */

int registry_new(Registry **ret, const RegistryOptions *options) {
        Registry *r = new0(Registry, 1);
        pthread_rwlockattr_t attributes;

        if (!r)
                return -ENOMEM;
        r->options = *options;
        r->next_port = options->rules.tcp_low;
        pthread_rwlockattr_init(&attributes);
        pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
        pthread_rwlock_init(&r->lock, &attributes);
        pthread_rwlockattr_destroy(&attributes);
        *ret = r;
        return 0;
}

void registry_set_options(Registry *r, const RegistryOptions *options) {
        pthread_rwlock_wrlock(&r->lock);
        r->options = *options;
        if (r->next_port < options->rules.tcp_low || r->next_port > options->rules.tcp_high)
                r->next_port = options->rules.tcp_low;
        for (Client *c = r->clients; c; c = c->hh.next)
                for (Tunnel *t = c->tunnels; t; t = t->next)
                        rate_set(&t->rate, options->rate_per_tunnel);
        pthread_rwlock_unlock(&r->lock);
}

void registry_set_change_fn(Registry *r, RegistryChangeFn fn, void *userdata) {
        r->on_change = fn;
        r->userdata = userdata;
}

void registry_set_port_fn(Registry *r, RegistryPortFn fn, void *userdata) {
        r->on_port = fn;
        r->port_userdata = userdata;
}

void registry_unlock_changed(Registry *r) {
        pthread_rwlock_unlock(&r->lock);
        if (r->on_change)
                r->on_change(r->userdata);
}

/* ---- claims ---- */

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
static bool claim_allows(const Claim *c, const Client *client) {
        if (!streq(c->user, client->user->name))
                return false;
        return client->user->name[0] != '\0' || streq(c->client_id, client->id);
}

Claim *claim_of_host(Registry *r, const char *host) {
        Claim *c;

        HASH_FIND_STR(r->names, host, c);
        return c;
}

Claim *claim_of_port(Registry *r, uint16_t port) {
        Claim *c;

        HASH_FIND(hh, r->ports, &port, sizeof(port), c);
        return c;
}

static Claim *claim_of_tunnel(Registry *r, const Tunnel *t) {
        return t->protocol == TUNNEL_TCP ? claim_of_port(r, t->port) : claim_of_host(r, t->host);
}

void claim_drop(Registry *r, Claim *c) {
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

static int claim_set_owner(Claim *c, const char *user, const char *client_id) {
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
                HASH_ADD_KEYPTR(hh, r->names, c->host, strlen(c->host), c);
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

/* ---- clients ---- */

Client *client_find(Registry *r, const char *id) {
        Client *c;

        HASH_FIND_STR(r->clients, id, c);
        return c;
}

static Sticky *client_sticky(Client *c, const char *key) {
        Sticky *s;

        LL_FOREACH(c->sticky, s)
                if (streq(s->key, key))
                        return s;
        return NULL;
}

void client_remember(Client *c, const char *key, const char *host, uint16_t port) {
        Sticky *s = client_sticky(c, key);

        if (!s) {
                s = c->n_sticky < STICKY_MAX ? new0(Sticky, 1) : NULL;
                if (!s)
                        return;
                s->key = strdup(key);
                if (!s->key) {
                        free(s);
                        return;
                }
                LL_PREPEND(c->sticky, s);
                c->n_sticky++;
        }
        s->port = port;
        if (host)
                (void) str_replace(&s->host, host);
}

static void client_free(Client *c) {
        Sticky *s, *next;

        LL_FOREACH_SAFE(c->sticky, s, next) {
                free(s->key);
                free(s->host);
                free(s);
        }
        session_set_done(&c->sessions);
        free(c->id);
        user_unref(c->user);
        free(c);
}

static bool client_is_away(const Client *c) {
        return c->sessions.n == 0;
}

static void client_drop_tunnels(Registry *r, Client *c, uint64_t now_usec) {
        Tunnel *t, *next;

        DL_FOREACH_SAFE(c->tunnels, t, next) {
                Claim *claim = claim_of_tunnel(r, t);

                claim->tunnels[t->protocol] = NULL;
                claim->free_usec = now_usec;
                DL_DELETE(c->tunnels, t);
                tunnel_unref(t);
                r->counts.tunnels--;
        }
        c->user->n_tunnels -= c->n_requests;
        c->n_requests = 0;
        c->attends = false;
}

static bool client_id_is_usable(const char *id) {
        size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

        return id[n] == '\0' && n >= CLIENT_ID_LENGTH_MIN && n <= CLIENT_ID_LENGTH_MAX;
}

Client *client_new(Registry *r, const char *id, User *user) {
        char random[2 * CLIENT_ID_BYTES + 1];
        Client *c;

        if (!client_id_is_usable(id)) {
                uint8_t bytes[CLIENT_ID_BYTES];

                random_bytes(bytes, sizeof(bytes));
                hex_encode(bytes, sizeof(bytes), random);
                id = random;
        }
        c = new0(Client, 1);
        if (!c)
                return NULL;
        c->user = user_ref(user);
        if (str_replace(&c->id, id) < 0) {
                client_free(c);
                return NULL;
        }
        client_label(c->id, c->label);
        HASH_ADD_KEYPTR(hh, r->clients, c->id, strlen(c->id), c);
        return c;
}

static bool client_is_instance(const Client *c, const char *instance) {
        return *instance && streq(c->instance, instance);
}

static void client_set_user(Client *c, User *user) {
        user_ref(user);
        user_unref(c->user);
        c->user = user;
}

/* Session 0 begins anew: tunnels go, and so do the other sessions if they are of another process. Puts those
 * to RET and returns their number. */
static int client_restart(Registry *r, Client *c, const RegistryLogin *l, SessionName *ret) {
        SessionSet *set = &c->sessions;
        int n = 0;

        client_drop_tunnels(r, c, clock_usec());
        client_set_user(c, l->user);
        c->peer = *l->peer;
        c->n_http = c->n_tcp = 0;
        if (client_is_instance(c, l->instance))
                return 0;
        for (unsigned i = set->n; i > 0; i--)
                if (set->entries[i - 1].number != 0) {
                        ret[n++] = set->entries[i - 1].name;
                        session_set_remove(set, set->entries[i - 1].name.id);
                }
        snprintf(c->instance, sizeof(c->instance), "%s",
                 strlen(l->instance) <= INSTANCE_LENGTH_MAX ? l->instance : "");
        return n;
}

static int client_enter(Registry *r, Client *c, const RegistryLogin *l, SessionName *ret_replaced) {
        bool was_away = client_is_away(c);
        int n = session_set_put(&c->sessions, l->number, l->session, ret_replaced);

        if (n < 0)
                return n;
        r->counts.clients += was_away;
        n = ret_replaced[0].id != 0;
        return l->number == 0 ? n + client_restart(r, c, l, ret_replaced + n) : n;
}

static int login(Registry *r, const RegistryLogin *l, char **ret_client_id, SessionName *ret_replaced) {
        Client *c = client_find(r, l->client_id);
        _cleanup_free_ char *id = NULL;
        int n;

        if (c && !streq(c->user->name, l->user->name))
                return -EKEYREJECTED;
        if (l->number != 0 && (!c || !client_is_instance(c, l->instance)))
                return -ENOENT;
        if ((!c || client_is_away(c)) && r->counts.clients >= r->options.max_clients)
                return -ENOBUFS;
        if (!c && HASH_COUNT(r->clients) >= AWAY_CLIENTS_FACTOR * r->options.max_clients)
                return -ENOBUFS;
        if (!c)
                c = client_new(r, l->client_id, l->user);
        id = c ? strdup(c->id) : NULL;
        if (!id)
                return -ENOMEM;
        n = client_enter(r, c, l, ret_replaced);
        if (n >= 0)
                *ret_client_id = TAKE_PTR(id);
        return n;
}

int registry_login(Registry *r, const RegistryLogin *l, char **ret_client_id,
                   SessionName ret_replaced[static MESSAGE_SESSIONS_MAX]) {
        int n;

        pthread_rwlock_wrlock(&r->lock);
        n = login(r, l, ret_client_id, ret_replaced);
        registry_unlock_changed(r);
        return n;
}

unsigned registry_count_on(Registry *r, const char *client_id, unsigned worker, unsigned number) {
        unsigned n = 0;
        Client *c;

        pthread_rwlock_rdlock(&r->lock);
        c = client_find(r, client_id);
        if (c)
                n = session_set_count_on(&c->sessions, worker, number);
        pthread_rwlock_unlock(&r->lock);
        return n;
}

static void logout(Registry *r, Client *c, uint64_t session_id, uint64_t now_usec) {
        int number = session_set_remove(&c->sessions, session_id);

        if (number == 0)
                client_drop_tunnels(r, c, now_usec);
        if (number >= 0 && client_is_away(c)) {
                c->away_usec = now_usec;
                r->counts.clients--;
        }
}

void registry_logout(Registry *r, const char *client_id, uint64_t session_id, uint64_t now_usec) {
        Client *c;

        pthread_rwlock_wrlock(&r->lock);
        c = client_find(r, client_id);
        if (c)
                logout(r, c, session_id, now_usec);
        registry_unlock_changed(r);
}

/* ---- revoking ---- */

/* The client's sessions are over; who may not come back is forgotten. */
static void client_revoke(Registry *r, Client *c, User *successor, uint64_t now_usec) {
        _cleanup_free_ char *why = NULL;
        Ip peer = address_ip(&c->peer);

        client_drop_tunnels(r, c, now_usec);
        if (!client_is_away(c)) {
                session_set_done(&c->sessions);
                c->away_usec = now_usec;
                r->counts.clients--;
        }
        if (successor && policy_admit(&successor->policy, &peer, time(NULL), &why) >= 0)
                client_set_user(c, successor);
        else {
                HASH_DEL(r->clients, c);
                client_free(c);
        }
}

static void revoke_claims(Registry *r, Claim *table, const char *name, const User *successor) {
        Claim *c, *next;

        HASH_ITER(hh, table, c, next) {
                if (!streq(c->user, name) || (c->kept && successor)) /* registry_keep_hosts() sees to those */
                        continue;
                if (!successor || !client_find(r, c->client_id) ||
                    !(c->host ? host_is_allowed(&r->options.rules, &successor->policy, c->host)
                              : policy_allows_port(&successor->policy, c->port)))
                        claim_drop(r, c);
        }
}

void registry_revoke(Registry *r, const char *name, User *successor, uint64_t now_usec) {
        Client *c, *next;

        pthread_rwlock_wrlock(&r->lock);
        HASH_ITER(hh, r->clients, c, next)
                if (streq(c->user->name, name))
                        client_revoke(r, c, successor, now_usec);
        revoke_claims(r, r->names, name, successor);
        revoke_claims(r, r->ports, name, successor);
        registry_unlock_changed(r);
}

User *registry_find_user(Registry *r, const char *label) {
        User *user = NULL;

        pthread_rwlock_rdlock(&r->lock);
        for (Client *c = r->clients; c && !user; c = c->hh.next)
                if (streq(c->label, label))
                        user = user_ref(c->user);
        pthread_rwlock_unlock(&r->lock);
        return user;
}

User *registry_find_expired(Registry *r, int64_t now_sec) {
        User *expired = NULL;

        pthread_rwlock_rdlock(&r->lock);
        for (Client *c = r->clients; c && !expired; c = c->hh.next)
                if (policy_is_expired(&c->user->policy, now_sec))
                        expired = user_ref(c->user);
        pthread_rwlock_unlock(&r->lock);
        return expired;
}

User *registry_any_user(Registry *r) {
        User *user;

        pthread_rwlock_rdlock(&r->lock);
        user = r->clients ? user_ref(r->clients->user) : NULL;
        pthread_rwlock_unlock(&r->lock);
        return user;
}

/* ---- granting ---- */

/* What one request is getting, before it is certain. */
typedef struct Grants {
        Client *client;
        TunnelWish wish;
        const char *http_auth;
        Claim *name; /* for http and https; may be NULL until it is chosen */
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

/* Again what the client had, if it may. */
static bool choose_sticky_name(Registry *r, Grants *g, const char *key) {
        const Sticky *s = client_sticky(g->client, key);
        const Claim *c = s && s->host ? claim_of_host(r, s->host) : NULL;

        if (!s || !s->host || !host_is_allowed(&r->options.rules, &g->client->user->policy, s->host))
                return false;
        if (c && (!claim_allows(c, g->client) || claim_is_used(c)))
                return false;
        strcpy(g->wish.host, s->host);
        return true;
}

static int choose_random_name(Registry *r, Grants *g) {
        const ConfigList *patterns = &g->client->user->policy.subdomains;
        char key[32], label[HOST_LABEL_LENGTH_MAX + 1];

        snprintf(key, sizeof(key), "http#%u", g->client->n_http);
        if (choose_sticky_name(r, g, key))
                return 0;
        for (unsigned i = 0; i < RANDOM_NAME_ATTEMPTS && random_label(patterns, i, label); i++) {
                snprintf(g->wish.host, sizeof(g->wish.host), "%s.%s", label, r->options.rules.domain);
                if (!label_is_reserved(&r->options.rules, label) &&
                    !label_banned_word(&r->options.rules, label) &&
                    name_is_free(r, g->client, g->wish.host)) {
                        client_remember(g->client, key, g->wish.host, 0);
                        return 0;
                }
        }
        return -EEXIST;
}

static int refuse_random_name(const Policy *p, char **ret_why) {
        _cleanup_free_ char *list = policy_list_subdomains(p);

        if (p->subdomains.n == 0)
                return refuse(-EEXIST, ret_why, str_format("No random name is free; ask for one"));
        return refuse(-EEXIST, ret_why,
                      list ? str_format("None of the names that you may have is free: %s", list) : NULL);
}

static int take_name(Registry *r, Grants *g, char **ret_why) {
        Claim *c;

        if (g->wish.host[0] == '\0') {
                if (choose_random_name(r, g) < 0)
                        return refuse_random_name(&g->client->user->policy, ret_why);
                g->client->n_http++;
        }
        c = claim_of_host(r, g->wish.host);
        if (!c && HASH_COUNT(r->names) >= CLAIMS_MAX)
                return refuse(-ENOBUFS, ret_why, str_format("This server has no room for another name"));
        for (unsigned i = 0; c && i < g->wish.n_protocols; i++) {
                TunnelProtocol p = g->wish.protocols[i];

                if (p != TUNNEL_TCP && (c->tunnels[p] || !claim_allows(c, g->client))) {
                        _cleanup_free_ char *url = tunnel_url(&r->options.rules, p, g->wish.host, 0);

                        return refuse(-EEXIST, ret_why,
                                      url ? str_format("The tunnel %s is already registered.", url) : NULL);
                }
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
                int e = url ? tunnel_new(&g->tunnels[i], p, url, host, port, tcp ? "" : g->http_auth,
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
        int e;

        pthread_rwlock_wrlock(&r->lock);
        e = add(r, &g, client_id, session, m, ret, ret_why);
        registry_unlock_changed(r);
        return e;
}

/* ---- lookups ---- */

/* C may be NULL. */
static RegistryAnswer claim_answer(Claim *c, TunnelProtocol protocol, unsigned worker, Tunnel **ret,
                                   SessionName *ret_session) {
        Tunnel *t = c ? c->tunnels[protocol] : NULL;

        if (!t && c && !claim_is_used(c))
                return c->kept ? REGISTRY_ABSENT : REGISTRY_AWAY;
        if (!t)
                return REGISTRY_UNKNOWN;
        *ret = tunnel_ref(t);
        *ret_session = session_set_pick(&t->client->sessions, worker);
        return REGISTRY_FOUND;
}

RegistryAnswer registry_find(Registry *r, TunnelProtocol protocol, const char *host, unsigned worker,
                             Tunnel **ret, SessionName *ret_session) {
        RegistryAnswer answer;

        pthread_rwlock_rdlock(&r->lock);
        answer = claim_answer(claim_of_host(r, host), protocol, worker, ret, ret_session);
        pthread_rwlock_unlock(&r->lock);
        return answer;
}

RegistryAnswer registry_find_port(Registry *r, uint16_t port, Tunnel **ret, SessionName *ret_session) {
        RegistryAnswer answer;

        pthread_rwlock_rdlock(&r->lock);
        answer = claim_answer(claim_of_port(r, port), TUNNEL_TCP, SESSION_ANYWHERE, ret, ret_session);
        pthread_rwlock_unlock(&r->lock);
        return answer;
}

int registry_find_session(Registry *r, const char *client_id, SessionName *ret) {
        SessionName session = {};
        Client *c;

        pthread_rwlock_rdlock(&r->lock);
        c = client_find(r, client_id);
        if (c)
                session = session_set_get(&c->sessions, 0);
        pthread_rwlock_unlock(&r->lock);
        if (session.id == 0)
                return -ENOENT;
        *ret = session;
        return 0;
}

void registry_count(Registry *r, RegistryCounts *ret) {
        pthread_rwlock_rdlock(&r->lock);
        *ret = r->counts;
        ret->ports = HASH_COUNT(r->ports);
        pthread_rwlock_unlock(&r->lock);
}

int registry_list_tunnels(Registry *r, Tunnel ***ret, size_t *ret_n) {
        Tunnel **list, *t;
        size_t n = 0;
        Client *c, *next;

        pthread_rwlock_rdlock(&r->lock);
        list = new0(Tunnel *, r->counts.tunnels + 1);
        HASH_ITER(hh, r->clients, c, next)
                DL_FOREACH(c->tunnels, t)
                        if (list)
                                list[n++] = tunnel_ref(t);
        pthread_rwlock_unlock(&r->lock);
        if (!list)
                return -ENOMEM;
        *ret = list;
        *ret_n = n;
        return 0;
}

/* ---- forgetting ---- */

/* Nobody accepts on the port of an absent client: who has waited long enough in its backlog is reset. */
static void claim_reset_visitors(const Claim *c) {
        struct linger linger = { .l_onoff = 1, .l_linger = 0 };

        for (int i = 0; i < LISTENER_BACKLOG; i++) {
                _cleanup_close_ int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);

                if (fd < 0)
                        break;
                (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        }
}

/* Returns true while claims of the table are reserved only. */
static bool sweep_claims(Registry *r, Claim *table, uint64_t now_usec) {
        bool more = false;
        Claim *c, *next;

        HASH_ITER(hh, table, c, next) {
                if (claim_is_used(c) || c->kept)
                        continue;
                if (now_usec - c->free_usec >= r->options.grace_usec) {
                        claim_drop(r, c);
                        continue;
                }
                if (c->fd >= 0 && now_usec - c->free_usec >= r->options.park_usec)
                        claim_reset_visitors(c);
                more = true;
        }
        return more;
}

static bool sweep_clients(Registry *r, uint64_t now_usec) {
        bool more = false;
        Client *c, *next;

        HASH_ITER(hh, r->clients, c, next) {
                if (!client_is_away(c))
                        continue;
                if (now_usec - c->away_usec >= r->options.grace_usec) {
                        HASH_DEL(r->clients, c);
                        client_free(c);
                } else
                        more = true;
        }
        return more;
}

static unsigned registry_size(const Registry *r) {
        return HASH_COUNT(r->names) + HASH_COUNT(r->ports) + HASH_COUNT(r->clients);
}

bool registry_sweep(Registry *r, uint64_t now_usec) {
        unsigned before;
        bool more;

        pthread_rwlock_wrlock(&r->lock);
        before = registry_size(r);
        more = sweep_claims(r, r->names, now_usec);
        more |= sweep_claims(r, r->ports, now_usec);
        more |= sweep_clients(r, now_usec);
        if (registry_size(r) != before)
                registry_unlock_changed(r);
        else
                pthread_rwlock_unlock(&r->lock);
        return more;
}

void registry_close_ports(Registry *r) {
        Claim *c, *next;

        pthread_rwlock_wrlock(&r->lock);
        HASH_ITER(hh, r->ports, c, next)
                c->fd = safe_close(c->fd);
        pthread_rwlock_unlock(&r->lock);
}

Registry *registry_free(Registry *r) {
        Client *client, *next_client;
        Claim *claim, *next;

        if (!r)
                return NULL;
        HASH_ITER(hh, r->clients, client, next_client) {
                client_drop_tunnels(r, client, 0);
                HASH_DEL(r->clients, client);
                client_free(client);
        }
        HASH_ITER(hh, r->names, claim, next)
                claim_drop(r, claim);
        HASH_ITER(hh, r->ports, claim, next)
                claim_drop(r, claim);
        pthread_rwlock_destroy(&r->lock);
        free(r);
        return NULL;
}
