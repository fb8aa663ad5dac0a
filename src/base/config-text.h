/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One file in libconfig's syntax, parsed. Refuses what libconfig would take without a word: integers that
 * wrap, @include, NUL bytes. */

#include <libconfig.h>

#define CONFIG_TEXT_BYTES_MAX (1024 * 1024)

typedef struct ConfigText {
        config_t config; /* valid after success */
        char *text;      /* owned */
        char *origin;    /* owned; after a failure: "FILE:LINE", or "FILE" */
        char *why;       /* owned; after a failure: what is wrong */
} ConfigText;

/* Fills a zeroed *T, which must be done in any case. Returns 0, -EINVAL with origin and why, or -ENOMEM. */
int config_text_read(ConfigText *t, const char *file);
void config_text_done(ConfigText *t);

/* What to do about a file that could not be opened. */
const char *config_text_explain_open(int error);
