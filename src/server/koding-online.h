/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A koding/tunnel client that is ready, told to main: from then on the hosts and ports of its user lead to
 * it. It never asks for a tunnel itself. */

#include "server/session.h"

#define KODING_PORTS_MAX 16 /* tcp tunnels: the first ports of the policy's tcp_ports */

/* An AuthKnownFn: the hosts of USER are its own from now on. USERDATA is the server. loop: main */
void koding_on_known(User *user, void *userdata);

/* Returns 0 or -ENOMEM. loop: the session's */
int koding_online_post(Session *s);
