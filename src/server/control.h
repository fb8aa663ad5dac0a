/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The control API, for pgrokctl and curl --unix-socket: HTTP and JSON on a unix socket. Root, our own user
 * and the members of the group pgrok-admin may use it. */

#include "server/server.h"

#define CONTROL_GROUP "pgrok-admin"

/* Fills S->control; without a place for the socket, or when another pgrokd answers there, warns and goes on
 * without. loop: main */
void control_open(Server *s);
