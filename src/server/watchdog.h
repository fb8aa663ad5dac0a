/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tells systemd, if it started us, how we are: that main and each worker still turn their loops, and how many
 * clients, tunnels and connections there are. */

struct Server;

typedef struct Watchdog Watchdog;

/* *RET is NULL when nobody listens. Returns 0 or -ENOMEM. loop: main */
int watchdog_new(Watchdog **ret, struct Server *server);

/* Something else was told as the status, which is over now. Takes NULL. */
void watchdog_renew_status(Watchdog *w);

/* Takes NULL; returns NULL. */
Watchdog *watchdog_free(Watchdog *w);
