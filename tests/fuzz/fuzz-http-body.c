/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first byte is the kind of body, the second the size of the pieces, the rest what comes. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "proto/http-body.h"

#define LENGTH 300

/* Feeds in pieces; where does it end, and how? */
static ssize_t feed(HttpBody *b, const char *s, size_t n, size_t step) {
        size_t i = 0;

        while (i < n && !http_body_is_complete(b)) {
                size_t piece = MIN(step, n - i);
                ssize_t k = http_body_feed(b, s + i, piece);

                if (k < 0)
                        return k;
                must((size_t) k == piece || ((size_t) k < piece && http_body_is_complete(b)));
                i += (size_t) k;
        }
        return (ssize_t) i;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *s = (const char *) data + 2;
        HttpBodyKind kind;
        HttpBody at_once, in_pieces;
        ssize_t r;

        if (size < 2)
                return 0;
        size -= 2;
        kind = data[0] % (HTTP_BODY_OPAQUE + 1);
        http_body_init(&at_once, kind, LENGTH);
        http_body_init(&in_pieces, kind, LENGTH);
        r = feed(&at_once, s, size, size);
        must(feed(&in_pieces, s, size, data[1] + 1U) == r);
        if (kind != HTTP_BODY_CHUNKED)
                must(r == (ssize_t) (kind == HTTP_BODY_NONE     ? 0
                                     : kind == HTTP_BODY_LENGTH ? MIN(size, LENGTH)
                                                                : size));
        if (r < 0) {
                must(r == -EBADMSG || r == -ENOBUFS);
                return 0;
        }
        must(http_body_is_complete(&at_once) == http_body_is_complete(&in_pieces));
        must(at_once.left == in_pieces.left && at_once.left <= HTTP_CHUNK_BYTES_MAX);
        must(at_once.extension_bytes <= HTTP_EXTENSION_BYTES_MAX);
        if (kind == HTTP_BODY_CHUNKED && http_body_is_complete(&at_once))
                must(r >= 5 && memcmp(s + r - 4, "\r\n\r\n", 4) == 0);
        return 0;
}
