/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Records as the inspector's JSON has them. */

#include <json-c/json.h>

#include "client/decode.h"
#include "client/records.h"

/* A line of the list. */
struct json_object *show_summary(const Record *record);

/* All but the bodies. */
struct json_object *show_record(const Record *record);

/* The body of one side as DECODED. Returns 0, -ENOENT (there is no head yet), or -ENOMEM. */
int show_body(const Record *record, RecordSide side, size_t max, Decoded *ret);

/* Is TEXT in the heads or in the bodies, in any letter case (ASCII)? */
bool show_contains(const Record *record, const char *text);

/* The head of one side, read again; its slices borrow from RECORD. Returns 0, or -ENOENT. */
int show_head(const Record *record, RecordSide side, HttpHead *ret);

/* The public URL of the request. Owned by the caller, or NULL. */
char *show_url(const Record *record);
