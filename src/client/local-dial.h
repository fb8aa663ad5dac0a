/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connects to a local service: the host that its target names, or 127.0.0.1 and, if that fails, ::1. */

#include "client/target.h"
#include "net/dialer.h"

typedef struct LocalDial LocalDial;

/* Once. FD is the callee's; on failure it is -1 and WHY a sentence. The dial must be freed, here or later. */
typedef void (*LocalDialFn)(LocalDial *d, int fd, const char *why, void *userdata);

/* TARGET is copied. Never calls back before it returns. Returns 0 or a negative errno. loop: W */
int local_dial_new(LocalDial **ret, Worker *w, const Target *target, LocalDialFn done, void *userdata);

/* Ends the attempt without a call back. Takes NULL; returns NULL. */
LocalDial *local_dial_free(LocalDial *d);
