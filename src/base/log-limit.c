/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log-limit.h"

#include "base/macro.h"

void log_limit_init(LogLimit *l) {
        *l = (LogLimit) { .lock = PTHREAD_MUTEX_INITIALIZER };
}

static void log_limit_refill(LogLimit *l, uint64_t now_usec) {
        uint64_t n = (now_usec - l->since_usec) / LOG_LIMIT_EVERY_USEC;

        l->since_usec += n * LOG_LIMIT_EVERY_USEC;
        l->n_used -= (unsigned) MIN(n, (uint64_t) l->n_used);
}

bool log_limit_admit(LogLimit *l, uint64_t now_usec) {
        bool admit;

        pthread_mutex_lock(&l->lock);
        log_limit_refill(l, now_usec);
        admit = l->n_used < LOG_LIMIT_BURST;
        if (admit)
                l->n_used++;
        else
                l->n_suppressed++;
        pthread_mutex_unlock(&l->lock);
        return admit;
}

uint64_t log_limit_take_suppressed(LogLimit *l, uint64_t now_usec) {
        uint64_t n = 0;

        pthread_mutex_lock(&l->lock);
        log_limit_refill(l, now_usec);
        if (l->n_used < LOG_LIMIT_BURST)
                SWAP(n, l->n_suppressed);
        pthread_mutex_unlock(&l->lock);
        return n;
}
