/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An orderly end: accept no more, let visitors finish for a while, close everything, end the workers. */

#include "server/server.h"

/* Begins it: visitors have USEC. Returns 0 or -ENOMEM. loop: main */
int stopper_new(Stopper **ret, Server *s, uint64_t usec);

/* Visitors have USEC from now on. */
void stopper_limit(Stopper *st, uint64_t usec);

/* Waits for nobody any more. */
void stopper_hurry(Stopper *st);

/* Administrators of a server that was replaced get their answers before it ends: asks whether they have. */
void stopper_check(Stopper *st);

/* Mail from a shard without visitors. */
void stopper_on_idle(Worker *w, Mail *mail);

/* Takes NULL; returns NULL. */
Stopper *stopper_free(Stopper *st);
