/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a message's body ends (RFC 9112 §6 and §7). Nothing is decoded or copied: the bytes go on as they
 * came, and this says how many of them may. Strict as the head is, so that whoever reads them next finds the
 * same end. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HTTP_CHUNK_BYTES_MAX (UINT64_C(1) << 62)
#define HTTP_CHUNK_DIGITS_MAX 16             /* leading zeros count */
#define HTTP_EXTENSION_BYTES_MAX (16 * 1024) /* of a message, more than the data in its chunks */
#define HTTP_TRAILER_BYTES_MAX (16 * 1024)   /* of a message */
#define HTTP_TRAILER_NAME_MAX 24 /* remembered of a trailer field's name; those refused are shorter */

typedef enum HttpBodyKind {
        HTTP_BODY_NONE,
        HTTP_BODY_LENGTH,
        HTTP_BODY_CHUNKED,
        HTTP_BODY_UNTIL_CLOSE,
        HTTP_BODY_OPAQUE, /* no HTTP any more, in both directions, until either closes: behind 101 */
} HttpBodyKind;

typedef struct HttpBody {
        HttpBodyKind kind;
        uint8_t state;            /* within a chunked one */
        uint8_t n_digits;         /* of the chunk's size */
        uint8_t n_name;           /* bytes in name */
        uint32_t extension_bytes; /* not paid for by data yet */
        uint32_t trailer_bytes;
        uint64_t left; /* bytes to come, of the body or of the chunk */
        char name[HTTP_TRAILER_NAME_MAX];
} HttpBody;

/* LENGTH is that of HTTP_BODY_LENGTH. */
void http_body_init(HttpBody *b, HttpBodyKind kind, uint64_t length);

/* Takes N bytes that follow what came before, cut anywhere. Returns how many of them are the body's, chunk
 * sizes and trailers included, to be passed on as they are: fewer than N only when it is complete. Errors:
 * -EBADMSG, or -ENOBUFS when a limit is reached; then none may be passed on.
 *
 * Refused: anything but CR LF at a line's end, a size that is not hex digits alone or above
 * HTTP_CHUNK_BYTES_MAX, white space behind it, control characters, a trailer field that is malformed, folded,
 * or must not be one (RFC 9110 §6.5.1): framing, routing, credentials, and whose request it is. */
ssize_t http_body_feed(HttpBody *b, const char *data, size_t n);

/* Takes the bytes to come that are the body's whatever they are, unseen. Returns their number: 0 when the
 * next one has to be looked at, or there is none; INT64_MAX when all are. */
int64_t http_body_skip(HttpBody *b);

/* Nothing of the body is to come. */
bool http_body_is_complete(const HttpBody *b);

/* The sender has closed: true when the body may end there, false when it was cut off. */
bool http_body_may_end(const HttpBody *b);
