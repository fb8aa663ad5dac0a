/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/tunnel-config.h"

#include <errno.h>

#include "base/parse.h"
#include "base/str.h"
#include "proto/hostname.h"
#include "proto/http-user.h"

#define HOST_REWRITE "rewrite"

static const char *const protos[TUNNEL_PROTOS_MAX] = { "http", "https", "tcp", "tls" };

/* Does the list LIST ("a+b") name PROTO? Returns how often. */
static unsigned count_proto(const char *list, const char *proto) {
        unsigned n = 0;

        for (const char *p = list;; p++) {
                size_t k = strcspn(p, "+");

                n += k == strlen(proto) && memcmp(p, proto, k) == 0;
                p += k;
                if (*p == '\0')
                        return n;
        }
}

static unsigned count_items(const char *list) {
        unsigned n = 1;

        for (; *list; list++)
                n += *list == '+';
        return n;
}

static const char *check_proto(const char *value) {
        unsigned n = 0;

        for (size_t i = 0; i < ELEMENTSOF(protos); i++) {
                unsigned k = count_proto(value, protos[i]);

                if (k > 1)
                        return "names a protocol twice";
                n += k;
        }
        if (count_proto(value, "https") + count_proto(value, "tls") > 1)
                return "can't have both https and tls: they share a port";
        return n == count_items(value) ? NULL : "must be http, https, tcp or tls, or several joined by '+'";
}

static const char *check_subdomain(const char *value) {
        return hostname_is_valid(value) ? NULL : "must be a name of letters, digits and inner hyphens";
}

static const char *check_hostname(const char *value) {
        return hostname_is_valid(value) || hostname_is_wildcard(value)
                       ? NULL
                       : "must be a host name, such as www.example.com, or *.example.com for all below it";
}

static const char *check_network(const char *value) {
        Cidr network;

        return cidr_parse(value, strlen(value), &network) < 0
                       ? "must be a network or an address, such as 192.0.2.0/24 or 2001:db8::1"
                       : NULL;
}

static const char *check_host_header(const char *value) {
        if (streq(value, HOST_REWRITE) || !tunnel_options_check_host(value))
                return NULL;
        return "must be \"" HOST_REWRITE "\", or a host, such as localhost:3000";
}

static const char *check_edit(const char *value) {
        _cleanup_(header_edits_done) HeaderEdits edits = {};

        return header_edits_parse(&edits, value) == -EINVAL
                       ? "must be \"Name: value\" or \"-Name\", in UTF-8, and not of a field that says where messages end, "
                         "who the visitor is, or Host"
                       : NULL;
}

static const char *check_proxy_protocol(const char *value) {
        return streq(value, "v1") || streq(value, "v2") ? NULL : "must be v1 or v2";
}

static const char *check_health(const char *value) {
        for (const char *p = value; *p; p++)
                if (*p <= ' ' || *p > '~')
                        return "must be printable ASCII without spaces";
        return streq(value, "tcp") || *value == '/' ? NULL : "must be \"tcp\", or a path such as /healthz";
}

const ConfigKey tunnel_config_keys[] = {
        CONFIG_KEY("proto", CONFIG_STRING, TunnelConfig, proto, .check = check_proto,
                   .fallback = "http+https"),
        CONFIG_KEY("local", CONFIG_STRING, TunnelConfig, local, .check = target_check, .required = true),
        CONFIG_KEY("http_auth", CONFIG_STRING_LIST, TunnelConfig, http_auth, .check = http_user_check,
                   .takes_one = true),
        CONFIG_KEY("subdomain", CONFIG_STRING, TunnelConfig, subdomain, .check = check_subdomain),
        CONFIG_KEY("hostname", CONFIG_STRING, TunnelConfig, hostname, .check = check_hostname),
        CONFIG_KEY("remote_port", CONFIG_UINT, TunnelConfig, remote_port, .min = 1, .max = UINT16_MAX),
        CONFIG_KEY("allow", CONFIG_STRING_LIST, TunnelConfig, allow, .check = check_network,
                   .takes_one = true),
        CONFIG_KEY("deny", CONFIG_STRING_LIST, TunnelConfig, deny, .check = check_network, .takes_one = true),
        CONFIG_KEY("host_header", CONFIG_STRING, TunnelConfig, host_header, .check = check_host_header),
        CONFIG_KEY("request_headers", CONFIG_STRING_LIST, TunnelConfig, request_headers, .check = check_edit),
        CONFIG_KEY("response_headers", CONFIG_STRING_LIST, TunnelConfig, response_headers,
                   .check = check_edit),
        CONFIG_KEY("forwarded", CONFIG_BOOL, TunnelConfig, forwarded),
        CONFIG_KEY("hsts", CONFIG_TIME, TunnelConfig, hsts_usec, .min = USEC_PER_SEC,
                   .max = TUNNEL_OPTIONS_HSTS_MAX * USEC_PER_SEC),
        CONFIG_KEY("redirect_https", CONFIG_BOOL, TunnelConfig, redirect_https),
        CONFIG_KEY("proxy_protocol", CONFIG_STRING, TunnelConfig, proxy_protocol,
                   .check = check_proxy_protocol),
        CONFIG_KEY("health", CONFIG_STRING, TunnelConfig, health, .check = check_health),
        CONFIG_KEY("health_interval", CONFIG_TIME, TunnelConfig, health_interval_usec, .min = USEC_PER_SEC,
                   .max = 3600 * USEC_PER_SEC, .fallback = "10s"),
        CONFIG_KEY("health_timeout", CONFIG_TIME, TunnelConfig, health_timeout_usec,
                   .min = 100 * USEC_PER_MSEC, .max = 60 * USEC_PER_SEC, .fallback = "5s"),
        CONFIG_KEY("local_ca_file", CONFIG_STRING, TunnelConfig, local_ca_file),
        CONFIG_KEY("insecure_local", CONFIG_BOOL, TunnelConfig, insecure_local),
        {},
};

TunnelConfig *tunnel_config_new(const char *name, const char *origin) {
        TunnelConfig *t = new0(TunnelConfig, 1);

        if (!t)
                return NULL;
        t->name = strdup(name);
        t->origin = strdup(origin);
        return t->name && t->origin ? t : tunnel_config_free(t);
}

TunnelConfig *tunnel_config_free(TunnelConfig *t) {
        if (!t)
                return NULL;
        config_keys_done(tunnel_config_keys, t);
        tls_client_unref(t->local_tls);
        free(t->health_why);
        free(t->name);
        free(t->origin);
        tunnel_options_unref(t->options);
        free(t->options_text);
        free(t);
        return NULL;
}

bool tunnel_config_has_proto(const TunnelConfig *t, const char *proto) {
        return count_proto(t->proto, proto) > 0;
}

unsigned tunnel_config_count_protos(const TunnelConfig *t) {
        return count_items(t->proto);
}

const char *tunnel_config_plain_auth(const TunnelConfig *t) {
        return t->http_auth.n == 1 && !http_user_is_hashed(t->http_auth.items[0]) ? t->http_auth.items[0]
                                                                                  : NULL;
}

bool tunnel_config_is_http(const TunnelConfig *t) {
        return tunnel_config_has_proto(t, "http") || tunnel_config_has_proto(t, "https");
}

bool tunnel_config_has_name(const TunnelConfig *t) {
        return tunnel_config_is_http(t) || tunnel_config_has_proto(t, "tls");
}

/* The name is the default subdomain; for tcp a server may know the tunnel's port by it. */
static int default_subdomain(TunnelConfig *t, ConfigFile *c) {
        if (t->subdomain || t->hostname || !t->is_named)
                return 0;
        if (host_label_is_valid(t->name))
                return str_replace(&t->subdomain, t->name);
        if (tunnel_config_has_name(t))
                config_file_fault(c, t->origin,
                                  "tunnel %s: the name can't be a subdomain; set subdomain or hostname",
                                  t->name);
        return 0;
}

/* ---- what the server is to do ---- */

static int add_networks(CidrList *to, const ConfigList *networks) {
        int r = 0;

        for (size_t i = 0; i < networks->n && r >= 0; i++) {
                r = cidr_list_add(to, networks->items[i]);
                if (to->n > TUNNEL_OPTIONS_NETWORKS_MAX)
                        r = -ENOBUFS;
        }
        return r;
}

static int add_edits(HeaderEdits *to, const ConfigList *edits) {
        int r = 0;

        for (size_t i = 0; i < edits->n && r >= 0; i++)
                r = header_edits_parse(to, edits->items[i]);
        return r;
}

static int add_users(ConfigList *to, const ConfigList *users) {
        int r = users->n > TUNNEL_OPTIONS_USERS_MAX ? -ENOBUFS : 0;

        for (size_t i = 0; i < users->n && r >= 0; i++)
                r = config_list_add(to, users->items[i]);
        return r;
}

static int set_host_header(const TunnelConfig *t, TunnelOptions *o) {
        char local[TARGET_TEXT_MAX];

        if (!t->host_header)
                return 0;
        return str_replace(&o->host_header, streq(t->host_header, HOST_REWRITE)
                                                    ? target_format_host(&t->target, local)
                                                    : t->host_header);
}

static int fill_options(const TunnelConfig *t, TunnelOptions *o) {
        int r = add_networks(&o->allow, &t->allow);

        o->forwarded = t->forwarded;
        o->hsts = t->hsts_usec / USEC_PER_SEC;
        o->redirect_https = t->redirect_https;
        o->server_addr = t->proxy_protocol;
        if (r >= 0)
                r = add_networks(&o->deny, &t->deny);
        if (r >= 0)
                r = add_edits(&o->request_headers, &t->request_headers);
        if (r >= 0)
                r = add_edits(&o->response_headers, &t->response_headers);
        if (r >= 0 && !tunnel_config_plain_auth(t))
                r = add_users(&o->http_auth, &t->http_auth);
        return r < 0 ? r : set_host_header(t, o);
}

static int make_options(TunnelConfig *t, ConfigFile *c) {
        int r;

        t->options = tunnel_options_new();
        r = t->options ? fill_options(t, t->options) : -ENOMEM;
        if (r >= 0)
                r = tunnel_options_encode(t->options, &t->options_text);
        if (r == -ENOMEM)
                return r;
        if (r == -EEXIST)
                config_file_fault(c, t->origin, "tunnel %s: a header stands there twice", t->name);
        else if (r == -ENOBUFS)
                config_file_fault(c, t->origin, "tunnel %s: there are too many networks, headers or users",
                                  t->name);
        return 0; /* what else is wrong was told when it was set */
}

/* What the kind of its local service allows. */
static void check_local(const TunnelConfig *t, ConfigFile *c) {
        bool is_http = tunnel_config_is_http(t);

        if (t->proxy_protocol && t->target.kind == TARGET_FOLDER)
                config_file_fault(c, t->origin, "tunnel %s: proxy_protocol is for services, not for files",
                                  t->name);
        if (target_is_http(&t->target) &&
            (tunnel_config_has_proto(t, "tcp") || tunnel_config_has_proto(t, "tls")))
                config_file_fault(c, t->origin,
                                  "tunnel %s: https:// and file:// are for proto http and https", t->name);
        if (t->health && t->target.kind == TARGET_FOLDER)
                config_file_fault(c, t->origin, "tunnel %s: files need no health check", t->name);
        if (t->health && *t->health == '/' && !is_http)
                config_file_fault(c, t->origin, "tunnel %s: health with a path needs proto http or https",
                                  t->name);
        if ((t->local_ca_file || t->insecure_local) && t->target.kind != TARGET_TLS)
                config_file_fault(
                        c, t->origin,
                        "tunnel %s: local_ca_file and insecure_local are for a local https://HOST:PORT",
                        t->name);
}

/* What only visitors of http and https can be asked and told. */
static void check_http(const TunnelConfig *t, ConfigFile *c) {
        const unsigned for_any = TUNNEL_OPTION_ALLOW | TUNNEL_OPTION_DENY | TUNNEL_OPTION_SERVER_ADDR;
        unsigned for_http = tunnel_options_missing(t->options, NULL) & ~for_any;
        _cleanup_free_ char *list = tunnel_options_list(for_http);
        bool is_http = tunnel_config_is_http(t);

        if (tunnel_config_plain_auth(t) && !is_http)
                config_file_fault(c, t->origin, "tunnel %s: http_auth needs proto http or https", t->name);
        if (for_http && !is_http)
                config_file_fault(c, t->origin, "tunnel %s: only for proto http and https: %s", t->name,
                                  list ? list : "");
        if (is_http && t->http_auth.n > 0 && tunnel_config_has_proto(t, "tls"))
                config_file_fault(c, t->origin,
                                  "tunnel %s: http_auth would keep nobody out: who comes by tls isn't asked",
                                  t->name);
        if (is_http && (t->hsts_usec > 0 || t->redirect_https) && !tunnel_config_has_proto(t, "https"))
                config_file_fault(c, t->origin, "tunnel %s: hsts and redirect_https need proto https",
                                  t->name);
}

static void check_together(const TunnelConfig *t, ConfigFile *c) {
        if ((t->subdomain || t->hostname) && !tunnel_config_has_name(t))
                config_file_fault(c, t->origin,
                                  "tunnel %s: subdomain and hostname need proto http, https or tls", t->name);
        if (t->remote_port > 0 && !tunnel_config_has_proto(t, "tcp"))
                config_file_fault(c, t->origin, "tunnel %s: remote_port needs proto tcp", t->name);
}

int tunnel_config_finish(TunnelConfig *t, ConfigFile *c) {
        int r;

        if (t->local)
                (void) target_parse(t->local, &t->target); /* checked when it was set */
        r = make_options(t, c);
        if (r < 0)
                return r;
        check_http(t, c);
        check_together(t, c);
        check_local(t, c);
        return default_subdomain(t, c);
}

bool tunnel_config_equals(const TunnelConfig *a, const TunnelConfig *b) {
        return config_keys_equal(tunnel_config_keys, a, b);
}
