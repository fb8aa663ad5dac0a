/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One tunnel as the configuration or the command line describes it. */

#include <stdbool.h>

#include "base/config-file.h"
#include "client/target.h"

#define TUNNEL_PROTOS_MAX 3 /* http, https, tcp */

typedef struct TunnelConfig {
        char *name;    /* owned */
        char *origin;  /* owned: where it is described */
        bool is_named; /* by the configuration, so that the name may stand for a subdomain */
        bool is_selected;
        /* Set by keys: */
        char *proto; /* "http+https" */
        char *local;
        char *http_auth; /* or NULL, as all below */
        char *subdomain;
        char *hostname;
        uint64_t remote_port; /* 0: any */
        /* Derived: */
        Target target;
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

/* Is PROTO ("http", "https", "tcp") one of the protocols? */
bool tunnel_config_has_proto(const TunnelConfig *t, const char *proto);
unsigned tunnel_config_count_protos(const TunnelConfig *t);
bool tunnel_config_is_http(const TunnelConfig *t); /* one of them http or https */
