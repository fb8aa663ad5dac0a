/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The head of an HTTP/1.1 message: request or status line, and fields (RFC 9112 §2–5). Strict, so that
 * nothing behind us can read it differently: whatever is ambiguous is refused, never repaired. */

#include <sys/types.h>

#include "proto/hostname.h"
#include "proto/http-field.h"

#define HTTP_HEAD_BYTES_MAX (64 * 1024)
#define HTTP_FIELDS_MAX 256

typedef struct HttpHead {
        unsigned minor_version; /* HTTP/1.x */
        unsigned status;        /* 0: a request */
        HttpSlice first_line;   /* with its CRLF */

        /* of a response only */
        HttpSlice reason;

        /* of a request only */
        HttpSlice method;
        HttpSlice target;
        HttpSlice host_header; /* as it names it: the Host field, or an absolute target's authority */
        char host[HOSTNAME_LENGTH_MAX + 1]; /* from host_header, lower case, no port */
        uint16_t port;                      /* from host_header, 0 when absent */

        uint64_t content_length; /* 0 when absent */
        bool has_content_length;
        bool chunked;
        HttpSlice lines; /* those of the fields as they came, each with its CRLF */
        HttpField fields[HTTP_FIELDS_MAX];
        size_t n_fields;
} HttpHead;

/* Parses one request head at the start of N bytes at DATA. LIMIT (≤ HTTP_HEAD_BYTES_MAX) bounds the head. One
 * empty line (CRLF) before the request line is skipped (RFC 9112 §2.2) and counts. Returns the bytes that
 * the head takes (with its final empty line), -EAGAIN when more bytes are needed, or an error with
 * *RET_STATUS set to the answer that the visitor is owed: -EBADMSG 400 or 501 (a transfer coding that is not
 * chunked) or 505 (another major version), -EMSGSIZE 431 (head too long, too many fields) or 414 (request
 * line alone above LIMIT). *RET holds something only on success. Cheap enough to be called after each
 * arrival; what can't become a request line, and a bare LF, is refused before the head is complete.
 *
 * Refused with 400: a bare CR or LF, NUL and other control characters, white space before the colon or at a
 * line's start (folding), an empty or non-token name, no Host (1.1; 1.0 may go without: host is ""), two
 * Hosts, a Host that is none or disagrees with an absolute-form target, Content-Length twice with other
 * values, not digits, or beyond 63 bits, Content-Length with Transfer-Encoding, Transfer-Encoding in 1.0 or
 * twice or with chunked anywhere but at its end, both names with "_" for "-", the HTTP/2 preface, anything
 * before the request line, a target with a fragment, and one that is none of origin, absolute (http, https),
 * asterisk (OPTIONS) or authority (CONNECT, with a port) form. CONNECT may have an origin-form target too. */
ssize_t http_head_parse(HttpHead *ret, const char *data, size_t n, size_t limit, unsigned *ret_status);

/* The same for a response. Of the errors it has the codes only: whoever asked is owed a 502. A status line
 * may go without its last space and reason; Transfer-Encoding other than chunked is -EBADMSG, since nobody
 * asks for it, as is everything above that has a meaning in a response. */
ssize_t http_head_parse_response(HttpHead *ret, const char *data, size_t n, size_t limit);

/* What of the target stands behind the host: a path and a query, or "". */
HttpSlice http_head_path(const HttpHead *request);

/* METHOD is in capitals, as methods are. */
bool http_method_is(const HttpHead *request, const char *method);

/* The first field of that name in any letter case and the one after PREVIOUS, or NULL. */
const HttpField *http_head_find(const HttpHead *head, const char *name);
const HttpField *http_head_find_next(const HttpHead *head, const char *name, const HttpField *previous);
