/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The edge's own answers to http visitors: HTTP/1.1, with Content-Length. */

#include "base/buffer.h"
#include "server/error-pages.h"

typedef struct Answer { /* all borrowed */
        ErrorPage page;
        const char *fields; /* more header lines, each with CRLF, or "" */
        uint64_t hsts_sec;  /* for so long a browser is to come over https only; 0: it isn't told */
        bool head_only;     /* the request was HEAD */
        bool keep;          /* another one may follow on the connection */
} Answer;

/* Appends A, with the page that PAGES have for it, to OUT (empty). Returns the bytes of the body that was
 * written, -ENOBUFS or -ENOMEM. */
ssize_t answer_write(const Answer *a, const ErrorPages *pages, Buffer *out);

/* The same, with N bytes at BODY of that TYPE in place of a page. */
ssize_t answer_write_body(const Answer *a, const char *type, const void *body, size_t n, Buffer *out);
