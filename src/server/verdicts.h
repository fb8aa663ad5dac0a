/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was found out about passwords, so that it is not found out again for each request. A key stands for
 * somebody, a password and what it was tried at; how it is made is the caller's matter. Bounded: of the right
 * ones the longest unasked is forgotten for a new one, of the wrong ones the oldest, and guesses never drive
 * out what was right. */

#include <stdbool.h>
#include <stdint.h>

#define VERDICTS_MAX 4096 /* of either kind */
#define VERDICT_USEC (300 * UINT64_C(1000000))

typedef struct VerdictKey {
        uint8_t bytes[32];
} VerdictKey;

typedef struct Verdicts Verdicts;

/* Returns 0 or -ENOMEM. */
int verdicts_new(Verdicts **ret);

/* Returns 1 for a password that was right, and stays so for VERDICT_USEC more; 0 for a wrong one; -ENOENT
 * when nothing is known at NOW. */
int verdicts_find(Verdicts *v, const VerdictKey *key, uint64_t now_usec);

/* Returns 0 or -ENOMEM. */
int verdicts_put(Verdicts *v, const VerdictKey *key, bool is_right, uint64_t now_usec);

/* Takes NULL; returns NULL. */
Verdicts *verdicts_free(Verdicts *v);
