/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sessions that others have replaced, and that still have visitors. Embedded; zeroed means none. */

#include "client/session.h"

#define DRAINING_MAX 8 /* upgrades of the server in a row, while visitors stay */

typedef struct Draining {
        Session *items[DRAINING_MAX]; /* owned, the oldest first */
        size_t n;
} Draining;

/* Takes S. Of too many the oldest must go. */
void draining_add(Draining *d, Session *s);

/* Frees S, which has ended. Returns false if it is none of them. */
bool draining_remove(Draining *d, Session *s);

/* Frees all. */
void draining_done(Draining *d);
