/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/config.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>

#include "base/files.h"
#include "base/parse.h"
#include "base/str.h"
#include "net/certificate-folder.h"
#include "net/tls.h"
#include "net/webhook.h"
#include "proto/http-head.h"
#include "server/access-log.h"
#include "server/auth-method.h"
#include "server/error-pages.h"
#include "server/tunnel-wish.h"

#define DEV_DOMAIN "localhost"
#define DOMAIN_LENGTH_MAX (HOSTNAME_LENGTH_MAX - HOST_LABEL_LENGTH_MAX - 1) /* any label fits before it */

static const char *check_address(const char *value) {
        Address a;

        return address_parse(value, &a) < 0
                       ? "must be an address and a port, like \"[::]:443\" or \"127.0.0.1:8080\""
                       : NULL;
}

static const char *check_optional_address(const char *value) {
        return *value ? check_address(value) : NULL;
}

static const char *check_port_range(const char *value) {
        uint16_t low, high;

        return parse_port_range(value, &low, &high) < 0 ? "must be a range of ports, like \"20000-29999\""
                                                        : NULL;
}

static const char *check_domain(const char *value) {
        if (!hostname_is_valid(value))
                return "must be a host name, like \"tunnel.example.com\"";
        if (strlen(value) > DOMAIN_LENGTH_MAX)
                return "is too long: names of tunnels go before it";
        return NULL;
}

static const char *const auth_methods[AUTH_METHOD_MAX] = {
        [AUTH_NONE] = "none",
        [AUTH_TOKEN_FILE] = "token-file",
        [AUTH_WEBHOOK] = "webhook",
};

/* Returns AUTH_UNSET for none of them. */
static AuthMethod auth_method_from_string(const char *s) {
        AuthMethod m = AUTH_METHOD_MAX;

        while (--m > AUTH_UNSET && !streq(s, auth_methods[m]))
                ;
        return m;
}

static const char *check_auth_method(const char *value) {
        return auth_method_from_string(value) == AUTH_UNSET
                       ? "must be \"token-file\", \"webhook\" or \"none\""
                       : NULL;
}

static const char *check_label(const char *value) {
        return host_label_is_valid(value) ? NULL : "must be one label of a host name, like \"www\"";
}

static const char *check_random(const char *value) {
        return streq(value, "words") || streq(value, "none") ? NULL : "must be \"words\" or \"none\"";
}

static const char *check_network(const char *value) {
        Cidr network;

        return cidr_parse(value, strlen(value), &network) < 0
                       ? "must be a network or an address, like \"192.0.2.0/24\" or \"2001:db8::1\""
                       : NULL;
}

static const char *check_access_log(const char *value) {
        return streq(value, ACCESS_LOG_OFF) || streq(value, ACCESS_LOG_JOURNAL) || *value == '/'
                       ? NULL
                       : "must be \"off\", \"journal\" or the path of a file, which begins with /";
}

static const char *check_folder(const char *value) {
        return *value == '/' || *value == '\0' ? NULL : "must be the path of a folder, which begins with /";
}

static const char *check_proxied(const char *value) {
        return streq(value, "http") || streq(value, "https") ? NULL : "must be \"http\" or \"https\"";
}

#define KEY(p, t, member, ...) \
        { .path = "server." p, .type = t, .offset = offsetof(ServerConfig, member), ##__VA_ARGS__ }

static const ConfigKey server_keys[] = {
        KEY("domain", CONFIG_STRING, domain, .check = check_domain),
        KEY("http_listen", CONFIG_STRING_LIST, http_listen, .check = check_address, .fallback = "[::]:80"),
        KEY("https_listen", CONFIG_STRING_LIST, https_listen, .check = check_address, .fallback = "[::]:443"),
        KEY("tunnel_listen", CONFIG_STRING_LIST, tunnel_listen, .check = check_address,
            .fallback = "[::]:4443"),
        KEY("tls.certificate", CONFIG_STRING, certificate),
        KEY("tls.key", CONFIG_STRING, key),
        KEY("tls.directory", CONFIG_STRING, tls_directory),
        KEY("tls.client_ca", CONFIG_STRING, client_ca),
        KEY("tls.visitor_ca", CONFIG_STRING, visitor_ca),
        KEY("tls.acme_webroot", CONFIG_STRING, acme_webroot, .check = check_folder),
        KEY("tcp_ports", CONFIG_STRING, tcp_ports, .check = check_port_range, .fallback = "20000-29999"),
        KEY("auth.method", CONFIG_STRING, auth_method, .check = check_auth_method),
        KEY("auth.token_file", CONFIG_STRING, token_file, .fallback = "/etc/pgrok/tokens"),
        KEY("auth.webhook.url", CONFIG_STRING, webhook_url, .check = webhook_check_url),
        KEY("auth.webhook.timeout", CONFIG_TIME, webhook_timeout_usec, .min = 100 * USEC_PER_MSEC,
            .max = 60 * USEC_PER_SEC, .fallback = "5s"),
        KEY("auth.webhook.secret_file", CONFIG_STRING, webhook_secret_file),
        KEY("auth.webhook.ca_file", CONFIG_STRING, webhook_ca_file),
        KEY("auth.webhook.cache", CONFIG_TIME, webhook_cache_usec, .max = 86400 * USEC_PER_SEC,
            .fallback = "60s"),
        KEY("names.random", CONFIG_STRING, random_names, .check = check_random, .fallback = "words"),
        KEY("names.pool", CONFIG_STRING_LIST, pool_names, .check = check_label),
        KEY("names.reserved", CONFIG_STRING_LIST, reserved_names, .check = check_label),
        KEY("names.banned", CONFIG_STRING_LIST, banned_names, .check = check_label),
        KEY("names.grace", CONFIG_TIME, grace_usec, .max = 30 * 86400 * USEC_PER_SEC, .fallback = "10min"),
        KEY("names.park", CONFIG_TIME, park_usec, .max = 300 * USEC_PER_SEC, .fallback = "10s"),
        KEY("limits.clients", CONFIG_UINT, max_clients, .min = 1, .max = 1000000, .fallback = "10000"),
        KEY("limits.tunnels_per_client", CONFIG_UINT, max_tunnels_per_client, .min = 1, .max = 10000,
            .fallback = "32"),
        KEY("limits.connections_per_tunnel", CONFIG_UINT, max_per_tunnel, .min = 1, .max = 1000000,
            .fallback = "20000"),
        KEY("limits.connections_per_visitor", CONFIG_UINT, max_per_visitor, .min = 1, .max = 1000000,
            .fallback = "256"),
        KEY("limits.pending", CONFIG_UINT, max_pending, .min = 1, .max = 1000000, .fallback = "1024"),
        KEY("limits.pending_per_address", CONFIG_UINT, max_pending_per_address, .min = 1, .max = 1000000,
            .fallback = "32"),
        KEY("limits.rate_per_tunnel", CONFIG_SIZE, rate_per_tunnel, .fallback = "0"),
        KEY("limits.head_bytes", CONFIG_UINT, head_bytes, .min = 256, .max = HTTP_HEAD_BYTES_MAX,
            .fallback = "65536"),
        KEY("limits.head_timeout", CONFIG_TIME, head_usec, .min = USEC_PER_MSEC, .max = 3600 * USEC_PER_SEC,
            .fallback = "10s"),
        KEY("limits.keepalive", CONFIG_TIME, keepalive_usec, .min = USEC_PER_MSEC, .max = 3600 * USEC_PER_SEC,
            .fallback = "75s"),
        KEY("limits.stop", CONFIG_TIME, stop_usec, .max = 3600 * USEC_PER_SEC, .fallback = "1s"),
        KEY("limits.drain", CONFIG_TIME, drain_usec, .max = 86400 * USEC_PER_SEC, .fallback = "10min"),
        KEY("metrics_listen", CONFIG_STRING, metrics_listen, .check = check_optional_address),
        KEY("trusted_proxies", CONFIG_STRING_LIST, trusted_proxies, .check = check_network),
        KEY("proxy_protocol", CONFIG_STRING_LIST, proxy_protocol, .check = check_proxied),
        KEY("access_log", CONFIG_STRING, access_log, .check = check_access_log, .fallback = ACCESS_LOG_OFF),
        KEY("error_pages", CONFIG_STRING, error_pages, .check = check_folder),
        KEY("one_port", CONFIG_BOOL, one_port, .fallback = "true"),
        KEY("workers", CONFIG_UINT, n_workers, .max = 256, .fallback = "0"),
        {},
};

static const char *const foreign_sections[] = { "client", "tunnels", NULL };

static const ConfigSchema server_schema = { .keys = server_keys, .foreign = foreign_sections };

static const ServerSetting dev_settings[] = {
        { "server.domain", DEV_DOMAIN, "--dev" },
        { "server.http_listen", "127.0.0.1:8080", "--dev" },
        { "server.https_listen", "127.0.0.1:8443", "--dev" },
        { "server.tunnel_listen", "127.0.0.1:4443", "--dev" },
        { "server.tcp_ports", "20000-20099", "--dev" },
        { "server.auth.method", "none", "--dev" },
};

/* The fully qualified name of this machine, in lower case, or NULL. */
static char *own_fqdn(void) {
        struct addrinfo hints = { .ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM }, *list = NULL;
        char name[HOST_NAME_MAX + 1] = "";
        char *fqdn = NULL;

        if (gethostname(name, sizeof(name) - 1) < 0)
                return NULL;
        if (!strchr(name, '.') && getaddrinfo(name, NULL, &hints, &list) == 0 && list->ai_canonname)
                fqdn = strdup(list->ai_canonname);
        else
                fqdn = strdup(name);
        if (list)
                freeaddrinfo(list);
        if (fqdn)
                str_lower(fqdn);
        return fqdn;
}

static void settle_domain(ServerConfig *c, ConfigFile *f) {
        const char *origin = config_file_origin(f, "server.domain");

        if (!c->domain)
                c->domain = own_fqdn();
        if (!c->domain) {
                config_file_fault(
                        f, NULL,
                        "server.domain is not set; set it to the name under which tunnels are reached");
                return;
        }
        str_lower(c->domain);
        if (!c->dev && !strchr(c->domain, '.'))
                config_file_fault(
                        f, origin,
                        "The domain \"%s\" has no dot; set server.domain to the name under which tunnels are "
                        "reached, like \"tunnel.example.com\"",
                        c->domain);
}

/* "" reads as not set. */
static void drop_empty(char **value) {
        if (*value && **value == '\0')
                free(TAKE_PTR(*value));
}

/* Nothing is open by default: without authentication only loopback is served. */
static void settle_auth(ServerConfig *c, ConfigFile *f) {
        const ConfigList *lists[] = { &c->http_listen, &c->https_listen, &c->tunnel_listen };
        const char *keys[] = { "server.http_listen", "server.https_listen", "server.tunnel_listen" };

        if (!c->auth_method) {
                config_file_fault(
                        f, NULL,
                        "server.auth.method is not set; set it to \"token-file\" so that only known clients "
                        "get a tunnel, or try pgrokd with --dev");
                return;
        }
        c->auth = auth_method_from_string(c->auth_method);
        if (c->auth == AUTH_WEBHOOK && !c->webhook_url)
                config_file_fault(
                        f, config_file_origin(f, "server.auth.method"),
                        "server.auth.webhook.url is not set; set it to the https:// address that is "
                        "to be asked about clients");
        if (c->auth != AUTH_NONE || c->client_ca) /* a certificate says who a client is too */
                return;
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                for (size_t k = 0; k < lists[i]->n; k++) {
                        Address a;

                        if (address_parse(lists[i]->items[k], &a) >= 0 && !address_is_loopback(&a))
                                config_file_fault(
                                        f, config_file_origin(f, keys[i]),
                                        "%s: without authentication only loopback may be listened on, and "
                                        "%s is open to others; set server.auth.method to \"token-file\"",
                                        keys[i], lists[i]->items[k]);
                }
}

/* What systemd was told to load stands in where nothing is configured. */
static void settle_tls_credentials(ServerConfig *c) {
        _cleanup_free_ char *certificate = files_credential("tls.crt"), *key = files_credential("tls.key");

        if (!c->certificate && !c->key && certificate && key) {
                c->certificate = TAKE_PTR(certificate);
                c->key = TAKE_PTR(key);
        }
}

static void settle_acme(ServerConfig *c, ConfigFile *f) {
        drop_empty(&c->acme_webroot);
        if (c->acme_webroot && access(c->acme_webroot, X_OK) < 0)
                config_file_fault(f, config_file_origin(f, "server.tls.acme_webroot"),
                                  "server.tls.acme_webroot: %s can't be entered: %s", c->acme_webroot,
                                  strerror(errno));
}

static void settle_tls(ServerConfig *c, ConfigFile *f) {
        settle_tls_credentials(c);
        if (c->client_ca && !c->certificate)
                config_file_fault(f, config_file_origin(f, "server.tls.client_ca"),
                                  "server.tls.client_ca needs server.tls.certificate and server.tls.key");
        if (!c->certificate != !c->key)
                config_file_fault(
                        f,
                        config_file_origin(f, c->certificate ? "server.tls.certificate" : "server.tls.key"),
                        "server.tls.%s is not set; a certificate and its key go together (PEM files)",
                        c->certificate ? "key" : "certificate");
}

static void settle_listeners(ServerConfig *c, ConfigFile *f) {
        c->sets_listen = config_file_origin(f, "server.http_listen") ||
                         config_file_origin(f, "server.https_listen") ||
                         config_file_origin(f, "server.tunnel_listen");
        if (c->tunnel_listen.n == 0)
                config_file_fault(f, config_file_origin(f, "server.tunnel_listen"),
                                  "server.tunnel_listen is empty: no client could connect");
        if (c->tcp_ports)
                (void) parse_port_range(c->tcp_ports, &c->tcp_low, &c->tcp_high);
}

static void settle_names(ServerConfig *c, ConfigFile *f) {
        const WishRules rules = { .reserved = &c->reserved_names, .banned = &c->banned_names };

        c->no_random_names = c->random_names && streq(c->random_names, "none");
        for (size_t i = 0; i < c->pool_names.n; i++) {
                const char *name = c->pool_names.items[i];

                if (label_is_reserved(&rules, name) || label_banned_word(&rules, name))
                        config_file_fault(
                                f, config_file_origin(f, "server.names.pool"),
                                "server.names.pool: nobody can have %s, because of names.reserved or names.banned",
                                name);
                str_lower(c->pool_names.items[i]);
        }
}

static int settle_proxies(ServerConfig *c) {
        for (size_t i = 0; i < c->proxy_protocol.n; i++) {
                c->proxies_http = c->proxies_http || streq(c->proxy_protocol.items[i], "http");
                c->proxies_https = c->proxies_https || streq(c->proxy_protocol.items[i], "https");
        }
        for (size_t i = 0; i < c->trusted_proxies.n; i++) {
                int r = cidr_list_add(&c->proxies, c->trusted_proxies.items[i]);

                if (r < 0 && r != -EINVAL) /* that is a fault already */
                        return r;
        }
        return 0;
}

static int apply_settings(ConfigFile *f, const ServerSetting *settings, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int r = config_file_set(f, settings[i].key, settings[i].value, settings[i].origin);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* True if a setting names KEY: then --dev's value for it steps back. */
static bool is_set(const ServerSetting *settings, size_t n, const char *key) {
        for (size_t i = 0; i < n; i++)
                if (streq(settings[i].key, key))
                        return true;
        return false;
}

static int apply_dev(ConfigFile *f, const ServerSetting *settings, size_t n) {
        for (size_t i = 0; i < ELEMENTSOF(dev_settings); i++)
                if (!config_file_origin(f, dev_settings[i].key) &&
                    !is_set(settings, n, dev_settings[i].key)) {
                        int r = apply_settings(f, &dev_settings[i], 1);

                        if (r < 0)
                                return r;
                }
        return 0;
}

static int copy_faults(const ConfigFile *f, ConfigList *ret) {
        const ConfigList *faults = config_file_faults(f);

        for (size_t i = 0; i < faults->n; i++) {
                int r = config_list_add(ret, faults->items[i]);

                if (r < 0)
                        return r;
        }
        return faults->n > 0 ? -EINVAL : 0;
}

int server_config_load(ServerConfig *c, const ConfigList *paths, const ServerSetting *settings,
                       size_t n_settings, bool dev, ConfigList *ret_faults) {
        _cleanup_(config_file_freep) ConfigFile *f = NULL;
        int r = config_file_new(&f, &server_schema, c);

        if (r < 0)
                return r;
        c->dev = dev;
        for (size_t i = 0; i < paths->n; i++) {
                r = config_file_read(f, paths->items[i]);
                if (r < 0)
                        return r;
        }
        if (dev) {
                r = apply_dev(f, settings, n_settings);
                if (r < 0)
                        return r;
        }
        r = apply_settings(f, settings, n_settings);
        if (r < 0)
                return r;
        settle_domain(c, f);
        drop_empty(&c->client_ca);
        drop_empty(&c->visitor_ca);
        drop_empty(&c->tls_directory);
        settle_auth(c, f);
        settle_tls(c, f);
        settle_acme(c, f);
        settle_listeners(c, f);
        settle_names(c, f);
        r = settle_proxies(c);
        if (r < 0)
                return r;
        return copy_faults(f, ret_faults);
}

static int check_certificates(const ServerConfig *c, ConfigList *ret_faults) {
        _cleanup_(certificate_folder_freep) CertificateFolder *folder = NULL;
        _cleanup_(tls_server_unrefp) TlsServer *tls = NULL;
        _cleanup_free_ char *why = NULL;
        int r = c->certificate ? tls_server_new_files(&tls, c->certificate, c->key, NULL, &why) : 0;

        if (r >= 0 && c->client_ca && tls)
                r = tls_server_require_client(tls, c->client_ca, &why);
        if (r >= 0 && c->visitor_ca && tls)
                r = tls_server_ask_client(tls, c->visitor_ca, &why);
        if (r >= 0 && c->tls_directory)
                r = certificate_folder_new(&folder, c->tls_directory, &why);
        return r < 0 ? config_list_add(ret_faults, why ? why : strerror(-r)) : 0;
}

int server_config_check_files(const ServerConfig *c, ConfigList *ret_faults) {
        _cleanup_(error_pages_unrefp) ErrorPages *pages = NULL;
        int r = check_certificates(c, ret_faults);

        if (r >= 0) {
                r = auth_method_check(c, ret_faults);
                r = r == -EINVAL ? 0 : r; /* told among the faults */
        }
        if (r >= 0) {
                r = error_pages_new(&pages, c->error_pages, ret_faults);
                r = r == -EINVAL ? 0 : r;
        }
        if (r < 0)
                return r;
        return ret_faults->n > 0 ? -EINVAL : 0;
}

void server_config_done(ServerConfig *c) {
        config_keys_done(server_keys, c);
        cidr_list_done(&c->proxies);
}
