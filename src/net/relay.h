/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Joins two streams: what one reads the other writes, both ways, each direction with one buffer at most
 * and only while bytes wait. Each direction ends by itself (half-close); an abort ends both. */

#include "net/rate.h"
#include "net/stream.h"
#include "net/timer.h"

typedef struct Relay Relay;

typedef enum RelaySide { RELAY_A, RELAY_B } RelaySide;

#define RELAY_RATES_MAX 2

typedef struct RelayOptions {
        Buffer *a_head; /* bytes read from A, first to go to B. Owned by the relay on success; or NULL */
        Buffer *b_head; /* the same the other way */
        /* Not 0: the peer behind B closes both directions at the first end (Go programs do). A's end is kept
         * from it until B has answered and then been silent for this long; B's end ends the relay. */
        uint64_t withhold_a_end_usec;
        /* Limits for both directions together; borrowed, outlive the relay; NULL: none */
        Rate *rates[RELAY_RATES_MAX];
} RelayOptions;

typedef struct RelayResult {
        int error;        /* 0: both directions came to their end */
        RelaySide failed; /* with an error: whose stream failed */
        bool a_is_unread; /* A has not ended: closing it at once may take B's last bytes away from its peer */
        uint64_t a_to_b_bytes; /* read from A and taken by B */
        uint64_t b_to_a_bytes;
} RelayResult;

/* Once, never before relay_new() returns. The callee frees the relay, then the streams are its own again. */
typedef void (*RelayDoneFn)(Relay *r, const RelayResult *result, void *userdata);

/* Borrows both streams until it is freed, and takes over their callbacks. Returns 0 or -ENOMEM. loop: that of
 * A and B */
int relay_new(Relay **ret, Stream *a, Stream *b, const RelayOptions *options, RelayDoneFn done,
              void *userdata);

/* Ends it, without a call back; the streams stay, without callback or wanted events. Takes NULL; returns
 * NULL. */
Relay *relay_free(Relay *r);

/* Bytes so far. */
void relay_get_bytes(const Relay *r, uint64_t *ret_a_to_b, uint64_t *ret_b_to_a);
