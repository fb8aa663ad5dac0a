/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One request to another program's control socket, by libcurl. Blocks: for commands, not for daemons. */

#include <json-c/json.h>

#define LOCAL_REPLY_BYTES_MAX (64 * 1024 * 1024)
#define LOCAL_REQUEST_TIMEOUT_SEC 60L

typedef struct LocalReply {
        long status;
        char *text;               /* owned: as it came */
        struct json_object *json; /* owned: what it says */
} LocalReply;

/* BODY is borrowed; NULL: none. Returns 0 also for a status that is an error, -ENOENT when there is no
 * SOCKET, -ECONNREFUSED when nobody answers there, -EACCES, -ETIMEDOUT, -EBADMSG when the reply is no JSON,
 * -ELIBACC when libcurl is not installed, -EIO, or -ENOMEM. */
int local_request(const char *socket, const char *method, const char *path, struct json_object *body,
                  LocalReply *ret);
void local_reply_done(LocalReply *r);

/* A sentence about an error, for somebody who wanted to reach PROGRAM and may if he is root or belongs to
 * GROUP. Owned by the caller, or NULL. */
char *local_request_explain(int error, const char *socket, const char *program, const char *group);
