/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/rate.h"

#include "base/macro.h"
#include "base/parse.h"

#define RATE_SHARE_MIN 512U
#define RATE_SHARE_MAX (64U * 1024)
#define RATE_SHARE_FREE (1024U * 1024) /* without a limit; there may be one when it is used up */
#define RATE_SHARES_PER_SEC 20U
#define RATE_BURST_USEC (200 * USEC_PER_MSEC) /* what nobody used for so long may be used at once */

void rate_set(Rate *r, uint64_t bytes_per_sec) {
        if (atomic_exchange(&r->bytes_per_sec, bytes_per_sec) == bytes_per_sec)
                return;
        atomic_store(&r->line_usec, 0);
        atomic_fetch_add(&r->n_changes, 1);
}

unsigned rate_changes(const Rate *r) {
        return atomic_load(&r->n_changes);
}

uint64_t rate_get(const Rate *r) {
        return atomic_load(&r->bytes_per_sec);
}

bool rate_is_set(const Rate *r) {
        return rate_get(r) > 0;
}

size_t rate_share(const Rate *r) {
        uint64_t rate = atomic_load(&r->bytes_per_sec);

        if (rate == 0)
                return RATE_SHARE_FREE;
        return MIN(MAX(rate / RATE_SHARES_PER_SEC, (uint64_t) RATE_SHARE_MIN), (uint64_t) RATE_SHARE_MAX);
}

static uint64_t rate_usec(uint64_t rate, size_t n) {
        return rate == 0 ? 0 : (uint64_t) ((double) n * (double) USEC_PER_SEC / (double) rate);
}

uint64_t rate_queue(Rate *r, size_t n, uint64_t now_usec) {
        uint64_t rate = atomic_load(&r->bytes_per_sec), line = atomic_load(&r->line_usec), due;

        if (rate == 0)
                return now_usec;
        do
                due = MAX(line, now_usec - MIN(now_usec, RATE_BURST_USEC));
        while (!atomic_compare_exchange_weak(&r->line_usec, &line, due + rate_usec(rate, n)));
        return due;
}

void rate_return(Rate *r, size_t n) {
        uint64_t usec = rate_usec(rate_get(r), MIN(n, rate_share(r))), line = atomic_load(&r->line_usec);

        while (!atomic_compare_exchange_weak(&r->line_usec, &line, line - MIN(line, usec)))
                ;
}
