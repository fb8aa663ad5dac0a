/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Looks after the local services of tunnels that want it (health): connects, or asks for a path, now and
 * then. What it finds is in each TunnelConfig, where visitors' threads see it. */

#include "client/tunnel-config.h"

typedef struct Health Health;

/* T's service fails from now on, as T->health_why says, or, if that is NULL, no more. */
typedef void (*HealthFn)(const TunnelConfig *t, void *userdata);

/* Returns 0 or -ENOMEM. loop: W */
int health_new(Health **ret, Worker *w, HealthFn changed, void *userdata);

/* Looks after those of the N tunnels that are selected and want it, and after no others. They are borrowed
 * until the next call. Returns 0 or -ENOMEM. */
int health_watch(Health *h, TunnelConfig *const *tunnels, size_t n);
Health *health_free(Health *h); /* NULL; takes NULL */
