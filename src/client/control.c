/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/control.h"

#include <config.h>
#include <errno.h>

#include "base/files.h"
#include "base/str.h"
#include "net/http-json.h"

struct Control {
        HttpService *http; /* owned */
        const ControlOps *ops;
        void *userdata; /* borrowed */
};

/* ---- status ---- */

static const char *const state_names[] = {
        [TUNNEL_IDLE] = "waiting",
        [TUNNEL_ASKED] = "asked",
        [TUNNEL_UP] = "up",
        [TUNNEL_REFUSED] = "refused",
};

static void describe_failure(struct json_object *o, const TunnelConfig *config) {
        json_object_object_add(o, "state", json_object_new_string("failing"));
        if (config->health_why)
                json_object_object_add(o, "reason", json_object_new_string(config->health_why));
}

struct json_object *control_describe_tunnel(const Tunnel *t, bool is_online) {
        struct json_object *o = json_object_new_object(), *urls = json_object_new_array();
        char local[TARGET_TEXT_MAX];

        for (size_t i = 0; i < t->n_urls && is_online; i++)
                json_object_array_add(urls, json_object_new_string(t->urls[i].url));
        json_object_object_add(o, "name", json_object_new_string(t->config->name));
        json_object_object_add(o, "state",
                               json_object_new_string(state_names[is_online ? t->state : TUNNEL_IDLE]));
        json_object_object_add(o, "local", json_object_new_string(target_format(&t->config->target, local)));
        json_object_object_add(o, "urls", urls);
        if (is_online && t->state == TUNNEL_UP && atomic_load(&t->config->is_failing))
                describe_failure(o, t->config);
        if (is_online && t->state == TUNNEL_REFUSED && t->why)
                json_object_object_add(o, "reason", json_object_new_string(t->why));
        return o;
}

static void handle_status(Control *c, HttpExchange *x, const HttpRequest *r _unused_) {
        struct json_object *o = json_object_new_object(), *list = json_object_new_array();
        ControlView view;

        c->ops->view(&view, c->userdata);
        for (size_t i = 0; i < view.tunnels->n; i++)
                json_object_array_add(list, control_describe_tunnel(&view.tunnels->items[i], view.is_online));
        json_object_object_add(o, "version", json_object_new_string(PACKAGE_VERSION));
        json_object_object_add(o, "server", json_object_new_string(view.config->server));
        json_object_object_add(o, "state", json_object_new_string(view.is_online ? "online" : "offline"));
        json_object_object_add(o, "connections", json_object_new_uint64(view.n_connections));
        json_object_object_add(o, "tunnels", list);
        http_answer_json(x, 200, o);
}

/* ---- changes ---- */

/* Owns CHANGE. */
static void control_change(Control *c, HttpExchange *x, Change *change) {
        _cleanup_(config_list_done) ConfigList faults = {};
        _cleanup_free_ char *why = NULL;
        int r = c->ops->change(change, &faults, c->userdata);

        if (r >= 0) {
                http_answer_json(x, 200, json_object_new_object());
                return;
        }
        why = config_list_join(&faults);
        http_answer_error(x, r == -EINVAL ? 409 : 500, "%s", why ? why : strerror(-r));
}

static void handle_reload(Control *c, HttpExchange *x, const HttpRequest *r _unused_) {
        control_change(c, x, NULL);
}

static bool is_running(Control *c, const char *name) {
        ControlView view;

        c->ops->view(&view, c->userdata);
        for (size_t i = 0; i < view.tunnels->n; i++)
                if (streq(view.tunnels->items[i].config->name, name))
                        return true;
        return false;
}

static int read_setting(const char *key, struct json_object *value, Change *change) {
        const char *text = http_json_string(value);

        return text ? change_set(change, key, text) : -EINVAL;
}

/* A string, or a list of them. */
static int read_values(const char *key, struct json_object *value, Change *change) {
        int r = 0;

        if (!json_object_is_type(value, json_type_array))
                return read_setting(key, value, change);
        for (size_t i = 0; i < json_object_array_length(value) && r >= 0; i++)
                r = read_setting(key, json_object_array_get_idx(value, i), change);
        return r;
}

/* {"subdomain": "x", "allow": ["192.0.2.0/24", …], …}. Returns 0, -EINVAL, -ENOBUFS or -ENOMEM. */
static int read_settings(struct json_object *settings, Change *change) {
        if (!settings)
                return 0;
        if (!json_object_is_type(settings, json_type_object))
                return -EINVAL;
        json_object_object_foreach(settings, key, value) {
                int r = read_values(key, value, change);

                if (r < 0)
                        return r;
        }
        return 0;
}

static void handle_add(Control *c, HttpExchange *x, const HttpRequest *r) {
        _cleanup_json_ struct json_object *body = http_body_parse(r);
        const char *name = http_body_string(body, "name");
        _cleanup_(change_freep) Change *change = name ? change_new(name, false) : NULL;

        if (!name)
                http_answer_error(x, 400, "`name' must be a target, or the name of a configured tunnel");
        else if (is_running(c, name))
                http_answer_error(x, 409, "The tunnel %s is there already", name);
        else if (!change || read_settings(json_object_object_get(body, "settings"), change) < 0)
                http_answer_error(x, 400, "`settings' must be an object of a few strings, or lists of them");
        else
                control_change(c, x, TAKE_PTR(change));
}

static void handle_remove(Control *c, HttpExchange *x, const HttpRequest *r) {
        _cleanup_json_ struct json_object *body = http_body_parse(r);
        const char *name = http_body_string(body, "name");
        Change *change;

        if (!name || !is_running(c, name)) {
                http_answer_error(x, name ? 404 : 400, "There is no tunnel %s",
                                  name ? name : "without a name");
                return;
        }
        change = change_new(name, true);
        if (change)
                control_change(c, x, change);
        else
                http_answer_error(x, 500, "Out of memory");
}

/* ---- routing ---- */

static const struct {
        const char *method, *path;
        void (*handle)(Control *c, HttpExchange *x, const HttpRequest *r);
} routes[] = {
        { "GET", "/v1/status", handle_status },
        { "POST", "/v1/reload", handle_reload },
        { "POST", "/v1/tunnels", handle_add },
        { "DELETE", "/v1/tunnels", handle_remove },
};

static void on_control_request(HttpExchange *x, const HttpRequest *r, void *userdata) {
        Control *c = userdata;

        if (!http_exchange_peer_is(x, geteuid(), CONTROL_GROUP)) {
                http_answer_error(
                        x, 403, "Only root, the client's user and members of " CONTROL_GROUP " may do that");
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(routes); i++)
                if (streq(routes[i].method, r->method) && streq(routes[i].path, r->path)) {
                        routes[i].handle(c, x, r);
                        return;
                }
        http_answer_error(x, 404, "There is no %s %s", r->method, r->path);
}

int control_new(Control **ret, Worker *w, const ControlOps *ops, void *userdata) {
        _cleanup_free_ char *path = files_control_socket("pgrok");
        Control *c;
        int r;

        if (!path)
                return -ENOENT;
        c = new0(Control, 1);
        if (!c)
                return -ENOMEM;
        c->ops = ops;
        c->userdata = userdata;
        r = http_service_new_local(&c->http, w, path, CONTROL_GROUP, on_control_request, c);
        if (r < 0)
                free(c);
        else
                *ret = c;
        return r;
}

Control *control_free(Control *c) {
        if (!c)
                return NULL;
        http_service_free(c->http);
        free(c);
        return NULL;
}
