/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The edge's own answers to http visitors: HTTP/1.1, with Content-Length. */

#include <stdbool.h>

#include "base/buffer.h"

/* Appends an answer to OUT (empty). TEXT: one line for a person, without its line feed. FIELDS: more header
 * lines, each with CRLF, or "". HEAD_ONLY: the request was HEAD. KEEP: another one may follow on the
 * connection. Returns 0 or -ENOBUFS. */
int answer_write(Buffer *out, unsigned status, const char *fields, const char *text, bool head_only,
                 bool keep);
