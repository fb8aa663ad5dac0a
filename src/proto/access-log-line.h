/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A line of an access log in the combined format, which Apache and nginx write and everybody reads, with how
 * long the request took behind it, in seconds. */

#include "proto/http-field.h"
#include "proto/ip.h"

#define ACCESS_LOG_REQUEST_BYTES_MAX 4096 /* as it is written; what is longer is cut, and "..." says so */
#define ACCESS_LOG_TEXT_BYTES_MAX 1024    /* each other text */
#define ACCESS_LOG_LINE_BYTES_MAX (ACCESS_LOG_REQUEST_BYTES_MAX + 3 * ACCESS_LOG_TEXT_BYTES_MAX + 256)

typedef struct AccessLogLine { /* empty texts are written as "-" */
        Ip visitor;
        HttpSlice user;    /* as HTTP authentication has it */
        int64_t time_sec;  /* of the request, since 1970 (UTC) */
        HttpSlice request; /* its first line; a CR LF at its end is left out */
        unsigned status;   /* of the response; 0: none, "-" */
        uint64_t n_bytes;  /* of its body as sent, chunk sizes included; 0 is "-" */
        HttpSlice referer, user_agent;
        uint64_t duration_usec;
} AccessLogLine;

/* Writes the line with its line feed, without a NUL. Returns its length. Whatever a visitor sends stays
 * within its field: quotes, backslashes, control characters, all beyond ASCII, and spaces in the user's name
 * are written as \xNN. */
size_t access_log_line_format(const AccessLogLine *l, char ret[static ACCESS_LOG_LINE_BYTES_MAX]);
