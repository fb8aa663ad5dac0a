/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Joins two streams: what one reads the other writes, both ways, each direction with one buffer at most
 * and only while bytes wait. Each direction ends by itself (half-close); an abort ends both. A filter makes
 * it pass on what a protocol allows. */

#include "net/rate.h"
#include "net/stream.h"
#include "net/timer.h"

typedef struct Relay Relay;

typedef enum RelaySide { RELAY_A, RELAY_B } RelaySide;

#define RELAY_RATES_MAX 2

/* Understands a protocol, and decides about its bytes. What is called returns 0 or more, or -ECANCELED: then
 * the relay is done, with that error. */
typedef struct RelayFilter {
        /* N (> 0) bytes have come from SIDE, of which none has been decided about. Returns how many may go on
         * as they are (> 0), beginning with the first of them, and perhaps with some that are still to come.
         * Or 0, with *RET_TAKEN > 0: those are gone, and what was appended to INSTEAD takes their place. Or
         * -EAGAIN: more of them are needed to decide. Or -EBUSY: none now, until relay_resume(). */
        int64_t (*judge)(void *userdata, RelaySide from, const char *data, size_t n, Buffer *instead,
                         size_t *ret_taken);

        /* All that was let through has been taken by the other side. */
        int (*passed)(void *userdata, RelaySide from);

        /* SIDE has come to its end, which is passed on. */
        int (*ended)(void *userdata, RelaySide from);
} RelayFilter;

/* Looks on. What it is shown has been taken by the other side, and is borrowed for the call; it changes
 * nothing and delays nothing. */
typedef struct RelayTap {
        void (*passed)(void *userdata, RelaySide from, const char *data, size_t n);
        void (*ended)(void *userdata, RelaySide from); /* SIDE has come to its end, which is passed on */
} RelayTap;

typedef struct RelayOptions {
        Buffer *a_head; /* bytes read from A, first to go to B. Owned by the relay on success; or NULL */
        Buffer *b_head; /* the same the other way */
        /* Not 0: the peer behind B closes both directions at the first end (Go programs do). A's end is kept
         * from it until B has answered and then been silent for this long; B's end ends the relay. */
        uint64_t withhold_a_end_usec;
        /* Limits for both directions together; borrowed, outlive the relay; NULL: none */
        Rate *rates[RELAY_RATES_MAX];
        const RelayFilter *filter; /* NULL: everything goes on. With one, there is no b_head */
        void *filter_userdata;     /* borrowed */
        const RelayTap *tap; /* or NULL. May be called before relay_new() returns: what was in the heads */
        void *tap_userdata;  /* borrowed */
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

/* Borrows both streams until it is freed, and takes over their callbacks. One with a filter begins with
 * relay_start(). Returns 0 or -ENOMEM. loop: that of A and B */
int relay_new(Relay **ret, Stream *a, Stream *b, const RelayOptions *options, RelayDoneFn done,
              void *userdata);

/* Asks the filter about a_head, and begins. May finish the relay. */
void relay_start(Relay *r);

/* For filters, when they are called: asks again about what SIDE has to say. */
void relay_resume(Relay *r, RelaySide side);

/* What has come from SIDE and was not decided about: owned by the caller, or NULL. */
Buffer *relay_take_input(Relay *r, RelaySide side);

/* Ends it, without a call back; the streams stay, without callback or wanted events. Takes NULL; returns
 * NULL. */
Relay *relay_free(Relay *r);

/* Bytes so far. */
void relay_get_bytes(const Relay *r, uint64_t *ret_a_to_b, uint64_t *ret_b_to_a);
