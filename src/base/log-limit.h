/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How often one kind of message is logged that others can provoke: LOG_LIMIT_BURST at once, then one each
 * LOG_LIMIT_EVERY_USEC. What is left out is counted. Any thread. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define LOG_LIMIT_BURST 20U
#define LOG_LIMIT_EVERY_USEC UINT64_C(1000000)

typedef struct LogLimit {
        pthread_mutex_t lock;
        uint64_t since_usec; /* when `n_used' was right */
        unsigned n_used;
        uint64_t n_suppressed;
} LogLimit;

void log_limit_init(LogLimit *l);

/* Whether a message may be logged at NOW, which counts then. */
bool log_limit_admit(LogLimit *l, uint64_t now_usec);

/* How many were left out since it was asked last; 0 while more may be. */
uint64_t log_limit_take_suppressed(LogLimit *l, uint64_t now_usec);
