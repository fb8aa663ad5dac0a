/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* GET /metrics, for Prometheus, and GET /healthz: 200, or 503 once the server drains. */

#include "server/server.h"

/* Listens at WHERE; NULL or "": nowhere, *RET becomes NULL. *FD: a socket that listens there already, or -1;
 * taken if it is used. Returns 0 or a negative errno. loop: main */
int metrics_service_new(HttpService **ret, Server *s, const char *where, int *fd);
