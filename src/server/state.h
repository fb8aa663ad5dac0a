/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The file in which the registry survives a restart: "registry.json" in the state folder, ours alone while we
 * run. Written a moment after a change, and at the end. loop: main */

#include "net/worker.h"
#include "server/registry-state.h"

typedef struct State State;

/* The folder: of systemd ($STATE_DIRECTORY), else "server" in the user's. Owned by the caller, or NULL. */
char *state_folder(void);

/* LOCK_FD: of a state_lock_fd() that was handed over, owned on success, or -1. Returns 0; -EBUSY when another
 * server has the folder, or a negative errno, with *RET_WHY, owned by the caller. */
int state_open(State **ret, Worker *w, const char *folder, int lock_fd, Registry *registry, char **ret_why);

/* Restores the registry. A file that can't be used is told in the log and left out. */
void state_load(State *s, RegistrySocketFn socket_of, void *userdata);

/* Writes what has changed, and nothing more until it is resumed: another process has the folder. */
void state_pause(State *s);
void state_resume(State *s);

/* What keeps other servers out of the folder: who has a duplicate of it has the folder too. */
int state_lock_fd(const State *s);

/* The registry has changed. */
void state_changed(State *s);

/* Writes what has changed, unless it is paused. Takes NULL; returns NULL. */
State *state_free(State *s);
