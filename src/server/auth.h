/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who a client is, told by its token. The main thread's. */

#include "base/config-file.h"

typedef struct Auth Auth;

/* Everybody may in and is the same user, "". */
int auth_new_none(Auth **ret);

/* A line a user: `NAME sha256:HEX`, `#` begins a comment. Faults ("FILE:LINE: reason") are added to FAULTS.
 * Returns 0, -EINVAL with faults, or -ENOMEM. */
int auth_new_token_file(Auth **ret, const char *file, ConfigList *faults);

/* Returns the user's name (borrowed; lives as long as A), or NULL: refused. Takes a time that doesn't depend
 * on the token. */
const char *auth_check(Auth *a, const char *token);

/* Takes NULL; returns NULL. */
Auth *auth_free(Auth *a);

DEFINE_CLEANUP(Auth*, auth_free);
