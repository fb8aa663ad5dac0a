/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the programs' own HTTP services say, in JSON. */

#include "net/http-service.h"
#include "proto/json.h"

/* Owns O; NULL reads as memory being out. X is answered. */
void http_answer_json(HttpExchange *x, unsigned status, struct json_object *o);

/* {"error": "…"}: a sentence for a person. */
void http_answer_error(HttpExchange *x, unsigned status, const char *format, ...) _printf_(3, 4);

/* The object in R's body, or NULL: there is none. Owned by the caller, json_object_put(). */
struct json_object *http_body_parse(const HttpRequest *r);

/* A member of BODY (or NULL) that is a string, not empty, without NUL; borrowed from it. Else NULL. */
const char *http_body_string(struct json_object *body, const char *name);

/* The same of a value. */
const char *http_json_string(struct json_object *value);
