/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What somebody may have meant who mistyped a word. */

#include <getopt.h>
#include <stddef.h>

#define NEAREST_WORD_MAX 40 /* longer words are like no other */

typedef struct Nearest {
        const char *word;  /* borrowed */
        const char *found; /* borrowed, N bytes of it; NULL: none of those that were offered is near */
        size_t n;
        unsigned distance;
} Nearest;

/* N bytes at CANDIDATE, borrowed, are something that can be meant. */
void nearest_offer(Nearest *s, const char *candidate, size_t n);

/* The name of the option in TABLE that ARGUMENT ("--optoin=value"), which is none of them, may mean; or NULL.
 */
const char *nearest_option(const struct option *table, const char *argument);
