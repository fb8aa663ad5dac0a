/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Notices what connections don't tell for long: that this machine's addresses, links or routes have changed
 * (rtnetlink(7)), and that it has slept, or this process was stopped: time has passed without us. */

#include "net/worker.h"

#define NETWORK_WATCH_QUIET_USEC (250 * UINT64_C(1000))       /* changes come in bunches */
#define NETWORK_WATCH_QUIET_MAX_USEC (16 * UINT64_C(1000000)) /* and bunch follows bunch */
#define NETWORK_WATCH_CALM_USEC (30 * UINT64_C(1000000))      /* without any: the next is told soon again */
#define NETWORK_WATCH_PULSE_USEC (2 * UINT64_C(1000000))
#define NETWORK_WATCH_LATE_USEC (3 * UINT64_C(1000000)) /* a pulse that is so late was slept through */

typedef struct NetworkWatch NetworkWatch;
typedef void (*NetworkWatchFn)(void *userdata);

/* CHANGED may free nothing of it. Without rtnetlink it notices sleep only. Returns 0 or a negative errno.
 * loop: W */
int network_watch_new(NetworkWatch **ret, Worker *w, NetworkWatchFn changed, void *userdata);
NetworkWatch *network_watch_free(NetworkWatch *n); /* NULL; takes NULL */
