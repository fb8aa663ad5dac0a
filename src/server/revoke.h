/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ends what a user has: its sessions, its tunnels and the connections of their visitors. */

#include "server/server.h"

/* Registers that USER is over (see registry_revoke()), and tells the shards, which log WHY, half a sentence.
 * With USER itself as SUCCESSOR its clients may come back at once and find their names reserved. loop:
 * main */
void revoke_user(Server *s, User *user, User *successor, const char *why);

/* The same for all whose time is over. loop: main */
void revoke_expired(Server *s);
