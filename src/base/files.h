/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files that the programs keep. */

#include <stddef.h>
#include <sys/types.h>

/* The user's folder for state, without what systemd says: "$XDG_STATE_HOME/pgrok", else
 * "~/.local/state/pgrok" (of $HOME, else of the user database). Owned by the caller, or NULL. */
char *files_user_state(void);

/* The file in which systemd has put a credential (LoadCredential=NAME:…): "$CREDENTIALS_DIRECTORY/NAME" if it
 * is there. Owned by the caller, or NULL. */
char *files_credential(const char *name);

/* Where PROGRAM ("pgrokd") listens for its administrator: control.sock in the folder that systemd made
 * ($RUNTIME_DIRECTORY), for root in /run/PROGRAM, else in $XDG_RUNTIME_DIR/PROGRAM. Owned by the caller, or
 * NULL: there is no such folder. */
char *files_control_socket(const char *program);

/* mkdir -p, 0700. Returns 0 or a negative errno. */
int files_make_folder(const char *path);

/* Reads a regular file of at most MAX bytes: *RET, owned by the caller, with a NUL behind its *RET_N bytes.
 * Returns 0, -EFBIG, or a negative errno. */
int files_read(const char *path, size_t max, char **ret, size_t *ret_n);

/* Replaces *WORD (owned) by the only word in PATH, of at most MAX bytes. Returns 0, -EINVAL when there is
 * not one such word in it, or a negative errno; then *WORD is untouched. */
int files_read_word(const char *path, size_t max, char **word);

/* Writes N bytes to PATH, whole or not at all, also when the machine stops in the middle. Returns 0 or a
 * negative errno. */
int files_replace(const char *path, const void *data, size_t n, mode_t mode);

/* The same, for a group that is to use it by MODE; -1: whatever group it gets. */
int files_replace_for(const char *path, const void *data, size_t n, mode_t mode, gid_t gid);
