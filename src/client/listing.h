/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A folder as a page. */

#define LISTING_ENTRIES_MAX 2000 /* that are looked at, shown or not */

/* What is in PATH, relative to the folder ROOT ("", or it ends with a slash), and may be seen. Names are any
 * bytes. Owned by the caller, or NULL when it can't be read or memory is out. */
char *listing_new(const char *root, const char *path);
