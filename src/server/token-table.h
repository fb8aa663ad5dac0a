/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One version of a token file: a line a user, `NAME sha256:HEX [KEY=VALUE...]` (see policy.h), # begins a
 * comment. */

#include "server/user.h"

typedef struct TokenTable TokenTable;

/* Faults ("FILE:LINE: reason") are added to FAULTS. Returns 0, -EINVAL with faults, or -ENOMEM. */
int token_table_read(TokenTable **ret, const char *file, ConfigList *faults);

/* The user of that token (borrowed; lives as long as T), or NULL. Takes a time that doesn't depend on the
 * token. */
User *token_table_find(const TokenTable *t, const char *token);

bool token_table_is_empty(const TokenTable *t);

/* Calls FN with each user (borrowed). */
void token_table_for_each(const TokenTable *t, void (*fn)(User *user, void *userdata), void *userdata);

/* USER of the older version is not in the newer one as it was. SUCCESSOR has the same name and token and
 * another policy, or is NULL. Both borrowed. */
typedef void (*TokenGoneFn)(User *user, User *successor, void *userdata);

/* T takes the place of OLDER: a user whose line didn't change stays the same object, FN is told of each other
 * one. */
void token_table_replace(TokenTable *t, TokenTable *older, TokenGoneFn fn, void *userdata);

/* Takes NULL; returns NULL. */
TokenTable *token_table_free(TokenTable *t);

DEFINE_CLEANUP(TokenTable*, token_table_free);
