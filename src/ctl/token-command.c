/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/token-command.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <json-c/json.h>

#include "base/config-file.h"
#include "base/str.h"
#include "base/table.h"
#include "ctl/commands.h"
#include "ctl/token-file.h"
#include "net/address.h"
#include "proto/policy.h"

#define TOKEN_BYTES 32
#define HASH_BYTES 32 /* SHA-256 */
#define TUNNEL_PORT 4443

/* The part of pgrokd's configuration that matters here. */
typedef struct Setup {
        char *domain;
        char *token_file;
        ConfigList tunnel_listen;
} Setup;

static const ConfigKey setup_keys[] = {
        CONFIG_KEY("server.domain", CONFIG_STRING, Setup, domain),
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

static void print_login(const Setup *s, const char *token) {
        uint16_t port = TUNNEL_PORT;
        char host[256] = "";
        Address a;

        if (s->tunnel_listen.n > 0 && address_parse(s->tunnel_listen.items[0], &a) >= 0)
                port = address_port(&a);
        if (!s->domain && gethostname(host, sizeof(host) - 1) < 0)
                strcpy(host, "HOST");
        printf("pgrok --server %s:%u PORT --token %s\n", s->domain ? s->domain : host, port, token);
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
                print_login(s, token);
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
