/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The sessions that one client has, each under the number that the client gave it. Embedded; zeroed is
 * empty. Written by one thread at a time, without readers; any number may pick. */

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "server/tunnel.h"

typedef struct SessionEntry {
        unsigned number;
        SessionName name;
} SessionEntry;

typedef struct SessionSet {
        SessionEntry *entries; /* owned */
        unsigned n;
        atomic_uint turn; /* whose it is */
} SessionSet;

void session_set_done(SessionSet *set);

/* Enters NAME under NUMBER, in the place of *RET_REPLACED (id 0: there was none). Returns 0 or -ENOMEM. */
int session_set_put(SessionSet *set, unsigned number, SessionName name, SessionName *ret_replaced);

/* Returns the number it had, or -ENOENT. */
int session_set_remove(SessionSet *set, uint64_t id);

/* The session of NUMBER; id 0: there is none. */
SessionName session_set_get(const SessionSet *set, unsigned number);

/* One for the next visitor, of a set that isn't empty: in turn those on WORKER, or, if there is none or
 * WORKER is SESSION_ANYWHERE, all of them. */
#define SESSION_ANYWHERE UINT_MAX
SessionName session_set_pick(SessionSet *set, unsigned worker);

/* How many are on WORKER, not counting that of NUMBER. */
unsigned session_set_count_on(const SessionSet *set, unsigned worker, unsigned number);
