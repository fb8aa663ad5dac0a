/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/registry.h"

#include <errno.h>
#include <time.h>
#include <utlist.h>

#include "base/parse.h"
#include "base/str.h"
#include "net/listener.h"
#include "server/registry-private.h"

#define CLIENT_ID_BYTES 16 /* of a new one: 128 random bits */
#define CLIENT_ID_LENGTH_MIN 16
#define CLIENT_ID_LENGTH_MAX 64
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

/* ---- clients ---- */

Client *client_find(Registry *r, const char *id) {
        Client *c;

        HASH_FIND_STR(r->clients, id, c);
        return c;
}

Sticky *client_sticky(Client *c, const char *key) {
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

/* Its names stay its user's. So nobody can keep others out by coming with one id after the other. */
static void forget_longest_away(Registry *r) {
        Client *longest = NULL;

        for (Client *c = r->clients; c; c = c->hh.next)
                if (client_is_away(c) && (!longest || c->away_usec < longest->away_usec))
                        longest = c;
        if (longest) {
                HASH_DEL(r->clients, longest);
                client_free(longest);
        }
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
                forget_longest_away(r);
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

/* ---- lookups ---- */

/* C may be NULL. */
static RegistryAnswer claim_answer(Claim *c, TunnelProtocol protocol, unsigned worker, Tunnel **ret,
                                   SessionName *ret_session) {
        Tunnel *t = c ? c->tunnels[protocol] : NULL;

        if (!t && c && !claim_is_used(c) && (protocol != TUNNEL_TLS || c->is_tls))
                return c->kept && clock_usec() >= c->awaited_usec ? REGISTRY_ABSENT : REGISTRY_AWAY;
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
        answer = claim_answer(claim_for_host(r, host), protocol, worker, ret, ret_session);
        pthread_rwlock_unlock(&r->lock);
        return answer;
}

bool registry_has_tls(Registry *r) {
        return atomic_load_explicit(&r->n_tls, memory_order_relaxed) > 0;
}

bool registry_is_of_other(Registry *r, const char *host, const char *user) {
        const Claim *c;
        bool is_of_other;

        pthread_rwlock_rdlock(&r->lock);
        c = claim_for_host(r, host);
        is_of_other = c && !streq(c->user, user);
        pthread_rwlock_unlock(&r->lock);
        return is_of_other;
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

void registry_set_failing(Registry *r, const char *client_id, const char *url, bool is_failing) {
        Client *c;
        Tunnel *t;

        pthread_rwlock_rdlock(&r->lock);
        c = client_find(r, client_id);
        DL_FOREACH(c ? c->tunnels : NULL, t) {
                if (streq(t->url, url))
                        atomic_store(&t->is_failing, is_failing);
        }
        pthread_rwlock_unlock(&r->lock);
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

int registry_list_ports(Registry *r, RegistryPort **ret, size_t *ret_n) {
        RegistryPort *list;
        size_t n = 0;

        pthread_rwlock_rdlock(&r->lock);
        list = new0(RegistryPort, HASH_COUNT(r->ports) + 1);
        for (const Claim *c = r->ports; c && list; c = c->hh.next)
                list[n++] = (RegistryPort) { .port = c->port, .fd = c->fd };
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
