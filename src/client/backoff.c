/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/backoff.h"

#include "base/macro.h"
#include "base/str.h"

uint64_t backoff_next(Backoff *b) {
        uint64_t due = MAX(b->next_usec, b->min_usec), delay = due / 100 * (80 + random_below(41));

        b->next_usec = MIN(due * 2, b->max_usec);
        return MIN(delay, b->max_usec);
}

void backoff_reset(Backoff *b) {
        b->next_usec = 0;
}
