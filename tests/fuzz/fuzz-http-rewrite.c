/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Of the first byte the bits say how the request came and what is asked for; the rest is its head, or a
 * response's. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "proto/forwarded.h"
#include "proto/http-framing.h"

static HttpHead head, again;
static Forwarded forwarded;
static char out[2 * HTTP_HEAD_BYTES_MAX], twice[2 * HTTP_HEAD_BYTES_MAX];

static size_t count(const HttpHead *h, const char *name) {
        const HttpField *f = NULL;
        size_t n = 0;

        while ((f = http_head_find_next(h, name, f)))
                n++;
        return n;
}

/* What was rewritten ends where it ended before, and says nothing about connections but what it should. */
static void check_same(bool connection) {
        must(again.has_content_length == head.has_content_length &&
             again.content_length == head.content_length);
        must(again.chunked == head.chunked && again.minor_version == head.minor_version);
        must(count(&again, "Content-Length") <= 1 && count(&again, "Keep-Alive") == 0);
        must(count(&again, "Connection") == connection && count(&again, "HTTP2-Settings") == 0);
}

static void check_request(const char *s, size_t n, uint8_t bits) {
        const uint8_t bytes[4] = { 10, 0, 0, bits & 1 };
        CidrList trusted = {};
        ForwardedBy by = { ip_from_v4(bytes), bits & 2, bits & 4, &trusted };
        HttpRewrite how = { forwarded.edits, 0, bits & 8 ? "close" : NULL };
        HttpExchange x, y;
        unsigned status;
        ssize_t r;

        must(cidr_list_add(&trusted, "10.0.0.1,192.0.2.0/24") == 0);
        if (http_head_parse(&head, s, n, HTTP_HEAD_BYTES_MAX, &status) > 0 &&
            forwarded_init(&forwarded, &by, &head) == 0) {
                how.n_edits = forwarded.n_edits;
                x = http_exchange(&head);
                r = http_rewrite_request(&head, &how, out, sizeof(out));
                if (r > 0) {
                        must(http_head_parse(&again, out, (size_t) r, sizeof(out), &status) == r ||
                             again.n_fields > HTTP_FIELDS_MAX - 8 || r > HTTP_HEAD_BYTES_MAX);
                        y = http_exchange(&again);
                        must(x.may_upgrade == y.may_upgrade && x.is_head == y.is_head);
                        check_same(x.may_upgrade || how.connection);
                        must(strcmp(head.host, again.host) == 0 && head.port == again.port);
                        must(count(&again, "X-Forwarded-For") == 1 &&
                             count(&again, "X-Forwarded-Proto") == 1);
                        must(http_rewrite_request(&again, &how, twice, sizeof(twice)) == r);
                } else
                        must(r == -ENOBUFS);
        }
        cidr_list_done(&trusted);
}

static void check_response(const char *s, size_t n, uint8_t bits) {
        const HttpExchange x = { bits & 1, bits & 2, bits & 4, bits & 8, bits & 16 };
        HttpRewrite how = {};
        HttpBodyKind kind;
        ssize_t r;

        if (http_head_parse_response(&head, s, n, HTTP_HEAD_BYTES_MAX) <= 0 ||
            http_response_body(&x, &head, &kind) < 0)
                return;
        how.connection = http_response_connection(&x, &head, http_response_keeps_open(&head, kind));
        r = http_rewrite_response(&head, &how, out, sizeof(out));
        if (r == -ENOBUFS)
                return;
        must(http_head_parse_response(&again, out, (size_t) r, sizeof(out)) == r ||
             head.n_fields == HTTP_FIELDS_MAX);
        check_same(how.connection);
        must(again.status == head.status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *s = (const char *) data + 1;

        if (size < 1)
                return 0;
        if (size > 6 && memcmp(s, "HTTP/", 5) == 0)
                check_response(s, size - 1, data[0]);
        else
                check_request(s, size - 1, data[0]);
        return 0;
}
