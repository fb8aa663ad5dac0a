/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Opens what is in a folder, and nothing else. */

/* PATH is relative to the folder ROOT: neither "..", nor a symbolic link that is absolute or leads out, gets
 * out of it (openat2(2), RESOLVE_BENEATH). Unless FLAGS have O_PATH only files and folders are opened. Never
 * blocks. Returns a descriptor or a negative errno: -EXDEV for a way out. */
int below_open(const char *root, const char *path, int flags);
