/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bytes of a request that is said again, changed or not. */

#include <json-c/json.h>

#include "base/buffer.h"
#include "client/records.h"

/* Appends the request of RECORD with CHANGES (see replays_start(); or NULL) to OUT. Returns how long its head
 * is, or a negative errno with *RET_WHY a constant sentence: -EINVAL, -ENODATA (not all of the body was
 * kept), -ENOBUFS. */
ssize_t replay_request(const Record *record, struct json_object *changes, Buffer *out, const char **ret_why);
