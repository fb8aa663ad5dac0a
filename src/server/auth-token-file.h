/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Users and their tokens from a file (token-table.h), which is read anew when it changes. */

#include "server/auth.h"

/* Faults ("FILE:LINE: reason") are added to FAULTS. Returns 0, -EINVAL with faults, or -ENOMEM. */
int auth_token_file_new(Auth **ret, const char *file, ConfigList *faults);
