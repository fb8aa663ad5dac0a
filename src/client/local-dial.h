/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connects to a tunnel's local service, wherever that is: the host that its target names, or 127.0.0.1 and,
 * if that fails, ::1; with TLS if it is https; a unix socket; or our own service for files. */

#include "client/tunnel-config.h"
#include "net/stream.h"

#define LOCAL_DIAL_TLS_TIMEOUT_USEC (10 * UINT64_C(1000000))

typedef struct LocalDial LocalDial;

/* Once. S, ready to be written to, is the callee's; on failure it is NULL and WHY a sentence. The dial must
 * be freed, here or later. */
typedef void (*LocalDialFn)(LocalDial *d, Stream *s, const char *why, void *userdata);

/* FD has just been connected: what is written now comes in front of all else, of TLS too. Returns 0 or a
 * negative errno. */
typedef int (*LocalConnectedFn)(int fd, void *userdata);

/* CONFIG is borrowed; outlives the dial. CONNECTED isn't called for files. Never calls back before it
 * returns. Returns 0 or a negative errno. loop: W */
int local_dial_new(LocalDial **ret, Worker *w, const TunnelConfig *config, LocalConnectedFn connected,
                   LocalDialFn done, void *userdata);

/* Ends the attempt without a call back. Takes NULL; returns NULL. */
LocalDial *local_dial_free(LocalDial *d);
