/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/remote.h"

#include <errno.h>

#include "base/files.h"
#include "base/str.h"
#include "base/table.h"
#include "client/control.h"
#include "net/local-request.h"

/* A client of our own user, or else the system's. */
static char *find_socket(const Options *o) {
        char *path;

        if (o->socket)
                return strdup(o->socket);
        path = files_control_socket("pgrok");
        if (path && access(path, F_OK) == 0)
                return path;
        free(path);
        return strdup("/run/pgrok/control.sock");
}

/* Owns BODY. Returns 0 with *RET, or -EIO: it was told. */
static int ask(const Options *o, const char *method, const char *path, struct json_object *body,
               LocalReply *ret) {
        _cleanup_free_ char *socket = find_socket(o), *why = NULL;
        int r = socket ? local_request(socket, method, path, body, ret) : -ENOMEM;

        json_object_put(body);
        if (r < 0) {
                why = local_request_explain(r, socket ? socket : "", "pgrok", CONTROL_GROUP);
                fprintf(stderr, "pgrok: %s\n", why ? why : strerror(-r));
                return -EIO;
        }
        if (ret->status == 200)
                return 0;
        fprintf(stderr, "pgrok: %s\n", json_object_get_string(json_object_object_get(ret->json, "error")));
        local_reply_done(ret);
        return -EIO;
}

static int order(const Options *o, const char *method, const char *path, struct json_object *body) {
        LocalReply reply;

        if (ask(o, method, path, body, &reply) < 0)
                return EXIT_FAILURE;
        if (o->json)
                fputs(reply.text, stdout);
        local_reply_done(&reply);
        return EXIT_SUCCESS;
}

/* ---- status ---- */

static const char *text_of(struct json_object *o, const char *key) {
        return json_object_get_string(json_object_object_get(o, key));
}

/* A row for each URL, or one without. */
static int add_tunnel(Table *t, struct json_object *tunnel) {
        struct json_object *urls = json_object_object_get(tunnel, "urls");
        size_t n = json_object_is_type(urls, json_type_array) ? json_object_array_length(urls) : 0;
        int r = 0;

        for (size_t i = 0; i < MAX(n, (size_t) 1) && r >= 0; i++) {
                const char *url = i < n ? json_object_get_string(json_object_array_get_idx(urls, i)) : NULL;
                const char *cells[] = { text_of(tunnel, "name"), text_of(tunnel, "state"), url,
                                        text_of(tunnel, "local") };

                for (size_t k = 0; k < ELEMENTSOF(cells) && r >= 0; k++)
                        r = table_add(t, cells[k]);
        }
        return r;
}

static void print_reason(struct json_object *tunnel) {
        const char *why = text_of(tunnel, "reason");

        if (why)
                printf("%s is %s: %s\n", text_of(tunnel, "name"), text_of(tunnel, "state"), why);
}

static int show_status(struct json_object *o) {
        static const TableColumn columns[] = {
                { "NAME", false }, { "STATE", false }, { "URL", false }, { "LOCAL", false }, {},
        };
        struct json_object *tunnels = json_object_object_get(o, "tunnels");
        size_t n = json_object_is_type(tunnels, json_type_array) ? json_object_array_length(tunnels) : 0;
        _cleanup_(table_freep) Table *t = NULL;
        int r = table_new(&t, columns);

        for (size_t i = 0; i < n && r >= 0; i++)
                r = add_tunnel(t, json_object_array_get_idx(tunnels, i));
        if (r < 0)
                return r;
        printf("%s at %s, %s connections\n", streq(text_of(o, "state"), "online") ? "Online" : "Offline",
               text_of(o, "server"), text_of(o, "connections"));
        table_print(t, stdout);
        for (size_t i = 0; i < n; i++)
                print_reason(json_object_array_get_idx(tunnels, i));
        return 0;
}

static int run_status(const Options *o) {
        LocalReply reply;
        int r = ask(o, "GET", "/v1/status", NULL, &reply);

        if (r < 0)
                return EXIT_FAILURE;
        if (o->json)
                fputs(reply.text, stdout);
        else
                r = show_status(reply.json);
        local_reply_done(&reply);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- changes ---- */

/* What is given several times is a list. */
static void add_setting(struct json_object *settings, const char *key, const char *value) {
        struct json_object *list = json_object_object_get(settings, key);

        if (!list) {
                list = json_object_new_array();
                json_object_object_add(settings, key, list);
        }
        json_object_array_add(list, json_object_new_string(value));
}

static struct json_object *body_of(const Options *o, const char *name) {
        struct json_object *body = json_object_new_object(), *settings = json_object_new_object();

        json_object_object_add(body, "name", json_object_new_string(name));
        for (size_t i = 0; i < o->n_tunnel; i++)
                add_setting(settings, o->tunnel[i].key, o->tunnel[i].value);
        json_object_object_add(body, "settings", settings);
        return body;
}

/* Also those behind one that fails. */
static int run_for_each(const Options *o, const char *method) {
        int status = EXIT_SUCCESS;

        for (size_t i = 0; i < o->n_arguments; i++)
                if (order(o, method, "/v1/tunnels", body_of(o, o->arguments[i])) != EXIT_SUCCESS)
                        status = EXIT_FAILURE;
        return status;
}

int remote_run(const Options *o) {
        switch (o->command) {
        case COMMAND_STATUS:
                return run_status(o);
        case COMMAND_ADD:
                return run_for_each(o, "POST");
        case COMMAND_REMOVE:
                return run_for_each(o, "DELETE");
        default:
                return order(o, "POST", "/v1/reload", NULL);
        }
}
