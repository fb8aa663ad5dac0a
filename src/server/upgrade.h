/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hands over to the program on disk, without a connection refused or broken off: a new process gets all
 * listening sockets, and the state; this one then drains. Its visitors that want more than it has in hand go
 * on in the new one (pass.h). predecessor.h is the other side. loop: main */

#include "server/server.h"

/* Begins it. X (NULL: nobody) is answered with the outcome. Returns 0, or a negative errno with *RET_WHY,
 * owned by the caller, or NULL; then nothing has changed, and X is the caller's to answer. */
int upgrade_start(Server *s, HttpExchange *x, char **ret_why);

/* While the new process reads the state nothing may change in it: returns true if MAIL waits, to be delivered
 * again by its `deliver' when it is clear who goes on. */
bool upgrade_holds(Server *s, Mail *mail);

/* The server is to stop, so there is no upgrade, if there was to be one. */
void upgrade_cancel(Server *s);
