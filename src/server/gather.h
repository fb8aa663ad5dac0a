/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Asks each shard for something, on its own thread and without waiting for it, and brings the parts together
 * on main. */

#include "server/server.h"

/* On the shard's thread: fills PART (zeroed). USERDATA is shared by all shards: not to be written. */
typedef void (*GatherCollectFn)(Shard *sh, void *part, const void *userdata);

/* On main, once: N parts, one a shard; what they own is the callee's. */
typedef void (*GatherDoneFn)(Server *s, void *parts, unsigned n, void *userdata);

/* PART_BYTES: the size of one part. USERDATA is borrowed until DONE, which never comes before this returns.
 * Returns 0 or -ENOMEM. Not once the server closes everything. loop: main */
int gather_start(Server *s, size_t part_bytes, GatherCollectFn collect, GatherDoneFn done, void *userdata);
