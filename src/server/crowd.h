/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How much there is from one address, so that nobody takes all there is. IPv6 counts by /64: that is what one
 * customer has. Any thread. */

#include <stdint.h>

#include "net/address.h"

typedef struct Crowd Crowd;

typedef enum CrowdKind {
        CROWD_SESSION, /* clients that have logged in */
        CROWD_PENDING, /* connections on the tunnel port that have not said yet who they are */
        CROWD_VISITOR,
        CROWD_KIND_MAX,
} CrowdKind;

/* Returns 0 or -ENOMEM. */
int crowd_new(Crowd **ret);

/* One more of KIND from PEER; to be followed by crowd_leave(). Returns how many there are then, or UINT_MAX
 * when memory is out: then none was added. */
unsigned crowd_enter(Crowd *c, CrowdKind kind, const Address *peer);
void crowd_leave(Crowd *c, CrowdKind kind, const Address *peer);
unsigned crowd_count(Crowd *c, CrowdKind kind, const Address *peer);

/* Takes NULL; returns NULL. */
Crowd *crowd_free(Crowd *c);
