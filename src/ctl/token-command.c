/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/token-command.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <json-c/json.h>
#include <limits.h>

#include "base/config-file.h"
#include "base/str.h"
#include "base/table.h"
#include "ctl/ask.h"
#include "ctl/commands.h"
#include "ctl/token-file.h"
#include "net/address.h"
#include "net/pin.h"
#include "proto/policy.h"

#define TOKEN_BYTES 32
#define HASH_BYTES 32 /* SHA-256 */
#define TUNNEL_PORT 4443

/* The part of pgrokd's configuration that matters here. */
typedef struct Setup {
        char *domain;
        char *certificate;
        char *token_file;
        ConfigList tunnel_listen;
} Setup;

static const ConfigKey setup_keys[] = {
        CONFIG_KEY("server.domain", CONFIG_STRING, Setup, domain),
        CONFIG_KEY("server.tls.certificate", CONFIG_STRING, Setup, certificate),
        CONFIG_KEY("server.auth.token_file", CONFIG_STRING, Setup, token_file,
                   .fallback = PGROK_CONFIG_DIR "/tokens"),
        CONFIG_KEY("server.tunnel_listen", CONFIG_STRING_LIST, Setup, tunnel_listen),
        {},
};

/* What is wrong with it, and the keys that we don't know, are pgrokd's to tell. */
static int setup_read(const CtlOptions *o, Setup *ret) {
        static const ConfigSchema schema = { .keys = setup_keys };
        _cleanup_(config_file_freep) ConfigFile *f = NULL;
        int r = config_file_new(&f, &schema, ret);

        if (r >= 0)
                r = config_file_read(f, o->config);
        if (r >= 0 && o->token_file)
                r = str_replace(&ret->token_file, o->token_file);
        return r;
}

static int explain(int error, const char *file, const char *name) {
        if (error == -EEXIST)
                fprintf(stderr,
                        "pgrokctl: %s has a token already; `pgrokctl token revoke %s' takes it away\n", name,
                        name);
        else if (error == -ENOENT && name)
                fprintf(stderr, "pgrokctl: %s has no token in %s\n", name, file);
        else if (error == -EACCES || error == -EPERM)
                fprintf(stderr, "pgrokctl: %s: permission denied: you need to be root\n", file);
        else
                fprintf(stderr, "pgrokctl: %s: %s\n", file ? file : "token", strerror(-error));
        return EXIT_FAILURE;
}

/* ---- add ---- */

/* Returns "NAME sha256:HEX KEY=VALUE…", owned by the caller, or NULL. */
static char *make_line(const char *name, const char *hash, char **settings) {
        char *line = str_format("%s  sha256:%s", name, hash);

        for (; line && *settings; settings++) {
                char *longer = str_format("%s  %s", line, *settings);

                free(line);
                line = longer;
        }
        return line;
}

/* What clients must know of the server: as it runs, or else as it is configured. */
typedef struct Contact {
        char host[HOST_NAME_MAX + 1];
        uint16_t port;
        char pin[PIN_TEXT_MAX]; /* "": its certificate is signed by others, or isn't known */
        bool is_running;
} Contact;

static void contact_configured(const Setup *s, Contact *ret) {
        Address a;

        *ret = (Contact) { .port = TUNNEL_PORT };
        if (s->tunnel_listen.n > 0 && address_parse(s->tunnel_listen.items[0], &a) >= 0)
                ret->port = address_port(&a);
        if (s->domain)
                snprintf(ret->host, sizeof(ret->host), "%s", s->domain);
        else if (gethostname(ret->host, sizeof(ret->host) - 1) < 0)
                strcpy(ret->host, "HOST");
}

static uint16_t running_port(struct json_object *listeners) {
        size_t n = json_object_is_type(listeners, json_type_array) ? json_object_array_length(listeners) : 0;
        Address a;

        for (size_t i = 0; i < n; i++) {
                struct json_object *l = json_object_array_get_idx(listeners, i);

                if (str_equal(json_object_get_string(json_object_object_get(l, "kind")), "tunnel") &&
                    address_parse(json_object_get_string(json_object_object_get(l, "address")), &a) >= 0)
                        return address_port(&a);
        }
        return 0;
}

/* Another server's word is none: the one that answers must be that of the configuration. */
static void contact_running(const CtlOptions *o, const Setup *s, Contact *c) {
        const char *domain, *pin;
        LocalReply reply;
        uint16_t port;

        if (ctl_try(o, "/v1/status", &reply) < 0)
                return;
        domain = json_object_get_string(json_object_object_get(reply.json, "domain"));
        if (domain && (!s->domain || streq(s->domain, domain))) {
                pin = json_object_get_string(json_object_object_get(reply.json, "pin"));
                port = running_port(json_object_object_get(reply.json, "listeners"));
                c->is_running = true;
                c->port = port > 0 ? port : c->port;
                snprintf(c->host, sizeof(c->host), "%s", domain);
                snprintf(c->pin, sizeof(c->pin), "%s", pin && !pin_check(pin) ? pin : "");
        }
        local_reply_done(&reply);
}

static void print_login(const CtlOptions *o, const Setup *s, const char *token) {
        Contact c;

        contact_configured(s, &c);
        contact_running(o, s, &c);
        printf("pgrok login --server %s:%u%s%s %s\n", c.host, c.port, *c.pin ? " --pin " : "", c.pin, token);
        if (!c.is_running && !s->certificate)
                fputs("pgrokctl: pgrokd isn't there to be asked for its pin: clients that don't trust its "
                      "certificate need --pin or --ca-file too\n",
                      stderr);
}

static int add(const CtlOptions *o, const Setup *s, const char *name, char **settings) {
        char token[2 * TOKEN_BYTES + 1], hash_hex[2 * HASH_BYTES + 1];
        uint8_t bytes[TOKEN_BYTES], hash[HASH_BYTES];
        _cleanup_free_ char *line = NULL;
        int r;

        random_bytes(bytes, sizeof(bytes));
        hex_encode(bytes, sizeof(bytes), token);
        if (gnutls_hash_fast(GNUTLS_DIG_SHA256, token, strlen(token), hash) < 0)
                return EXIT_FAILURE;
        hex_encode(hash, sizeof(hash), hash_hex);
        line = make_line(name, hash_hex, settings);
        r = line ? token_file_add(s->token_file, name, line) : -ENOMEM;
        if (r < 0)
                return explain(r, s->token_file, r == -EEXIST ? name : NULL);
        if (o->json)
                printf("{\"name\":\"%s\",\"token\":\"%s\"}\n", name, token);
        else
                print_login(o, s, token);
        return EXIT_SUCCESS;
}

/* pgrokd would take no version of the file that has a wrong one, and go on with the one before. Returns 0, or
 * a negative errno: it was told. */
static int check_setting(Policy *p, const char *setting) {
        _cleanup_free_ char *key = strdup(setting), *why = NULL;
        char *value = key ? strchr(key, '=') : NULL;
        int r;

        if (!key || !token_setting_is_valid(setting)) {
                fprintf(stderr, "pgrokctl: %s is not KEY=VALUE, such as max_tunnels=4\n", setting);
                return -EINVAL;
        }
        *value = '\0';
        r = policy_set(p, key, value + 1, &why);
        if (r < 0)
                fprintf(stderr, "pgrokctl: %s\n", why ? why : strerror(-r));
        return r;
}

/* Returns 0, or a negative errno: it was told. */
static int check_arguments(char **arguments) {
        _cleanup_(policy_done) Policy policy = {};
        int r = 0;

        if (!token_name_is_valid(arguments[0])) {
                fprintf(stderr, "pgrokctl: a user's name has 1 to %d letters, digits or ._@-\n",
                        TOKEN_NAME_MAX);
                return -EINVAL;
        }
        for (char **setting = arguments + 1; *setting && r >= 0; setting++)
                r = check_setting(&policy, *setting);
        return r;
}

int token_command_add(const CtlOptions *o, char **arguments) {
        Setup s = {};
        int r, status;

        if (check_arguments(arguments) < 0)
                return EXIT_USAGE;
        r = setup_read(o, &s);
        status = r < 0 ? explain(r, NULL, NULL) : add(o, &s, arguments[0], arguments + 1);
        config_keys_done(setup_keys, &s);
        return status;
}

/* ---- list and revoke ---- */

static int print_users(const ConfigList *users) {
        static const TableColumn columns[] = { { "NAME", false }, { "MAY", false }, {} };
        _cleanup_(table_freep) Table *t = NULL;
        int r = table_new(&t, columns);

        for (size_t i = 0; i < users->n && r >= 0; i++) {
                char *rest = strchr(users->items[i], ' ');

                *rest++ = '\0';
                r = table_add(t, users->items[i]);
                if (r >= 0)
                        r = table_add(t, *rest ? rest : NULL);
        }
        if (r >= 0)
                table_print(t, stdout);
        return r;
}

static void print_users_json(const ConfigList *users) {
        struct json_object *list = json_object_new_array(), *o = json_object_new_object();

        for (size_t i = 0; i < users->n; i++) {
                struct json_object *user = json_object_new_object();
                char *rest = strchr(users->items[i], ' ');

                *rest++ = '\0';
                json_object_object_add(user, "name", json_object_new_string(users->items[i]));
                json_object_object_add(user, "settings", json_object_new_string(rest));
                json_object_array_add(list, user);
        }
        json_object_object_add(o, "users", list);
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(o);
}

int token_command_list(const CtlOptions *o, char **arguments _unused_) {
        ConfigList users = {};
        Setup s = {};
        int r = setup_read(o, &s), status = EXIT_SUCCESS;

        if (r >= 0)
                r = token_file_list(s.token_file, &users);
        if (r >= 0 && o->json)
                print_users_json(&users);
        else if (r >= 0)
                r = print_users(&users);
        if (r < 0)
                status = explain(r, s.token_file, NULL);
        config_list_done(&users);
        config_keys_done(setup_keys, &s);
        return status;
}

int token_command_revoke(const CtlOptions *o, char **arguments) {
        int status = EXIT_SUCCESS;
        Setup s = {};
        int r = setup_read(o, &s);

        if (r >= 0)
                r = token_file_remove(s.token_file, arguments[0]);
        if (r < 0)
                status = explain(r, s.token_file, arguments[0]);
        config_keys_done(setup_keys, &s);
        return status;
}
