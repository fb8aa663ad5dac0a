/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/tunnel-config.h"

#include <errno.h>

#include "base/str.h"
#include "proto/hostname.h"

static const char *const protos[TUNNEL_PROTOS_MAX] = { "http", "https", "tcp" };

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
        return n == count_items(value) ? NULL : "must be http, https or tcp, or several joined by '+'";
}

static const char *check_http_auth(const char *value) {
        const char *colon = strchr(value, ':');

        return colon && colon != value ? NULL : "must be USER:PASSWORD";
}

static const char *check_subdomain(const char *value) {
        return hostname_is_valid(value) ? NULL : "must be a name of letters, digits and inner hyphens";
}

static const char *check_hostname(const char *value) {
        return hostname_is_valid(value) ? NULL : "must be a host name, such as www.example.com";
}

const ConfigKey tunnel_config_keys[] = {
        CONFIG_KEY("proto", CONFIG_STRING, TunnelConfig, proto, .check = check_proto,
                   .fallback = "http+https"),
        CONFIG_KEY("local", CONFIG_STRING, TunnelConfig, local, .check = target_check, .required = true),
        CONFIG_KEY("http_auth", CONFIG_STRING, TunnelConfig, http_auth, .check = check_http_auth),
        CONFIG_KEY("subdomain", CONFIG_STRING, TunnelConfig, subdomain, .check = check_subdomain),
        CONFIG_KEY("hostname", CONFIG_STRING, TunnelConfig, hostname, .check = check_hostname),
        CONFIG_KEY("remote_port", CONFIG_UINT, TunnelConfig, remote_port, .min = 1, .max = UINT16_MAX),
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
        free(t->name);
        free(t->origin);
        free(t);
        return NULL;
}

bool tunnel_config_has_proto(const TunnelConfig *t, const char *proto) {
        return count_proto(t->proto, proto) > 0;
}

unsigned tunnel_config_count_protos(const TunnelConfig *t) {
        return count_items(t->proto);
}

bool tunnel_config_is_http(const TunnelConfig *t) {
        return tunnel_config_has_proto(t, "http") || tunnel_config_has_proto(t, "https");
}

/* The name is the default subdomain; for tcp a server may know the tunnel's port by it. */
static int default_subdomain(TunnelConfig *t, ConfigFile *c) {
        if (t->subdomain || t->hostname || !t->is_named)
                return 0;
        if (host_label_is_valid(t->name))
                return str_replace(&t->subdomain, t->name);
        if (tunnel_config_is_http(t))
                config_file_fault(c, t->origin,
                                  "tunnel %s: the name can't be a subdomain; set subdomain or hostname",
                                  t->name);
        return 0;
}

static void check_together(const TunnelConfig *t, ConfigFile *c) {
        bool is_http = tunnel_config_is_http(t);

        if (t->http_auth && !is_http)
                config_file_fault(c, t->origin, "tunnel %s: http_auth needs proto http or https", t->name);
        if ((t->subdomain || t->hostname) && !is_http)
                config_file_fault(c, t->origin, "tunnel %s: subdomain and hostname need proto http or https",
                                  t->name);
        if (t->remote_port > 0 && !tunnel_config_has_proto(t, "tcp"))
                config_file_fault(c, t->origin, "tunnel %s: remote_port needs proto tcp", t->name);
}

int tunnel_config_finish(TunnelConfig *t, ConfigFile *c) {
        check_together(t, c);
        if (t->local)
                (void) target_parse(t->local, &t->target); /* checked when it was set */
        return default_subdomain(t, c);
}

bool tunnel_config_equals(const TunnelConfig *a, const TunnelConfig *b) {
        return str_equal(a->proto, b->proto) && str_equal(a->local, b->local) &&
               str_equal(a->http_auth, b->http_auth) && str_equal(a->subdomain, b->subdomain) &&
               str_equal(a->hostname, b->hostname) && a->remote_port == b->remote_port;
}
