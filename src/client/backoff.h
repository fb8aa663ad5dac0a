/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How long to wait before the next attempt: doubling, with jitter, so that the clients of a server that
 * restarts don't come back all at once. */

#include <stdint.h>

typedef struct Backoff {
        uint64_t min_usec, max_usec;
        uint64_t next_usec; /* without jitter; 0: min_usec */
} Backoff;

/* The delay before the next attempt: 80 to 120 % of what is due, but never above MAX. */
uint64_t backoff_next(Backoff *b);

/* An attempt went well: begin anew. */
void backoff_reset(Backoff *b);
