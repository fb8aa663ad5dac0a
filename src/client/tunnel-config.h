/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One tunnel as the configuration or the command line describes it. */

#include <stdatomic.h>
#include <stdbool.h>

#include "base/config-file.h"
#include "client/file-service.h"
#include "client/target.h"
#include "net/tls.h"
#include "proto/tunnel-options.h"

#define TUNNEL_PROTOS_MAX 4 /* http, https, tcp, tls */

typedef struct TunnelConfig {
        char *name;    /* owned */
        char *origin;  /* owned: where it is described */
        bool is_named; /* by the configuration, so that the name may stand for a subdomain */
        bool is_selected;
        /* Set by keys: */
        char *proto; /* "http+https" */
        char *local;
        ConfigList http_auth;
        char *subdomain; /* or NULL, as all below */
        char *hostname;
        uint64_t remote_port; /* 0: any */
        ConfigList allow, deny;
        char *host_header;                            /* "rewrite", or a host */
        ConfigList request_headers, response_headers; /* each as of header_edits_parse() */
        bool forwarded;
        char *proxy_protocol; /* "v1" or "v2" */
        char *health;         /* "tcp" or "/path": how the service is looked after */
        uint64_t health_interval_usec, health_timeout_usec;
        char *local_ca_file; /* of an https service; NULL: the system's */
        bool insecure_local; /* such a service needs no certificate to trust */
        uint64_t hsts_usec;  /* 0: none */
        bool redirect_https;
        /* Derived: */
        Target target;
        TunnelOptions *options; /* a reference: what the server is to do */
        char *options_text;     /* owned: the same for ReqTunnel; NULL: nothing */
        /* For what is selected, by client_config_prepare(): */
        TlsClient *local_tls;   /* a reference: towards an https service */
        atomic_bool is_failing; /* its service, as health.h has found; any thread */
        char *health_why;       /* owned: then why; the main thread's */
        FileService *files;     /* borrowed: what a folder is served by */
} TunnelConfig;

extern const ConfigKey tunnel_config_keys[];

/* Returns NULL when memory is out. */
TunnelConfig *tunnel_config_new(const char *name, const char *origin);

/* Takes NULL; returns NULL. */
TunnelConfig *tunnel_config_free(TunnelConfig *t);

/* Checks what concerns several keys (faults go to C) and fills in what is derived. Returns 0, or -ENOMEM. */
int tunnel_config_finish(TunnelConfig *t, ConfigFile *c);

/* Do A and B say the same, whatever their names? */
bool tunnel_config_equals(const TunnelConfig *a, const TunnelConfig *b);

/* Is PROTO ("http", "https", "tcp", "tls") one of the protocols? */
bool tunnel_config_has_proto(const TunnelConfig *t, const char *proto);

/* The one user and password that any server understands; NULL: there is none, or it takes more. */
const char *tunnel_config_plain_auth(const TunnelConfig *t);

unsigned tunnel_config_count_protos(const TunnelConfig *t);
bool tunnel_config_is_http(const TunnelConfig *t);  /* one of them http or https */
bool tunnel_config_has_name(const TunnelConfig *t); /* one of them http, https or tls */
