/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A session over the classic transport (ngrok 1.x; doc: pgrok-protocol): one control connection, and a proxy
 * connection for each visitor. */

#include "client/session.h"

#define CLASSIC_ANSWER_TIMEOUT_USEC (10 * UINT64_C(1000000)) /* TLS and AuthResp */
#define CLASSIC_PING_USEC (20 * UINT64_C(1000000))
#define CLASSIC_PONG_TIMEOUT_USEC (15 * UINT64_C(1000000))

typedef struct Classic Classic;

/* PARAMS is copied, OPS is borrowed for ever. Never calls back before it returns. Returns 0 or a negative
 * errno. loop: PARAMS->link.worker */
int classic_new(Classic **ret, const SessionParams *params, const SessionOps *ops, void *userdata);

/* Requests the tunnels that are to be asked for. Once online. */
void classic_ask(Classic *c);

/* Closes the control connection and what has no visitor yet. Takes NULL; returns NULL. */
Classic *classic_free(Classic *c);
