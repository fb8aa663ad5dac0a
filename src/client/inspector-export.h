/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Records in the forms that other programs read: HAR 1.2, and a command line for curl. */

#include <json-c/json.h>

#include "client/records.h"

#define EXPORT_BODY_MAX (256U * 1024)         /* of each body, decoded */
#define EXPORT_BODIES_MAX (16U * 1024 * 1024) /* of all; the rest goes without */

typedef struct HarExport {
        struct json_object *log; /* owned */
        size_t body_bytes;       /* so far */
} HarExport;

/* Returns 0 or -ENOMEM. */
int har_begin(HarExport *h);

/* One more of its entries. Returns 0, -EBADMSG when RECORD has no request to show, or -ENOMEM. */
int har_add(HarExport *h, const Record *record);

/* The whole; owned by the caller. */
struct json_object *har_end(HarExport *h);

/* curl with the request of RECORD, to the public URL of its tunnel, each word quoted for a shell (POSIX).
 * Owned by the caller, or NULL. A body of which a part is missing is left out, with a comment. */
char *export_curl(const Record *record);
