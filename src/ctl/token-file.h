/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* pgrokd's token file, edited by whole lines: what isn't ours to change stays byte for byte. One writer at a
 * time, who locks the temporary file beside it; readers see the old file or the new one. */

#include "base/config-key.h"

#define TOKEN_FILE_BYTES_MAX (64 * 1024 * 1024)
#define TOKEN_NAME_MAX 64

/* 1 to 64 letters, digits or ._@- */
bool token_name_is_valid(const char *name);

/* KEY=VALUE, as may stand behind a token; what it means is proto/policy.h's to check. */
bool token_setting_is_valid(const char *setting);

/* Adds LINE (without its end), which begins with NAME, behind the others. A file that isn't there is made,
 * 0640, for the group pgrok if there is one. Returns 0, -EEXIST when NAME has a line, or another negative
 * errno. */
int token_file_add(const char *path, const char *name, const char *line);

/* Removes NAME's line. Returns 0, -ENOENT when it has none or there is no file, or another negative errno. */
int token_file_remove(const char *path, const char *name);

/* Fills RET with the names, each with what is behind its hash: "alice max_tunnels=4". Returns 0 or a negative
 * errno; RET is to be done in any case. */
int token_file_list(const char *path, ConfigList *ret);
