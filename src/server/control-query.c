/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/control-query.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "base/parse.h"
#include "base/str.h"
#include "base/version.h"
#include "net/http-json.h"
#include "server/gather.h"
#include "server/visitor.h"

/* What there may be many of, in all shards. */
typedef struct Listing {
        const char *name;
        struct json_object *(*describe)(const void *info);
        void (*done)(void *info); /* lets go of what INFO holds */
        size_t info_bytes;
} Listing;

/* One question that waits for the shards. */
typedef struct Question {
        HttpExchange *exchange; /* borrowed; NULL: nobody wants to know any more */
        const Listing *listing;
        size_t limit;
        char label[CLIENT_LABEL_MAX];
} Question;

static void on_question_gone(void *userdata) {
        Question *q = userdata;

        q->exchange = NULL;
}

static void ask(Server *s, HttpExchange *x, const Question *question, size_t part_bytes,
                GatherCollectFn collect, GatherDoneFn done) {
        Question *q = new0(Question, 1);

        if (q)
                *q = *question;
        if (!q || gather_start(s, part_bytes, collect, done, q) < 0) {
                free(q);
                http_answer_error(x, 500, "Out of memory");
                return;
        }
        q->exchange = x;
        http_exchange_wait(x, on_question_gone, q);
}

/* Owns Q and O. */
static void question_answer(Question *q, struct json_object *o) {
        if (q->exchange)
                http_answer_json(q->exchange, 200, o);
        else
                json_object_put(o);
        free(q);
}

/* Returns false when X was told that its limit is none. */
static bool read_limit(HttpExchange *x, size_t *ret) {
        const char *text = http_exchange_query(x, "limit");
        uint64_t limit = CONTROL_LIST_DEFAULT;

        if (text && parse_uint(text, CONTROL_LIST_MAX, &limit) < 0) {
                http_answer_error(x, 400, "`limit' must be a number up to %d", CONTROL_LIST_MAX);
                return false;
        }
        *ret = limit;
        return true;
}

/* ---- JSON ---- */

static void put_string(struct json_object *o, const char *key, const char *value) {
        json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

static void put_number(struct json_object *o, const char *key, uint64_t value) {
        json_object_object_add(o, key, json_object_new_uint64(value));
}

/* 0 is none. */
static void put_limit(struct json_object *o, const char *key, uint64_t value) {
        json_object_object_add(o, key, value > 0 ? json_object_new_uint64(value) : NULL);
}

/* In seconds since 1970, the same whenever it is asked. */
static void put_since(struct json_object *o, uint64_t started_usec) {
        struct timespec now = {};

        clock_gettime(CLOCK_REALTIME, &now);
        put_number(o, "since",
                   ((uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / 1000 -
                    (clock_usec() - started_usec)) /
                           USEC_PER_SEC);
}

static struct json_object *describe_list(const char *name, struct json_object *list, uint64_t total) {
        struct json_object *o = json_object_new_object();

        json_object_object_add(o, name, list);
        put_number(o, "total", total);
        return o;
}

/* ---- status ---- */

/* What a client knows us by whose CAs don't: only where the certificate signs itself. */
static void put_pin(struct json_object *o, const TlsServer *tls) {
        char text[PIN_TEXT_MAX];
        Pin pin;

        put_string(o, "pin", tls_server_own_pin(tls, &pin) >= 0 ? pin_format(&pin, text) : NULL);
}

static struct json_object *describe_listeners(const Server *s) {
        static const char *const kinds[LISTEN_KIND_MAX] = {
                [LISTEN_HTTP] = "http",
                [LISTEN_HTTPS] = "https",
                [LISTEN_TUNNEL] = "tunnel",
        };
        struct json_object *list = json_object_new_array();
        char address[ADDRESS_TEXT_MAX];

        for (unsigned i = 0; i < s->snapshot->n_sockets; i++) {
                const SnapshotSocket *slot = &s->snapshot->sockets[i];
                struct json_object *o = json_object_new_object();

                put_string(o, "kind", kinds[slot->kind]);
                put_string(o, "address", address_format(&slot->socket->address, address));
                json_object_array_add(list, o);
        }
        return list;
}

static struct json_object *describe_limits(const ServerConfig *c) {
        struct json_object *o = json_object_new_object();

        put_number(o, "clients", c->max_clients);
        put_number(o, "tunnels_per_client", c->max_tunnels_per_client);
        put_number(o, "connections_per_tunnel", c->max_per_tunnel);
        put_number(o, "connections_per_visitor", c->max_per_visitor);
        put_limit(o, "rate_per_tunnel", c->rate_per_tunnel);
        put_number(o, "ports", c->tcp_high - c->tcp_low + 1U);
        return o;
}

static void on_collect_status(Shard *sh, void *part, const void *userdata _unused_) {
        *(uint64_t*) part = sh->n_visitors;
}

static void on_status(Server *s, void *parts, unsigned n, void *userdata) {
        struct json_object *o = json_object_new_object();
        const uint64_t *n_visitors = parts;
        RegistryCounts counts;
        uint64_t sum = 0;

        for (unsigned i = 0; i < n; i++)
                sum += n_visitors[i];
        registry_count(s->registry, &counts);
        put_string(o, "version", PGROK_VERSION);
        put_string(o, "state", s->stopper ? "draining" : "running");
        put_number(o, "uptime", (clock_usec() - s->started_usec) / USEC_PER_SEC);
        put_string(o, "domain", s->snapshot->config->domain);
        json_object_object_add(o, "listeners", describe_listeners(s));
        put_pin(o, s->snapshot->tunnel_tls);
        put_number(o, "clients", counts.clients);
        put_number(o, "tunnels", counts.tunnels);
        put_number(o, "connections", sum);
        put_number(o, "ports", counts.ports);
        json_object_object_add(o, "limits", describe_limits(s->snapshot->config));
        question_answer(userdata, o);
}

void control_query_status(Server *s, HttpExchange *x, const HttpRequest *r _unused_) {
        ask(s, x, &(Question){}, sizeof(uint64_t), on_collect_status, on_status);
}

/* ---- tunnels ---- */

static struct json_object *describe_tunnel(const Server *s, const Tunnel *t) {
        struct json_object *o = json_object_new_object();

        put_string(o, "url", t->url);
        put_string(o, "proto", tunnel_protocol_to_string(t->protocol));
        put_string(o, "user", t->user->name);
        put_string(o, "client", t->label);
        put_number(o, "connections", t->n_connections);
        put_number(o, "max_connections", s->snapshot->config->max_per_tunnel);
        put_limit(o, "rate", rate_get(&t->rate));
        return o;
}

void control_query_tunnels(Server *s, HttpExchange *x, const HttpRequest *r _unused_) {
        struct json_object *list;
        size_t limit, n;
        Tunnel **tunnels;

        if (!read_limit(x, &limit))
                return;
        if (registry_list_tunnels(s->registry, &tunnels, &n) < 0) {
                http_answer_error(x, 500, "Out of memory");
                return;
        }
        list = json_object_new_array();
        for (size_t i = 0; i < n; i++) {
                if (i < limit)
                        json_object_array_add(list, describe_tunnel(s, tunnels[i]));
                tunnel_unref(tunnels[i]);
        }
        free(tunnels);
        http_answer_json(x, 200, describe_list("tunnels", list, n));
}

/* ---- clients and connections ---- */

typedef struct ShardList {
        void *infos; /* owned, n of them */
        size_t n;
        uint64_t total;
} ShardList;

static void on_listed(Server *s _unused_, void *parts, unsigned n, void *userdata) {
        struct json_object *array = json_object_new_array();
        ShardList *lists = parts;
        Question *q = userdata;
        uint64_t total = 0;

        for (unsigned i = 0; i < n; i++) {
                total += lists[i].total;
                for (size_t k = 0; k < lists[i].n; k++) {
                        void *info = (char*) lists[i].infos + k * q->listing->info_bytes;

                        if (json_object_array_length(array) < q->limit)
                                json_object_array_add(array, q->listing->describe(info));
                        q->listing->done(info);
                }
                free(lists[i].infos);
        }
        question_answer(q, describe_list(q->listing->name, array, total));
}

static void ask_for_list(Server *s, HttpExchange *x, const Listing *listing, GatherCollectFn collect) {
        Question q = { .listing = listing };

        if (read_limit(x, &q.limit))
                ask(s, x, &q, sizeof(ShardList), collect, on_listed);
}

/* A client is shown once, by its session 0, which has the tunnels. */
static void on_collect_clients(Shard *sh, void *part, const void *userdata) {
        const Question *q = userdata;
        ShardList *list = part;
        SessionInfo *infos = new0(SessionInfo, MIN(HASH_COUNT(sh->sessions), q->limit) + 1);

        list->infos = infos;
        if (!infos)
                return;
        for (const Session *s = sh->sessions; s; s = s->hh.next) {
                if (s->spec.number != 0)
                        continue;
                list->total++;
                if (list->n < q->limit)
                        session_describe(s, &infos[list->n++]);
        }
}

/* What all clients of the user share. */
static void put_quotas(struct json_object *o, const User *u) {
        _cleanup_free_ char *ports = policy_list_ports(&u->policy);

        put_number(o, "user_tunnels", u->n_tunnels);
        put_limit(o, "user_max_tunnels", u->policy.max_tunnels);
        put_number(o, "user_connections", u->n_connections);
        put_limit(o, "user_max_connections", u->policy.max_connections);
        put_limit(o, "user_rate", u->policy.rate);
        put_string(o, "user_ports", str_is_empty(ports) ? NULL : ports);
}

static struct json_object *describe_client(const void *p) {
        const SessionInfo *info = p;
        struct json_object *o = json_object_new_object();
        char peer[ADDRESS_TEXT_MAX];

        put_string(o, "client", info->label);
        put_string(o, "user", info->user->name);
        put_string(o, "address", address_format(&info->peer, peer));
        put_string(o, "transport", info->transport);
        put_number(o, "tunnels", info->n_tunnels);
        put_since(o, info->started_usec);
        put_quotas(o, info->user);
        return o;
}

static void client_done(void *info) {
        user_unref(((SessionInfo*) info)->user);
}

void control_query_clients(Server *s, HttpExchange *x, const HttpRequest *r _unused_) {
        static const Listing clients = { "clients", describe_client, client_done, sizeof(SessionInfo) };

        ask_for_list(s, x, &clients, on_collect_clients);
}

static void on_collect_connections(Shard *sh, void *part, const void *userdata) {
        const Question *q = userdata;
        size_t max = MIN(sh->n_visitors, q->limit);
        ShardList *list = part;

        list->total = sh->n_visitors;
        list->infos = new0(VisitorInfo, max + 1);
        if (list->infos)
                list->n = visitor_list(sh, list->infos, max);
}

static struct json_object *describe_connection(const void *p) {
        const VisitorInfo *info = p;
        struct json_object *o = json_object_new_object();
        char peer[ADDRESS_TEXT_MAX];

        put_string(o, "visitor", address_format(&info->peer, peer));
        put_string(o, "proto", tunnel_protocol_to_string(info->protocol));
        put_string(o, "tunnel", info->tunnel ? info->tunnel->url : NULL);
        put_string(o, "client", info->tunnel ? info->tunnel->label : NULL);
        put_since(o, info->started_usec);
        put_number(o, "bytes_in", info->bytes_in);
        put_number(o, "bytes_out", info->bytes_out);
        return o;
}

static void connection_done(void *info) {
        tunnel_unref(((VisitorInfo*) info)->tunnel);
}

void control_query_connections(Server *s, HttpExchange *x, const HttpRequest *r _unused_) {
        static const Listing connections = { "connections", describe_connection, connection_done,
                                             sizeof(VisitorInfo) };

        ask_for_list(s, x, &connections, on_collect_connections);
}

/* ---- kick ---- */

static Session *find_session_of(Shard *sh, const char *label) {
        for (Session *s = sh->sessions; s; s = s->hh.next)
                if (streq(s->label, label))
                        return s;
        return NULL;
}

/* Its visitors first: what a mux session still carries would live on in its tail. */
static void on_collect_kick(Shard *sh, void *part, const void *userdata) {
        const Question *q = userdata;
        uint64_t *n = part;
        Session *s;

        visitor_abort_client(sh, q->label);
        while ((s = find_session_of(sh, q->label))) { /* the end of one may end others */
                session_end(s, "it was kicked");
                ++*n;
        }
}

static void on_kicked(Server *s _unused_, void *parts, unsigned n, void *userdata) {
        const uint64_t *n_sessions = parts;
        Question *q = userdata;
        uint64_t sum = 0;

        for (unsigned i = 0; i < n; i++)
                sum += n_sessions[i];
        if (sum == 0 && q->exchange) {
                http_answer_error(q->exchange, 404, "No client %s is connected", q->label);
                free(q);
        } else
                question_answer(q, json_object_new_object());
}

void control_query_kick(Server *s, HttpExchange *x, const char *label) {
        _cleanup_(user_unrefp) User *user = registry_find_user(s->registry, label);
        Question q = {};

        snprintf(q.label, sizeof(q.label), "%s", label);
        if (user) /* before it can be back */
                auth_forget(s->auth, user->name);
        ask(s, x, &q, sizeof(uint64_t), on_collect_kick, on_kicked);
}
