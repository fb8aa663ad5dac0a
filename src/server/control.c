/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/control.h"

#include <errno.h>

#include "base/files.h"
#include "base/log.h"
#include "base/str.h"
#include "net/http-json.h"
#include "proto/hostname.h"
#include "server/control-query.h"
#include "server/upgrade.h"

#define USER_NAME_MAX 64

/* ---- orders ---- */

static void answer_done(HttpExchange *x) {
        http_answer_json(x, 200, json_object_new_object());
}

static void answer_faults(HttpExchange *x, const ConfigList *faults) {
        struct json_object *o = json_object_new_object(), *list = json_object_new_array();

        for (size_t i = 0; i < faults->n; i++)
                json_object_array_add(list, json_object_new_string(faults->items[i]));
        json_object_object_add(o, "faults", list);
        http_answer_json(x, 200, o);
}

static void handle_verify(Server *s, HttpExchange *x, const HttpRequest *r _unused_) {
        ServerConfig config = {};
        ConfigList faults = {};
        int e = server_options_load(s->options, &config, &faults);

        if (e == -ENOMEM)
                http_answer_error(x, 500, "Out of memory");
        else
                answer_faults(x, &faults);
        config_list_done(&faults);
        server_config_done(&config);
}

static void handle_drain(Server *s, HttpExchange *x, const HttpRequest *r _unused_) {
        int e;

        upgrade_cancel(s);
        e = server_drain(s);
        if (e < 0)
                http_answer_error(x, 500, "%s", strerror(-e));
        else
                answer_done(x);
}

static void handle_reload(Server *s, HttpExchange *x, const HttpRequest *r _unused_) {
        _cleanup_free_ char *why = NULL;
        int e = server_reload(s, &why);

        if (e < 0)
                http_answer_error(x, 409, "%s", why ? why : strerror(-e));
        else
                answer_done(x);
}

static void handle_upgrade(Server *s, HttpExchange *x, const HttpRequest *r _unused_) {
        _cleanup_free_ char *why = NULL;
        int e = upgrade_start(s, x, &why);

        if (e < 0)
                http_answer_error(x, 409, "%s", why ? why : strerror(-e));
}

static void handle_log_level(Server *s _unused_, HttpExchange *x, const HttpRequest *r) {
        _cleanup_json_ struct json_object *body = http_body_parse(r);
        const char *level = http_body_string(body, "level");
        int l = level ? log_level_from_string(level) : -EINVAL;

        if (l < 0) {
                http_answer_error(x, 400, "`level' must be error, warning, info or debug");
                return;
        }
        log_set_level(l);
        answer_done(x);
}

/* ---- hosts ---- */

#define HOST_TEXT_MAX (HOSTNAME_LENGTH_MAX + sizeof(":65535"))

/* Returns 0 with HOST in lower case, or -EINVAL: X was told why. */
static int read_host(HttpExchange *x, struct json_object *body, char ret_host[static HOST_TEXT_MAX],
                     const char **ret_user) {
        const char *host = http_body_string(body, "host"), *user = http_body_string(body, "name");

        if (!host || strlen(host) >= HOST_TEXT_MAX || !user || !user_name_is_valid(user)) {
                http_answer_error(x, 400, "`host' must be a host name, and `name' the name of a user");
                return -EINVAL;
        }
        strcpy(ret_host, host);
        str_lower(ret_host);
        *ret_user = user;
        return 0;
}

static void answer_host(HttpExchange *x, int e, const char *host, const char *user) {
        if (e >= 0)
                answer_done(x);
        else if (e == -EINVAL)
                http_answer_error(x, 400, "%s is not a host name, with or without a port", host);
        else if (e == -EEXIST)
                http_answer_error(x, 409, "%s belongs to another user", host);
        else if (e == -ENOENT)
                http_answer_error(x, 404, "%s was not added for %s", host, user);
        else
                http_answer_error(x, 500, "%s", strerror(-e));
}

static void handle_add_host(Server *s, HttpExchange *x, const HttpRequest *r) {
        _cleanup_json_ struct json_object *body = http_body_parse(r);
        char host[HOST_TEXT_MAX];
        const char *user;

        if (read_host(x, body, host, &user) >= 0)
                answer_host(x, registry_host_add(s->registry, host, user), host, user);
}

static void handle_remove_host(Server *s, HttpExchange *x, const HttpRequest *r) {
        _cleanup_json_ struct json_object *body = http_body_parse(r);
        char host[HOST_TEXT_MAX];
        const char *user;

        if (read_host(x, body, host, &user) >= 0)
                answer_host(x, registry_host_remove(s->registry, host, user), host, user);
}

/* ---- routing ---- */

#define KICK_PREFIX "/v1/clients/"
#define KICK_SUFFIX "/kick"

static const struct {
        const char *method, *path;
        void (*handle)(Server *s, HttpExchange *x, const HttpRequest *r);
} routes[] = {
        { "GET", "/v1/status", control_query_status },
        { "GET", "/v1/tunnels", control_query_tunnels },
        { "GET", "/v1/clients", control_query_clients },
        { "GET", "/v1/connections", control_query_connections },
        { "GET", "/v1/verify", handle_verify },
        { "POST", "/v1/drain", handle_drain },
        { "POST", "/v1/reload", handle_reload },
        { "POST", "/v1/upgrade", handle_upgrade },
        { "POST", "/v1/log-level", handle_log_level },
        { "POST", "/v1/hosts", handle_add_host },
        { "DELETE", "/v1/hosts", handle_remove_host },
};

/* The label in /v1/clients/LABEL/kick, or false. */
static bool parse_kick(const char *path, char ret[static CLIENT_LABEL_MAX]) {
        const char *label = str_skip_prefix(path, KICK_PREFIX);
        size_t n = label ? strspn(label, "0123456789abcdef") : 0;

        if (n != CLIENT_LABEL_MAX - 1 || !streq(label + n, KICK_SUFFIX))
                return false;
        memcpy(ret, label, n);
        ret[n] = '\0';
        return true;
}

static void route(Server *s, HttpExchange *x, const HttpRequest *r) {
        char label[CLIENT_LABEL_MAX];
        bool is_path = false;

        for (size_t i = 0; i < ELEMENTSOF(routes); i++) {
                if (!streq(routes[i].path, r->path))
                        continue;
                is_path = true;
                if (streq(routes[i].method, r->method)) {
                        routes[i].handle(s, x, r);
                        return;
                }
        }
        if (!is_path && parse_kick(r->path, label)) {
                is_path = true;
                if (streq(r->method, "POST")) {
                        control_query_kick(s, x, label);
                        return;
                }
        }
        if (is_path)
                http_answer_error(x, 405, "%s does not take %s", r->path, r->method);
        else
                http_answer_error(x, 404, "There is no %s", r->path);
}

static void on_control_request(HttpExchange *x, const HttpRequest *r, void *userdata) {
        Server *s = userdata;

        if (http_exchange_peer_is(x, geteuid(), CONTROL_GROUP)) {
                if (!streq(r->method, "GET"))
                        log_info("The user %u asks for %s %.100s", (unsigned) r->uid, r->method, r->path);
                route(s, x, r);
        } else
                http_answer_error(x, 403, "Only root and members of the group " CONTROL_GROUP " may do that");
}

/* Where a predecessor listened, if there was one. */
static int control_listen(Server *s, const char *path, int *fd) {
        if (*fd >= 0 &&
            http_service_new_socket(&s->control, s->main, *fd, path, on_control_request, s) >= 0) {
                *fd = -1;
                return 0;
        }
        return http_service_new_local(&s->control, s->main, path, CONTROL_GROUP, on_control_request, s);
}

void control_open(Server *s) {
        _cleanup_free_ char *path = files_control_socket("pgrokd");
        int r;

        if (!path) {
                log_debug("There is no folder for the control socket, as XDG_RUNTIME_DIR is not set");
                return;
        }
        r = control_listen(s, path, &s->inherited->fds[INHERITED_CONTROL]);
        if (r == -EADDRINUSE)
                log_warning("Another pgrokd answers on %s, ignoring: pgrokctl doesn't reach this one", path);
        else if (r < 0)
                log_warning("Can't listen on %s: %s, ignoring: pgrokctl doesn't reach this pgrokd", path,
                            strerror(-r));
}
