/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON texts (RFC 8259) of peers, read strictly, and made. Values are json-c's. */

#include <json-c/json.h>

#include "base/macro.h"

#define JSON_DEPTH_MAX 16

static inline void json_object_putp(json_object **o) {
        json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_object_putp)

/* Parses exactly N bytes, white space around the value included. Returns 0, -EBADMSG for what is not JSON in
 * UTF-8, is nested deeper than JSON_DEPTH_MAX or is just null, or -ENOMEM. */
int json_parse(const char *s, size_t n, json_object **ret);

/* The string that VALUE (may be NULL) is, borrowed; NULL for another type or one with a NUL in it. */
const char *json_string(json_object *value);

/* A string of N bytes that may be anything: what isn't UTF-8 is read as ISO 8859-1, since JSON must be UTF-8.
 * NULL: memory is out. */
json_object *json_from_bytes(const char *s, size_t n);

/* Takes VALUE, which is NULL when memory was out. KEY is constant and new in O. Returns 0 or -ENOMEM. */
int json_add(json_object *o, const char *key, json_object *value);

/* The same, to the end of a list. */
int json_append(json_object *list, json_object *value);

/* The text of O without white space, borrowed until O changes, or NULL when memory is out. RET_N may
 * be NULL. */
const char *json_text(json_object *o, size_t *ret_n);
