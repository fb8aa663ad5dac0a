/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The control API of a running client, for `pgrok status|add|remove|reload' and curl --unix-socket: HTTP and
 * JSON on a unix socket that root, our own user and the members of the group pgrok-admin may use. */

#include <json-c/json.h>

#include "client/changes.h"
#include "client/config.h"
#include "client/tunnels.h"
#include "net/http-service.h"

#define CONTROL_GROUP "pgrok-admin"

typedef struct ControlView { /* borrowed for the call */
        const ClientConfig *config;
        const Tunnels *tunnels;
        bool is_online;
        size_t n_connections;
} ControlView;

typedef struct ControlOps {
        void (*view)(ControlView *ret, void *userdata);

        /* Reads the configuration again, with CHANGE (owned by the callee; or NULL). Returns 0; -EINVAL with
         * FAULTS, and nothing has changed; -ENOBUFS or -ENOMEM. */
        int (*change)(Change *change, ConfigList *faults, void *userdata);
} ControlOps;

/* As the status has it. Owned by the caller. */
struct json_object *control_describe_tunnel(const Tunnel *t, bool is_online);

typedef struct Control Control;

/* OPS is borrowed for ever. Returns 0 or a negative errno: -EADDRINUSE when another client answers there,
 * -ENOENT when there is no place for the socket. loop: W */
int control_new(Control **ret, Worker *w, const ControlOps *ops, void *userdata);
Control *control_free(Control *c); /* NULL; takes NULL */
