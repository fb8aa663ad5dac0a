/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What pgrokd is told: the section `server` of the configuration, and options, which win. */

#include "base/config-file.h"
#include "net/address.h"
#include "proto/cidr.h"

typedef enum AuthMethod { AUTH_UNSET, AUTH_NONE, AUTH_TOKEN_FILE, AUTH_WEBHOOK, AUTH_METHOD_MAX } AuthMethod;

typedef struct ServerConfig {
        bool dev;

        /* as written */
        char *domain;
        ConfigList http_listen, https_listen, tunnel_listen;
        char *tcp_ports;
        char *certificate, *key, *client_ca, *visitor_ca;
        char *tls_directory;  /* more certificates, or NULL */
        char *acme_webroot;   /* or NULL */
        char *metrics_listen; /* or NULL */
        char *access_log;
        char *error_pages; /* or NULL */
        char *auth_method, *token_file;
        char *webhook_url, *webhook_secret_file, *webhook_ca_file;
        uint64_t webhook_timeout_usec, webhook_cache_usec;
        char *random_names;
        ConfigList pool_names, reserved_names, banned_names, trusted_proxies, proxy_protocol;
        uint64_t grace_usec, park_usec;
        uint64_t max_clients, max_tunnels_per_client, max_pending, max_pending_per_address;
        uint64_t max_per_tunnel, max_per_visitor; /* connections of visitors */
        uint64_t rate_per_tunnel;                 /* bytes a second; 0: any */
        uint64_t head_bytes, head_usec, keepalive_usec, stop_usec, drain_usec;
        uint64_t n_workers;
        bool one_port; /* mux clients may also come to https_listen */

        /* derived */
        bool sets_listen; /* one of the three lists is not the default */
        bool no_random_names;
        AuthMethod auth;
        uint16_t tcp_low, tcp_high;
        CidrList proxies;                 /* that are trusted */
        bool proxies_http, proxies_https; /* each connection begins with a PROXY header */
} ServerConfig;

/* What the command line said, for server_config_load(). */
typedef struct ServerSetting {
        const char *key;    /* "server.domain" */
        const char *value;  /* borrowed */
        const char *origin; /* "--domain" */
} ServerSetting;

#define SERVER_SETTINGS_MAX 64

/* PATHS: files and folders to read. Fills a zeroed *C; faults are lines for a person, owned by the caller.
 * Returns 0, -EINVAL when there are faults, or -ENOMEM. *C is to be done in any case. */
int server_config_load(ServerConfig *c, const ConfigList *paths, const ServerSetting *settings,
                       size_t n_settings, bool dev, ConfigList *ret_faults);

/* Whether the files that C names can be used: certificate, key, tokens, the secret. Returns as above. */
int server_config_check_files(const ServerConfig *c, ConfigList *ret_faults);
void server_config_done(ServerConfig *c);
