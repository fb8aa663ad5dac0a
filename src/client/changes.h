/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was added to the configured tunnels, or taken from them, while the client runs. A name has one
 * change. */

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

#define CHANGES_MAX 1000
#define CHANGE_SETTINGS_MAX 64

typedef struct Change {
        char *name; /* owned: of a configured tunnel, or a target */
        bool is_removal;
        char *keys[CHANGE_SETTINGS_MAX], *values[CHANGE_SETTINGS_MAX]; /* owned: of a target's tunnel */
        size_t n_settings;
        struct Change *prev, *next;
} Change;

/* Returns NULL when memory is out. */
Change *change_new(const char *name, bool is_removal);
Change *change_free(Change *c); /* NULL; takes NULL */

/* Returns 0, -ENOBUFS or -ENOMEM. */
int change_set(Change *c, const char *key, const char *value);

typedef struct Changes {
        Change *items; /* owned */
        size_t n;
} Changes;

/* Owns C. Returns the change that it replaces, for changes_put() again if it was a mistake, or NULL. */
Change *changes_put(Changes *l, Change *c);

/* Takes back what changes_put() has put; OLD is what that returned, owned again. */
void changes_undo(Changes *l, Change *c, Change *old);
void changes_done(Changes *l);

DEFINE_CLEANUP(Change*, change_free);
