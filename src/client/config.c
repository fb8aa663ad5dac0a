/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/config.h"

#include <errno.h>
#include <pwd.h>
#include <utlist.h>

#include "base/config-file.h"
#include "base/files.h"
#include "base/str.h"
#include "client/proxy-env.h"
#include "client/token.h"
#include "net/address.h"
#include "proto/hostname.h"
#include "proto/message.h"

#define DEV_SERVER "localhost:4443"
#define INSPECT_DEFAULT "127.0.0.1:4040"

static int parse_server(const char *value, char ret_host[static HOSTNAME_LENGTH_MAX + 1],
                        uint16_t *ret_port) {
        int r = host_header_parse(value, strlen(value), ret_host, ret_port);

        if (r >= 0 && *ret_port == 0)
                *ret_port = SERVER_PORT_DEFAULT;
        return r;
}

const char *client_config_check_server(const char *value) {
        char host[HOSTNAME_LENGTH_MAX + 1];
        uint16_t port;

        return parse_server(value, host, &port) < 0 ? "must be HOST:PORT, such as tunnel.example.com:4443"
                                                    : NULL;
}

static const char *check_transport(const char *value) {
        return streq(value, "auto") || streq(value, "mux") || streq(value, "classic")
                       ? NULL
                       : "must be auto, mux or classic";
}

static const char *check_proxy(const char *value) {
        return *value == '\0' || str_skip_prefix(value, "http://")
                       ? NULL
                       : "must be http://[USER:PASSWORD@]HOST[:PORT]";
}

static const char *check_inspect(const char *value) {
        Address a;

        return *value == '\0' || streq(value, "off") || address_parse(value, &a) >= 0
                       ? NULL
                       : "must be off or ADDRESS:PORT, such as 127.0.0.1:4040";
}

static const ConfigKey keys[] = {
        CONFIG_KEY("client.server", CONFIG_STRING, ClientConfig, server, .check = client_config_check_server),
        CONFIG_KEY("client.token", CONFIG_STRING, ClientConfig, token, .check = token_check),
        CONFIG_KEY("client.token_file", CONFIG_STRING, ClientConfig, token_file),
        CONFIG_KEY("client.ca_file", CONFIG_STRING, ClientConfig, ca_file),
        CONFIG_KEY("client.pin", CONFIG_STRING, ClientConfig, pin, .check = pin_check),
        CONFIG_KEY("client.certificate", CONFIG_STRING, ClientConfig, certificate),
        CONFIG_KEY("client.key", CONFIG_STRING, ClientConfig, key),
        CONFIG_KEY("client.http_proxy", CONFIG_STRING, ClientConfig, http_proxy, .check = check_proxy),
        CONFIG_KEY("client.connections", CONFIG_UINT, ClientConfig, n_connections, .min = 1,
                   .max = MESSAGE_SESSIONS_MAX, .fallback = "1"),
        CONFIG_KEY("client.inspect", CONFIG_STRING, ClientConfig, inspect, .check = check_inspect),
        CONFIG_KEY("client.transport", CONFIG_STRING, ClientConfig, transport, .check = check_transport,
                   .fallback = "auto"),
        {},
};

static void *add_tunnel(void *target, const char *name, const char *origin) {
        ClientConfig *c = target;
        TunnelConfig **tunnels = realloc(c->tunnels, (c->n_tunnels + 1) * sizeof(TunnelConfig *));
        TunnelConfig *t;

        if (!tunnels)
                return NULL;
        c->tunnels = tunnels;
        t = tunnel_config_new(name, origin);
        if (!t)
                return NULL;
        t->is_named = true;
        c->tunnels[c->n_tunnels++] = t;
        return t;
}

static const ConfigGroups tunnel_groups = { .section = "tunnels",
                                            .keys = tunnel_config_keys,
                                            .add = add_tunnel };
static const char *const foreign_sections[] = { "server", NULL };
static const ConfigSchema schema = { .keys = keys, .groups = &tunnel_groups, .foreign = foreign_sections };

ClientConfig *client_config_free(ClientConfig *c) {
        if (!c)
                return NULL;
        client_config_free(c->previous);
        config_keys_done(keys, c);
        for (size_t i = 0; i < c->n_tunnels; i++)
                tunnel_config_free(c->tunnels[i]);
        free(c->tunnels);
        tls_client_unref(c->tls);
        free(c->server_host);
        free(c->tls_name);
        free(c->folder);
        free(c);
        return NULL;
}

/* The daemon's folder is /etc/pgrok; people have their own. Root's is the daemon's unless root says so. */
static char *default_folder(void) {
        const struct passwd *user = getpwuid(getuid());
        const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
        bool is_daemon = user && streq(user->pw_name, "pgrok");

        if (is_daemon || (getuid() == 0 && str_is_empty(xdg)) || (str_is_empty(xdg) && str_is_empty(home)))
                return strdup(PGROK_CONFIG_DIR);
        return str_is_empty(xdg) ? str_format("%s/.config/pgrok", home) : str_format("%s/pgrok", xdg);
}

char *client_config_folder(const Options *o) {
        return o->n_configs > 0 ? strdup(o->configs[0]) : default_folder();
}

/* --dev needs no file, so it reads none but those that it is told. */
static int read_files(ClientConfig *c, ConfigFile *file, const Options *o) {
        int r = 0;

        c->folder = client_config_folder(o);
        if (!c->folder)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < o->n_configs; i++)
                r = config_file_read(file, o->configs[i]);
        if (o->n_configs == 0 && !o->dev && access(c->folder, F_OK) == 0)
                r = config_file_read(file, c->folder);
        return r;
}

static int apply_client_options(ConfigFile *file, const Options *o) {
        const char *token = getenv("PGROK_TOKEN");
        int r = 0;

        if (!str_is_empty(token))
                r = config_file_set(file, "client.token", token, "PGROK_TOKEN");
        if (r >= 0 && o->dev)
                r = config_file_set(file, "client.server", DEV_SERVER, "--dev");
        for (size_t i = 0; r >= 0 && i < o->n_client; i++)
                r = config_file_set(file, o->client[i].key, o->client[i].value, o->client[i].origin);
        return r;
}

/* The tunnel NAME, as from the command line, to LOCAL. */
static int add_target(ConfigFile *file, const char *name, const char *local, TunnelConfig **ret) {
        void *group = NULL;
        int r = config_file_add_group(file, name, name, &group);

        if (r < 0)
                return r;
        *ret = group;
        (*ret)->is_named = false;
        (*ret)->is_selected = true;
        return config_file_set_in_group(file, group, "local", local, name);
}

/* Of `serve', from the folder that we are in. */
static int add_folder(ConfigFile *file, const char *name, TunnelConfig **ret) {
        _cleanup_free_ char *path = realpath(name, NULL),
                            *local = path ? str_format("file://%s", path) : NULL;
        int error = errno, r = add_target(file, name, local ? local : "file:///", ret);

        if (!path)
                config_file_fault(file, name, "%s", strerror(error));
        return local || !path ? r : -ENOMEM;
}

/* Each target of the command line is a tunnel with the options beside it. */
static int add_targets(ConfigFile *file, const Options *o) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < o->n_arguments; i++) {
                const char *name = o->arguments[i];
                TunnelConfig *t = NULL;

                r = o->command == COMMAND_SERVE ? add_folder(file, name, &t)
                                                : add_target(file, name, name, &t);
                for (size_t k = 0; r >= 0 && k < o->n_tunnel; k++)
                        r = config_file_set_in_group(file, t, o->tunnel[k].key, o->tunnel[k].value,
                                                     o->tunnel[k].origin);
        }
        return r;
}

static TunnelConfig *find_tunnel(ClientConfig *c, const char *name) {
        for (size_t i = 0; i < c->n_tunnels; i++)
                if (streq(c->tunnels[i]->name, name))
                        return c->tunnels[i];
        return NULL;
}

static void select_named(ClientConfig *c, ConfigFile *file, const Options *o) {
        for (size_t i = 0; i < o->n_arguments; i++) {
                TunnelConfig *t = find_tunnel(c, o->arguments[i]);

                if (t)
                        t->is_selected = true;
                else
                        config_file_fault(file, NULL,
                                          "there is no tunnel %s in %s; 'pgrok list' shows what there is",
                                          o->arguments[i], c->folder);
        }
}

static void select_all(ClientConfig *c, ConfigFile *file) {
        if (c->n_tunnels == 0)
                config_file_fault(file, NULL,
                                  "there is no tunnel in %s; tunnels are in the section tunnels: { … };",
                                  c->folder);
        for (size_t i = 0; i < c->n_tunnels; i++)
                c->tunnels[i]->is_selected = true;
}

static int select_tunnels(ClientConfig *c, ConfigFile *file, const Options *o) {
        switch (o->command) {
        case COMMAND_TUNNEL:
        case COMMAND_SERVE:
                return add_targets(file, o);
        case COMMAND_START:
                select_named(c, file, o);
                return 0;
        case COMMAND_START_ALL:
        case COMMAND_RUN:
                select_all(c, file);
                return 0;
        default: /* only looks */
                return 0;
        }
}

/* A configured tunnel, or a target like those of the command line. */
static int apply_addition(ClientConfig *c, ConfigFile *file, const Change *change) {
        TunnelConfig *t = find_tunnel(c, change->name);
        int r;

        if (t && change->n_settings == 0) {
                t->is_selected = true;
                return 0;
        }
        if (target_check(change->name)) {
                config_file_fault(file, change->name,
                                  "this is neither a target, such as 3000 or 127.0.0.1:8080, nor a tunnel of "
                                  "the configuration (--proto says which protocol)");
                return 0;
        }
        r = add_target(file, change->name, change->name, &t);
        for (size_t i = 0; r >= 0 && i < change->n_settings; i++)
                r = config_file_set_in_group(file, t, change->keys[i], change->values[i], change->keys[i]);
        if (r != -ENOENT)
                return r;
        config_file_fault(file, change->name, "there is an unknown setting");
        return 0;
}

static int apply_changes(ClientConfig *c, ConfigFile *file, const Changes *changes) {
        const Change *change;
        int r = 0;

        DL_FOREACH(changes->items, change) {
                TunnelConfig *t = find_tunnel(c, change->name);

                if (!change->is_removal)
                        r = apply_addition(c, file, change);
                else if (t)
                        t->is_selected = false;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The option or variable that was given wins over the file; two in files are one too many. */
static int settle_token(ClientConfig *c, ConfigFile *file) {
        const char *token = config_file_origin(file, "client.token");
        const char *token_file = config_file_origin(file, "client.token_file");
        _cleanup_free_ char *why = NULL;
        int r;

        if (token && token_file) {
                if (streq(token_file, "--token-file") && !streq(token, "--token"))
                        free(TAKE_PTR(c->token));
                else if (streq(token, "--token") || streq(token, "PGROK_TOKEN"))
                        free(TAKE_PTR(c->token_file));
                else
                        config_file_fault(file, token,
                                          "client.token is set, but so is client.token_file at %s",
                                          token_file);
        }
        if (!token && !token_file)
                c->token_file = files_credential("token");
        r = client_config_read_token(c, &why);
        if (r < 0 && why)
                config_file_fault(file, config_file_origin(file, "client.token_file"), "%s", why);
        return r == -ENOMEM ? r : 0;
}

static void settle_certificate(ClientConfig *c, ConfigFile *file) {
        if (str_is_empty(c->certificate))
                free(TAKE_PTR(c->certificate));
        if (str_is_empty(c->key))
                free(TAKE_PTR(c->key));
        if (!c->certificate != !c->key)
                config_file_fault(
                        file, config_file_origin(file, c->key ? "client.key" : "client.certificate"),
                        "client.%s is not set; a certificate and its key belong together (PEM files)",
                        c->key ? "certificate" : "key");
}

/* pgrokd --dev made it. */
static int settle_dev(ClientConfig *c, ConfigFile *file) {
        _cleanup_free_ char *state = files_user_state();

        if (!state)
                return -ENOMEM;
        if (str_is_empty(c->ca_file)) {
                free(c->ca_file);
                c->ca_file = str_format("%s/dev/ca.pem", state);
                if (!c->ca_file)
                        return -ENOMEM;
        }
        if (!c->pin && access(c->ca_file, R_OK) < 0)
                config_file_fault(
                        file, NULL,
                        "can't read %s: start 'pgrokd --dev' first, as the same user, it makes that file",
                        c->ca_file);
        return 0;
}

static int settle_server(ClientConfig *c, const Options *o) {
        char host[HOSTNAME_LENGTH_MAX + 1];

        if (!c->server || parse_server(c->server, host, &c->server_port) < 0)
                return 0;
        c->server_host = strdup(host);
        free(c->server);
        c->server = str_format(strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, c->server_port);
        c->tls_name = strdup(o->dev && host_is_loopback(host) ? "localhost" : host);
        return c->server_host && c->server && c->tls_name ? 0 : -ENOMEM;
}

/* An empty http_proxy says that the environment's shall not be used. */
static int settle_proxy(ClientConfig *c) {
        const char *url;

        if (c->http_proxy && *c->http_proxy == '\0')
                free(TAKE_PTR(c->http_proxy));
        else if (!c->http_proxy && c->server_host) {
                url = proxy_from_environment(c->server_host);
                if (url)
                        return str_replace(&c->http_proxy, url);
        }
        return 0;
}

/* The daemon has nobody who looks, unless it is said. */
static int settle_inspect(ClientConfig *c, const Options *o) {
        if (!c->inspect && o->command != COMMAND_RUN)
                return str_replace(&c->inspect, INSPECT_DEFAULT);
        if (str_is_empty(c->inspect) || streq(c->inspect, "off"))
                free(TAKE_PTR(c->inspect));
        return 0;
}

static bool needs_server(const Options *o) {
        return o->command == COMMAND_TUNNEL || o->command == COMMAND_SERVE || o->command == COMMAND_START ||
               o->command == COMMAND_START_ALL || o->command == COMMAND_RUN;
}

static int settle(ClientConfig *c, ConfigFile *file, const Options *o) {
        int r = settle_token(c, file);

        if (str_is_empty(c->ca_file))
                free(TAKE_PTR(c->ca_file));
        if (str_is_empty(c->pin))
                free(TAKE_PTR(c->pin));
        settle_certificate(c, file);
        if (r >= 0 && o->dev)
                r = settle_dev(c, file);
        if (r >= 0)
                r = settle_server(c, o);
        if (r >= 0)
                r = settle_proxy(c);
        if (r >= 0)
                r = settle_inspect(c, o);
        for (size_t i = 0; r >= 0 && i < c->n_tunnels; i++)
                r = tunnel_config_finish(c->tunnels[i], file);
        if (needs_server(o) && !c->server && config_file_faults(file)->n == 0)
                config_file_fault(file, NULL,
                                  "no server: give --server HOST:PORT, or log in once ('pgrok login'), "
                                  "or set client.server in %s",
                                  c->folder);
        return r;
}

int client_config_load(ClientConfig **ret, const Options *options, const Changes *changes,
                       ConfigList *ret_faults) {
        _cleanup_(client_config_freep) ClientConfig *c = new0(ClientConfig, 1);
        _cleanup_(config_file_freep) ConfigFile *file = NULL;
        const ConfigList *faults;
        int r;

        if (!c)
                return -ENOMEM;
        r = config_file_new(&file, &schema, c);
        if (r >= 0)
                r = read_files(c, file, options);
        if (r >= 0)
                r = apply_client_options(file, options);
        if (r >= 0)
                r = select_tunnels(c, file, options);
        if (r >= 0)
                r = apply_changes(c, file, changes);
        if (r >= 0)
                r = settle(c, file, options);
        if (r < 0)
                return r;
        faults = config_file_faults(file);
        for (size_t i = 0; i < faults->n; i++) {
                r = config_list_add(ret_faults, faults->items[i]);
                if (r < 0)
                        return r;
        }
        if (faults->n > 0)
                return -EINVAL;
        *ret = TAKE_PTR(c);
        return 0;
}

int client_config_read_token(ClientConfig *c, char **ret_why) {
        return str_is_empty(c->token_file) ? 0 : token_read(c->token_file, &c->token, ret_why);
}

/* One set of the system's certificates is enough for all that are content with it. */
static TlsClient *find_local_tls(const ClientConfig *c, const TunnelConfig *like) {
        for (size_t i = 0; i < c->n_tunnels; i++) {
                const TunnelConfig *t = c->tunnels[i];

                if (t->local_tls && t->insecure_local == like->insecure_local &&
                    str_equal(t->local_ca_file, like->local_ca_file))
                        return t->local_tls;
        }
        return NULL;
}

static int make_local_tls(const ClientConfig *c, TunnelConfig *t, char **ret_why) {
        TlsClient *found = find_local_tls(c, t);

        if (found) {
                t->local_tls = tls_client_ref(found);
                return 0;
        }
        return t->insecure_local ? tls_client_new_trusting(&t->local_tls)
                                 : tls_client_new(&t->local_tls, t->local_ca_file, ret_why);
}

static int make_server_tls(ClientConfig *c, char **ret_why) {
        Pin pin;
        int r = c->pin && pin_parse(c->pin, &pin) >= 0 ? tls_client_new_pinned(&c->tls, &pin)
                                                       : tls_client_new(&c->tls, c->ca_file, ret_why);

        return r < 0 || !c->certificate ? r
                                        : tls_client_set_certificate(c->tls, c->certificate, c->key, ret_why);
}

int client_config_prepare(ClientConfig *c, FileService *files, char **ret_why) {
        int r = make_server_tls(c, ret_why);

        for (size_t i = 0; i < c->n_tunnels && r >= 0; i++) {
                TunnelConfig *t = c->tunnels[i];

                t->files = files;
                if (t->is_selected && t->target.kind == TARGET_TLS)
                        r = make_local_tls(c, t, ret_why);
        }
        return r;
}

bool client_config_same_server(const ClientConfig *a, const ClientConfig *b) {
        return str_equal(a->server, b->server) && str_equal(a->token, b->token) &&
               str_equal(a->ca_file, b->ca_file) && str_equal(a->pin, b->pin) &&
               str_equal(a->certificate, b->certificate) && str_equal(a->key, b->key) &&
               str_equal(a->http_proxy, b->http_proxy) && str_equal(a->transport, b->transport);
}
