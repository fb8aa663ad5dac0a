/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is sent to make two readers of one connection see different requests. Each trick is read as a
 * visitor's connection is: heads, bodies, and what is passed on. It ends in a refusal, or in requests that
 * nobody can read otherwise. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "proto/http-framing.h"
#include "proto/http-rewrite.h"

#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define SMUGGLED "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

typedef struct Outcome {
        unsigned n_requests; /* that were passed on */
        unsigned status;     /* of the refusal, 0: none; 400 also for a bad body */
} Outcome;

/* Reads one request at *P, and moves *P behind it. Returns the status of a refusal, or 0. */
static unsigned read_request(const char **p, const char *end) {
        static const HttpRewrite nothing;
        static HttpHead head, again;
        char out[2048];
        unsigned status = 0;
        HttpBody body;
        ssize_t r = http_head_parse(&head, *p, (size_t) (end - *p), HTTP_HEAD_BYTES_MAX, &status);

        if (r < 0)
                return status;
        *p += r;
        r = http_rewrite_request(&head, &nothing, out, sizeof(out));
        assert_true(r > 0);
        assert_int_equal(http_head_parse(&again, out, (size_t) r, sizeof(out), &status), r);
        assert_int_equal(http_request_body(&head), http_request_body(&again));
        assert_int_equal(head.content_length, again.content_length);
        http_body_init(&body, http_request_body(&head), head.content_length);
        r = http_body_feed(&body, *p, (size_t) (end - *p));
        if (r < 0)
                return 400;
        *p += r;
        return 0;
}

static Outcome read_connection(const char *s, size_t n) {
        const char *end = s + n;
        Outcome o = {};

        while (s < end && o.status == 0) {
                o.status = read_request(&s, end);
                o.n_requests += o.status == 0;
        }
        return o;
}

typedef struct Trick {
        const char *bytes;
        Outcome outcome;
} Trick;

static void check_all(const Trick *tricks, size_t n) {
        for (size_t i = 0; i < n; i++) {
                Outcome o = read_connection(tricks[i].bytes, strlen(tricks[i].bytes));

                if (o.n_requests != tricks[i].outcome.n_requests || o.status != tricks[i].outcome.status)
                        fail_msg("%u requests, %u for \"%s\"", o.n_requests, o.status, tricks[i].bytes);
        }
}

static void test_lengths_have_one_reading(void **state) {
        static const Trick tricks[] = {
                { POST "Content-Length: 6\r\n" CHUNKED "\r\n0\r\n\r\nG", { 0, 400 } },
                { POST CHUNKED "Content-Length: 3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n", { 0, 400 } },
                { POST "Content-Length: 6\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\nG", { 0, 400 } },
                { POST "Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello", { 0, 400 } },
                { POST "Content-Length: 5, 0\r\n\r\nhello", { 0, 400 } },
                { POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" SMUGGLED, { 2, 0 } },
                { POST "Content-Length: 5\r\nContent_Length: 0\r\n\r\nhello", { 0, 400 } },
                { POST "Content-Length : 5\r\n\r\nhello", { 0, 400 } },
                { POST "Content-Length: +5\r\n\r\nhello", { 0, 400 } },
                { POST "Content-Length: 0x5\r\n\r\nhello", { 0, 400 } },
                { POST "Content-Length: 5 5\r\n\r\nhello", { 0, 400 } },
                { POST "Content-Length:\v5\r\n\r\nhello", { 0, 400 } },
                { POST "Content-Length:\r\n 5\r\n\r\nhello", { 0, 400 } },
                { POST "Content-Length: 18446744073709551616\r\n\r\n", { 0, 400 } },
                { POST "X: y\rContent-Length: 5\r\n\r\nhello", { 0, 400 } },
        };

        (void) state;
        check_all(tricks, ELEMENTSOF(tricks));
}

static void test_codings_have_one_reading(void **state) {
        static const Trick tricks[] = {
                { POST CHUNKED "Transfer-Encoding: x\r\n\r\n0\r\n\r\n", { 0, 400 } },
                { POST CHUNKED "Transfer-encoding: identity\r\n\r\n0\r\n\r\n", { 0, 400 } },
                { POST "Transfer-Encoding: xchunked\r\n\r\n", { 0, 501 } },
                { POST "Transfer-Encoding : chunked\r\n\r\n", { 0, 400 } },
                { POST "Transfer-Encoding\t: chunked\r\n\r\n", { 0, 400 } },
                { POST " Transfer-Encoding: chunked\r\n\r\n", { 0, 400 } },
                { POST "X: X\nTransfer-Encoding: chunked\r\n\r\n", { 0, 400 } },
                { POST "Transfer-Encoding\r\n : chunked\r\n\r\n", { 0, 400 } },
                { POST "Transfer-Encoding:\r\n chunked\r\n\r\n", { 0, 400 } },
                { POST "Transfer-Encoding: \x0b"
                       "chunked\r\n\r\n",
                  { 0, 400 } },
                { POST "Transfer-Encoding: \x0c"
                       "chunked\r\n\r\n",
                  { 0, 400 } },
                { POST "Transfer-Encoding: chunked\x0b\r\n\r\n", { 0, 400 } },
                { POST "Transfer-Encoding: chunk\r\n\r\n", { 0, 501 } },
                { POST "Transfer-Encoding: 'chunked'\r\n\r\n", { 0, 501 } },
                { POST "Transfer-Encoding: \"chunked\"\r\n\r\n", { 0, 400 } },
                { POST "Transfer-Encoding: chunked, identity\r\n\r\n", { 0, 400 } },
                { POST "Transfer-Encoding: identity, chunked\r\n\r\n", { 0, 501 } },
                { POST "Transfer-Encoding: chunked;a=b\r\n\r\n", { 0, 400 } },
                { POST "Transfer-Encoding: \xe2\x80\x8b"
                       "chunked\r\n\r\n",
                  { 0, 400 } },
                { POST "Transfer-Encoding: \xc2\xa0"
                       "chunked\r\n\r\n",
                  { 0, 400 } },
                { POST "Transfer-Encoding:\tchunked\t\r\n\r\n0\r\n\r\n" SMUGGLED,
                  { 2, 0 } }, /* white space as allowed */
                { POST "Transfer-Encoding:chunked\r\n\r\n0\r\n\r\n" SMUGGLED, { 2, 0 } },
                { "POST / HTTP/1.0\r\nHost: a\r\n" CHUNKED "\r\n0\r\n\r\n" SMUGGLED, { 0, 400 } },
                { POST "Foo: bar\r\n\rTransfer-Encoding: chunked\r\n\r\n", { 0, 400 } },
        };

        (void) state;
        check_all(tricks, ELEMENTSOF(tricks));
}

static void test_chunks_have_one_reading(void **state) {
        static const Trick tricks[] = {
                { POST CHUNKED "\r\n5\nhello\r\n0\r\n\r\n", { 0, 400 } },
                { POST CHUNKED "\r\n5;\nhello\r\n0\r\n\r\n", { 0, 400 } }, /* TERM.EXT, EXT.TERM */
                { POST CHUNKED "\r\n5;x\rhello\r\n0\r\n\r\n", { 0, 400 } },
                { POST CHUNKED "\r\n5\r\nhello\n0\r\n\r\n", { 0, 400 } }, /* TERM.SPILL */
                { POST CHUNKED "\r\n5\r\nhelloXX0\r\n\r\n", { 0, 400 } },
                { POST CHUNKED "\r\n5\r\nhello\r\n0\r\n\n", { 0, 400 } },
                { POST CHUNKED "\r\n5\r\nhello\r\n0\n\n" SMUGGLED, { 0, 400 } },
                { POST CHUNKED "\r\n0x5\r\nhello\r\n0\r\n\r\n", { 0, 400 } },
                { POST CHUNKED "\r\n5 \r\nhello\r\n0\r\n\r\n", { 0, 400 } },
                { POST CHUNKED "\r\n-1\r\n", { 0, 400 } },
                { POST CHUNKED "\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", { 0, 400 } },
                { POST CHUNKED "\r\nFFFFFFFFFFFFFFFF\r\n", { 0, 400 } },
                { POST CHUNKED "\r\n\r\n0\r\n\r\n", { 0, 400 } },
                { POST CHUNKED "\r\n0\r\nContent-Length: 5\r\n\r\n", { 0, 400 } },
                { POST CHUNKED "\r\n0\r\nX:\r\n y\r\n\r\n", { 0, 400 } },
                { POST CHUNKED "\r\n0;x=\"\r\n\r\n" SMUGGLED "\"\r\n\r\n",
                  { 2, 400 } }, /* quotes end with their line */
                { POST CHUNKED "\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n" SMUGGLED, { 2, 0 } },
        };

        (void) state;
        check_all(tricks, ELEMENTSOF(tricks));
}

static void test_heads_have_one_reading(void **state) {
        static const Trick tricks[] = {
                { "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", { 0, 400 } },
                { "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", { 0, 400 } },
                { "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", { 0, 400 } },
                { "GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n", { 0, 400 } },
                { "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", { 0, 400 } },
                { "GET / HTTP/1.1\r\nX\r\nHost: a\r\n\r\n", { 0, 400 } },
                { "GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n", { 0, 400 } },
                { "GET / HTTP/1.1\r\n\r\n" SMUGGLED, { 0, 400 } },
                { "GET /\r\n" SMUGGLED, { 0, 400 } }, /* HTTP/0.9 */
                { "GET / HTTP/1.1\r\nHost: a\n\n" SMUGGLED, { 0, 400 } },
                { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", { 0, 400 } },
                { "POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\nContent-Length: 32\r\n\r\n" SMUGGLED,
                  { 1, 0 } },
                { POST "Connection: Transfer-Encoding\r\n" CHUNKED "\r\n20\r\n" SMUGGLED "\r\n0\r\n\r\n",
                  { 1, 0 } },
        };

        (void) state;
        check_all(tricks, ELEMENTSOF(tricks));
}

static void test_bodies_that_nobody_expects_are_bodies(void **state) {
        static const Trick tricks[] = {
                { "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\n\r\n" SMUGGLED, { 1, 0 } },
                { "HEAD / HTTP/1.1\r\nHost: a\r\n" CHUNKED "\r\n20\r\n" SMUGGLED "\r\n0\r\n\r\n", { 1, 0 } },
                { "OPTIONS / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 32\r\n\r\n" SMUGGLED,
                  { 1, 0 } },
        };

        (void) state;
        check_all(tricks, ELEMENTSOF(tricks));
}

static void test_an_upgrade_that_nobody_has_accepted_is_none(void **state) {
        static const Trick tricks[] = {
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n" SMUGGLED,
                  { 2, 0 } },
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n" SMUGGLED,
                  { 2, 0 } },
        };

        (void) state;
        check_all(tricks, ELEMENTSOF(tricks));
}

static void test_pipelining_is_no_trick(void **state) {
        static const Trick tricks[] = {
                { POST "Content-Length: 5\r\n\r\nhello" POST CHUNKED "\r\n0\r\n\r\n" SMUGGLED, { 3, 0 } },
        };

        (void) state;
        check_all(tricks, ELEMENTSOF(tricks));
}

static void test_nul_bytes_are_refused_everywhere(void **state) {
        static const char request[] = POST CHUNKED "\r\n5;x\r\nhello\r\n0\r\nA: b\r\n\r\n";
        const size_t n = sizeof(request) - 1, data = (size_t) (strstr(request, "hello") - request);
        char copy[sizeof(request)];

        (void) state;
        for (size_t i = 0; i < n; i++) {
                Outcome o;

                memcpy(copy, request, n);
                copy[i] = '\0';
                o = read_connection(copy, n);
                assert_int_equal(o.status, i >= data && i < data + 5 ? 0 : 400);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lengths_have_one_reading),
                cmocka_unit_test(test_codings_have_one_reading),
                cmocka_unit_test(test_chunks_have_one_reading),
                cmocka_unit_test(test_heads_have_one_reading),
                cmocka_unit_test(test_bodies_that_nobody_expects_are_bodies),
                cmocka_unit_test(test_an_upgrade_that_nobody_has_accepted_is_none),
                cmocka_unit_test(test_pipelining_is_no_trick),
                cmocka_unit_test(test_nul_bytes_are_refused_everywhere),
        };

        return cmocka_run_group_tests_name("proto/http-smuggling", tests, NULL, NULL);
}
