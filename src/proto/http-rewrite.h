/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The head that is passed on: the one that came, byte for byte, but for fields that are set or removed, and
 * for those that are meant for one connection only (RFC 9110 §7.6.1). */

#include "proto/http-head.h"

#define HTTP_EDITS_MAX 64
#define HTTP_CONNECTION_NAMES_MAX 16 /* fields that Connection may name */

typedef struct HttpEdit {
        HttpSlice name;  /* matches as http_name_resembles() has it */
        HttpSlice value; /* data NULL: the field is removed */
} HttpEdit;

typedef struct HttpRewrite {   /* all borrowed */
        const HttpEdit *edits; /* at most HTTP_EDITS_MAX, of different names, valid */
        size_t n_edits;
        const char *connection; /* the Connection field's value; NULL: none */
} HttpRewrite;

/* The name is a token, the value has no control characters and no white space at its ends, and the field is
 * none of those that say where a message or a connection ends. For edits that people configure. */
bool http_edit_is_valid(const HttpEdit *edit);

/* Write the head of a parsed request or response to SIZE bytes at RET. Return its length; -ENOBUFS when it
 * does not fit or Connection names too many fields.
 *
 * A field that is set stands where its first one stood, else at the end; the rest of its name is gone.
 * Removed: Connection, Keep-Alive, Proxy-Connection, HTTP2-Settings, TE other than "trailers", what
 * Connection names (except fields that we or the framing depend on: Host, Content-Length, Transfer-Encoding,
 * Authorization, Forwarded, X-Forwarded-…), repetitions of Content-Length, and Upgrade. A request that may
 * upgrade (http_exchange()) gets Connection: Upgrade, instead of what REWRITE says, and Upgrade with those
 * protocols that may pass; of a response Upgrade stays with 101 and 426. An absolute target becomes a path
 * (RFC 9112 §3.2.1), so that a set Host is what counts; the Host that it has named is added if there was
 * none. */
ssize_t http_rewrite_request(const HttpHead *request, const HttpRewrite *rewrite, char *ret, size_t size);
ssize_t http_rewrite_response(const HttpHead *response, const HttpRewrite *rewrite, char *ret, size_t size);
