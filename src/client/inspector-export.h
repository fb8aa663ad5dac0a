/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Records in the forms that other programs read: HAR 1.2, and a command line for curl. */

#include <stdio.h>

#include "client/records.h"

#define EXPORT_BODY_MAX (256U * 1024)         /* of each body, decoded */
#define EXPORT_BODIES_MAX (16U * 1024 * 1024) /* of all; the rest goes without */

typedef struct HarExport {
        FILE *out;  /* owned */
        char *text; /* owned: what it writes */
        size_t n;
        size_t n_entries;
        size_t body_bytes; /* so far */
} HarExport;

/* Returns 0 or -ENOMEM. */
int har_begin(HarExport *h);

/* One more of its entries, unless RECORD has no request to show. */
void har_add(HarExport *h, const Record *record);

/* Nothing more comes. Returns 0, with the text in *RET, the caller's; or -ENOMEM. */
int har_end(HarExport *h, char **ret, size_t *ret_n);
void har_done(HarExport *h);

/* curl with the request of RECORD, to the public URL of its tunnel, each word quoted for a shell (POSIX).
 * Owned by the caller, or NULL. A body of which a part is missing is left out, with a comment. */
char *export_curl(const Record *record);
