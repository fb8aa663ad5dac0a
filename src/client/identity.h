/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The ClientId under which a server knows us, kept in the state folder so that names and ports survive a
 * restart. It is a secret, so there is one for each server; and one for each of several clients that run at
 * the same time: a lock says which are in use. */

#include "base/macro.h"

#define IDENTITY_CLIENTS_MAX 64 /* at the same time, of one user, to one server */

typedef struct Identity Identity;

/* $STATE_DIRECTORY, else $XDG_STATE_HOME/pgrok, else ~/.local/state/pgrok. Owned by the caller, or NULL:
 * there is none, or memory is out. */
char *identity_state_folder(void);

/* Takes the first ClientId for SERVER ("host:port") in FOLDER (made if missing) that no other client uses.
 * Returns 0, or a negative errno with *RET_WHY a sentence, owned by the caller (NULL: memory is out). */
int identity_open(Identity **ret, const char *folder, const char *server, char **ret_why);

/* "" when the server has not given one yet. */
const char *identity_get(const Identity *identity);

/* Keeps ID, written and synced before this returns. Returns 0 or a negative errno; then the old one stays. */
int identity_set(Identity *identity, const char *id);

/* 1 to IDENTITY_ID_MAX of [A-Za-z0-9_-]: what we take from a server or a file. */
#define IDENTITY_ID_MAX 128
int identity_check(const char *id);

/* Releases the lock. Takes NULL; returns NULL. */
Identity *identity_free(Identity *identity);

DEFINE_CLEANUP(Identity*, identity_free);
