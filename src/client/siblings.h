/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All further sessions of this client (client.connections). Each call takes NULL: there are none. */

#include "client/sibling.h"

typedef struct Siblings Siblings;

/* N of them; PARAMS is copied. Returns 0 or a negative errno. loop: main */
int siblings_new(Siblings **ret, unsigned n, const SiblingParams *params);

/* As of sibling_go(), as many as a server takes that allows N_SESSIONS with session 0. */
void siblings_go(Siblings *ss, unsigned n_sessions, const ClientConfig *config, const char *client_id);

void siblings_pause(Siblings *ss);
void siblings_leave(Siblings *ss);
void siblings_wake(Siblings *ss);
void siblings_tunnel_up(Siblings *ss);

/* Ends all, with their visitors, and waits for that. Returns NULL. */
Siblings *siblings_free(Siblings *ss);
