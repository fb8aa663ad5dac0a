/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How the server's own answers look: pages of a folder that people have made (404.html, 404.txt …), and the
 * built-in ones for all others. Immutable and counted by references; any thread. */

#include <stdbool.h>

#include "base/config-key.h"

#define ERROR_PAGE_BYTES_MAX (64 * 1024)

typedef struct ErrorPages ErrorPages;

/* With one reference. FOLDER: NULL or "" for built-in pages only. Returns 0; -EINVAL with what is wrong, by
 * file, added to FAULTS; or -ENOMEM. */
int error_pages_new(ErrorPages **ret, const char *folder, ConfigList *faults);
ErrorPages *error_pages_ref(ErrorPages *p);
ErrorPages *error_pages_unref(ErrorPages *p); /* NULL; takes NULL */

typedef struct ErrorPage { /* all borrowed */
        unsigned status;
        const char *reason; /* a sentence */
        const char *host;   /* that was asked for, or "" */
        bool html;          /* else plain text */
} ErrorPage;

/* The body of an answer; owned by the caller, or NULL when memory is out. */
char *error_pages_fill(const ErrorPages *p, const ErrorPage *page);

DEFINE_CLEANUP(ErrorPages*, error_pages_unref);
