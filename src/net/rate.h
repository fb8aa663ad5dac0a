/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* So many bytes a second, for all who share one Rate, on any thread. Whoever has bytes to move queues for a
 * share of it and is told when that is due: shares are handed out in turn, so each gets as much as the
 * others. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Rate {
        atomic_uint_least64_t bytes_per_sec; /* 0: no limit */
        atomic_uint_least64_t line_usec;     /* private: up to when it is handed out */
        atomic_uint n_changes;
} Rate;

/* Also of one in use: then nothing is handed out yet, and whoever waits for a share of the old rate may go
 * when it sees that. */
void rate_set(Rate *r, uint64_t bytes_per_sec);

/* Another number than before: rate_set() has changed it meanwhile. */
unsigned rate_changes(const Rate *r);

bool rate_is_set(const Rate *r);
uint64_t rate_get(const Rate *r);

/* How many bytes to queue for: about what goes in a twentieth of a second. */
size_t rate_share(const Rate *r);

/* Queues for N bytes. Returns when they may go: now or earlier if that is at once. */
uint64_t rate_queue(Rate *r, size_t n, uint64_t now_usec);

/* Gives N bytes back that were not needed after all: a share at most, since the rest was of another rate. */
void rate_return(Rate *r, size_t n);
