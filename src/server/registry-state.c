/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/registry-state.h"

#include <errno.h>
#include <utlist.h>

#include "base/str.h"
#include "proto/hostname.h"
#include "proto/json.h"
#include "server/registry-private.h"

#define STATE_VERSION 1

/* ---- saving ---- */

static int add_text(json_object *o, const char *key, const char *value) {
        return json_add(o, key, json_object_new_string(value));
}

static int add_port(json_object *o, uint16_t port) {
        return json_add(o, "port", json_object_new_int(port));
}

static json_object *save_sticky(const Sticky *s) {
        _cleanup_json_ json_object *o = json_object_new_object();

        if (!o || add_text(o, "key", s->key) < 0)
                return NULL;
        if ((s->host ? add_text(o, "host", s->host) : add_port(o, s->port)) < 0)
                return NULL;
        return TAKE_PTR(o);
}

static json_object *save_client(const Client *c) {
        _cleanup_json_ json_object *o = json_object_new_object();
        json_object *list = json_object_new_array();
        const Sticky *s;

        if (!o || json_add(o, "sticky", list) < 0 || add_text(o, "id", c->id) < 0 ||
            add_text(o, "user", c->user->name) < 0)
                return NULL;
        LL_FOREACH(c->sticky, s)
                if (json_append(list, save_sticky(s)) < 0)
                        return NULL;
        return TAKE_PTR(o);
}

static json_object *save_claim(const Claim *c) {
        _cleanup_json_ json_object *o = json_object_new_object();

        if (!o || add_text(o, "user", c->user) < 0 || add_text(o, "client", c->client_id) < 0)
                return NULL;
        if ((c->host ? add_text(o, "host", c->host) : add_port(o, c->port)) < 0)
                return NULL;
        if (c->is_tls && json_add(o, "tls", json_object_new_boolean(true)) < 0)
                return NULL;
        if (claim_is_used(c) && json_add(o, "used", json_object_new_boolean(true)) < 0)
                return NULL;
        if ((c->kept & KEPT_ADDED) && json_add(o, "added", json_object_new_boolean(true)) < 0)
                return NULL;
        return TAKE_PTR(o);
}

static int save_claims(json_object *list, const Claim *table) {
        for (const Claim *c = table; c; c = c->hh.next)
                if (json_append(list, save_claim(c)) < 0)
                        return -ENOMEM;
        return 0;
}

static int save(const Registry *r, json_object *o) {
        json_object *clients = json_object_new_array(), *names = json_object_new_array(),
                    *ports = json_object_new_array();
        int e = json_add(o, "clients", clients), f = json_add(o, "names", names),
            g = json_add(o, "ports", ports);

        if (e < 0 || f < 0 || g < 0 || json_add(o, "version", json_object_new_int(STATE_VERSION)) < 0)
                return -ENOMEM;
        for (const Client *c = r->clients; c; c = c->hh.next)
                if (json_append(clients, save_client(c)) < 0)
                        return -ENOMEM;
        e = save_claims(names, r->names);
        return e < 0 ? e : save_claims(ports, r->ports);
}

char *registry_save(Registry *r, size_t *ret_n) {
        _cleanup_json_ json_object *o = json_object_new_object();
        const char *text;
        int e;

        if (!o)
                return NULL;
        pthread_rwlock_rdlock(&r->lock);
        e = save(r, o);
        pthread_rwlock_unlock(&r->lock);
        text = e < 0 ? NULL : json_text(o, ret_n);
        return text ? strndup(text, *ret_n) : NULL;
}

/* ---- restoring ---- */

static const char *get_text(json_object *o, const char *key) {
        return json_string(json_object_object_get(o, key));
}

/* 0: none. */
static uint16_t get_port(json_object *o) {
        int64_t port = json_object_get_int64(json_object_object_get(o, "port"));

        return port > 0 && port <= UINT16_MAX ? (uint16_t) port : 0;
}

static size_t list_length(json_object *list) {
        return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static void restore_sticky(Client *c, json_object *o) {
        const char *key = get_text(o, "key"), *host = get_text(o, "host");
        uint16_t port = get_port(o);

        if (key && (host ? hostname_is_valid(host) : port != 0))
                client_remember(c, key, host, port);
}

static void restore_client(Registry *r, json_object *o, uint64_t now_usec) {
        const char *id = get_text(o, "id"), *name = get_text(o, "user");
        json_object *list = json_object_object_get(o, "sticky");
        _cleanup_(user_unrefp) User *user =
                NULL; /* by name: at its login it is replaced by one with its policy */
        Client *c;

        if (!id || !name || client_find(r, id) || user_new(&user, name, NULL) < 0)
                return;
        c = client_new(r, id, user);
        if (!c)
                return;
        c->away_usec = now_usec;
        for (size_t i = list_length(list); i > 0; i--) /* each goes to the front of the list */
                restore_sticky(c, json_object_array_get_idx(list, i - 1));
}

static void restore_name(Registry *r, json_object *o, uint64_t now_usec) {
        const char *host = get_text(o, "host"), *user = get_text(o, "user"),
                   *client_id = get_text(o, "client");
        Claim *c;

        if (!host || !user || !client_id)
                return;
        if (json_object_get_boolean(json_object_object_get(o, "added")))
                host_restore(r, host, user);
        c = claim_of_host(r, host);
        if (!c && (hostname_is_valid(host) || hostname_is_wildcard(host))) {
                c = claim_host(r, host, user, client_id);
                if (!c)
                        return;
                c->free_usec = now_usec;
                claim_set_tls(r, c, json_object_get_boolean(json_object_object_get(o, "tls")));
        }
        if (c && json_object_get_boolean(json_object_object_get(o, "used")))
                c->awaited_usec = now_usec + r->options.park_usec;
}

static void restore_port(Registry *r, json_object *o, RegistrySocketFn socket_of, void *userdata,
                         uint64_t now_usec) {
        const char *user = get_text(o, "user"), *client_id = get_text(o, "client");
        uint16_t port = get_port(o);
        Claim *c;

        if (!user || !client_id || port < r->options.rules.tcp_low || port > r->options.rules.tcp_high ||
            claim_of_port(r, port))
                return;
        c = claim_port(r, port, socket_of ? socket_of(port, userdata) : -1, user, client_id);
        if (c)
                c->free_usec = now_usec;
}

static void restore(Registry *r, json_object *o, RegistrySocketFn socket_of, void *userdata,
                    uint64_t now_usec) {
        json_object *clients = json_object_object_get(o, "clients"),
                    *names = json_object_object_get(o, "names"), *ports = json_object_object_get(o, "ports");

        for (size_t i = 0; i < list_length(clients); i++)
                restore_client(r, json_object_array_get_idx(clients, i), now_usec);
        for (size_t i = 0; i < list_length(names); i++)
                restore_name(r, json_object_array_get_idx(names, i), now_usec);
        for (size_t i = 0; i < list_length(ports); i++)
                restore_port(r, json_object_array_get_idx(ports, i), socket_of, userdata, now_usec);
}

int registry_restore(Registry *r, const char *text, size_t n, RegistrySocketFn socket_of, void *userdata,
                     uint64_t now_usec) {
        _cleanup_json_ json_object *o = NULL;

        if (json_parse(text, n, &o) < 0 || !json_object_is_type(o, json_type_object) ||
            json_object_get_int(json_object_object_get(o, "version")) != STATE_VERSION)
                return -EBADMSG;
        pthread_rwlock_wrlock(&r->lock);
        restore(r, o, socket_of, userdata, now_usec);
        pthread_rwlock_unlock(&r->lock);
        return 0;
}
