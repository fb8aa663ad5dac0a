/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The process that this one replaces (upgrade.h), if there is any: what is said to it while this one starts,
 * and the visitors that it passes on later. loop: main */

#include "server/server.h"
#include "server/spawn.h"

/* Packets on the channel between both. "failed" is followed by why. */
#define UPGRADE_PREPARED "prepared"
#define UPGRADE_GO "go"
#define UPGRADE_SERVING "serving"
#define UPGRADE_YOURS "yours"
#define UPGRADE_FAILED "failed "
#define UPGRADE_MESSAGE_MAX 4096

static inline bool has_predecessor(const Inherited *i) {
        return i->fds[INHERITED_UPGRADE] >= 0;
}

/* This process can't take over. */
void predecessor_refuse(const Inherited *i, const char *why);

/* Nothing can fail any more but what depends on the state: waits for it. Returns 0, also without a
 * predecessor, or -ECANCELED: it doesn't want this process any more. */
int predecessor_await_state(const Inherited *i);

/* This process serves: waits until the other has told systemd so. */
void predecessor_await_leave(const Inherited *i);

/* Takes visitors of it, and of older ones that are still there: takes their channels from S->inherited. */
void predecessors_open(Server *s);
void predecessors_done(Server *s);

/* Their channels are for the next process too. Returns 0 or -ENOMEM. */
int predecessors_add(Spawn *spawn, const Server *s);
