/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The secret that a user authenticates with: one word. */

#define TOKEN_BYTES_MAX 4096

/* A ConfigCheckFn. */
const char *token_check(const char *value);

/* Replaces *TOKEN (owned) by the word in FILE. Returns 0 or a negative errno with *RET_WHY a sentence,
 * owned by the caller (NULL: memory is out); then *TOKEN is untouched. */
int token_read(const char *file, char **token, char **ret_why);
