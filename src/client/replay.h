/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Says a captured request again, to the local service of its tunnel: as a visitor that this client makes up.
 * The answer is captured as a record of its own. */

#include <json-c/json.h>

#include "client/visitors.h"

#define REPLAYS_MAX 16 /* at a time */
#define REPLAY_TIMEOUT_USEC (60 * UINT64_C(1000000))

typedef struct Replays Replays;

/* All borrowed; outlive it. Returns 0 or -ENOMEM. loop: main, as all here */
int replays_new(Replays **ret, Worker *w, Visitors *visitors, Tunnels *tunnels, Records *records);

/* Says the request of RECORD again, with CHANGES: NULL, or an object with any of "method", "path", "headers"
 * (an array of arrays of a name and a value), "body" (text) and "body_base64". With changes its length is
 * declared anew. Returns 0 and the id of the new record, or a negative errno with *RET_WHY a constant
 * sentence. */
int replays_start(Replays *r, const Record *record, struct json_object *changes, uint64_t *ret_id,
                  const char **ret_why);

/* Aborts those that are under way. Takes NULL; returns NULL. */
Replays *replays_free(Replays *r);
