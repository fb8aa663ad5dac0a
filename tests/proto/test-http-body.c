/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/str.h"
#include "proto/http-body.h"

/* Feeds N bytes in pieces of STEP. Returns how many are the body's, or the error. */
static ssize_t feed(HttpBody *b, const char *s, size_t n, size_t step) {
        size_t i = 0;

        while (i < n && !http_body_is_complete(b)) {
                ssize_t k = http_body_feed(b, s + i, MIN(step, n - i));

                if (k < 0)
                        return k;
                if ((size_t) k < MIN(step, n - i))
                        assert_true(http_body_is_complete(b));
                i += (size_t) k;
        }
        return (ssize_t) i;
}

static void check_chunked(const char *s, size_t n, ssize_t result, bool complete) {
        for (size_t step = 1; step <= n + 1; step++) {
                HttpBody b;
                ssize_t r;

                http_body_init(&b, HTTP_BODY_CHUNKED, 0);
                r = feed(&b, s, n, step);
                if (r != result || http_body_is_complete(&b) != complete || http_body_may_end(&b) != complete)
                        fail_msg("%zd for \"%s\" in pieces of %zu", r, s, step);
        }
}

static void test_whole_chunked_bodies(void **state) {
        static const char *const cases[] = {
                "0\r\n\r\n",
                "5\r\nhello\r\n0\r\n\r\n",
                "00005\r\nhello\r\n000\r\n\r\n",
                "A\r\n0123456789\r\na\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
                "1\r\na\r\n1\r\nb\r\n2\r\ncd\r\n0\r\n\r\n",
                "5;x\r\nhello\r\n0;y=\"z;\\\" \t\"\r\n\r\n",
                "5;\r\nhello\r\n0\r\n\r\n",
                "5; a = b ; c\r\nhello\r\n0\r\n\r\n",
                "0\r\nExpires: never\r\n\r\n",
                "0\r\nA:\r\nB: \t c\xc3\xa4 \r\n\r\n",
                "0\r\nX-Checksum-Of-What-Was-Sent-Before: 1\r\n\r\n",
                "0\r\nHosts: 1\r\nX-Forwarded: 1\r\nTransfer-Encodings: 1\r\n\r\n",
                "0000000000000000\r\n\r\n",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *s = str_format("%sGET / HTTP/1.1\r\n", cases[i]);

                check_chunked(cases[i], strlen(cases[i]), (ssize_t) strlen(cases[i]), true);
                check_chunked(s, strlen(s), (ssize_t) strlen(cases[i]),
                              true); /* what follows is not its own */
                for (size_t n = 0; n < strlen(cases[i]); n++)
                        check_chunked(cases[i], n, (ssize_t) n, false);
        }
}

static void test_bad_chunks_are_refused(void **state) {
        static const char *const cases[] = {
                "\r\n", "\n", " 5\r\n", "\t5\r\n", "5 \r\n", "5 ;x\r\n", "5\t\r\n", "+5\r\n", "-5\r\n",
                "0x5\r\n", "x5\r\n", "5x\r\n",
                "5_0\r\n", "5.\r\n", "5,5\r\n", "g\r\n", ";x\r\n", "\"5\"\r\n",
                "5\nhello",                      /* bare LF */
                "5\rhello", "5\r\rhello", "5;x\nhello", "5;x\ry", "5;\x01", "5;\x7f",
                "5\r\nhello\n", "5\r\nhello0\r\n", "5\r\nhello\r0", "5\r\nhelloo\r\n", "5\r\nhello\r\r\n",
                "5\r\nhello\n\r\n",
                "0\n\r\n", "0\r\n\n", "0\r\n\rX", "0\r\r\n\r\n",
                "10000000000000000\r\n",         /* 2^64: 17 digits */
                "00000000000000005\r\n",
                "4000000000000001\r\n",          /* 2^62 + 1 */
                "ffffffffffffffff\r\n", "FFFFFFFFFFFFFFF6\r\n", "8000000000000000\r\n",
                "0\r\n: x\r\n\r\n",              /* trailers */
                "0\r\nX\r\n\r\n", "0\r\nX : y\r\n", "0\r\n X: y\r\n", "0\r\nX: y\r\n z\r\n", "0\r\nX: y\n",
                "0\r\nX: y\rz", "0\r\nX: \x01",
                "0\r\nX Y: z\r\n", "0\r\n\xc3\xa4: z\r\n", "0\r\nX: y\r\n\n",
                "0\r\nContent-Length: 5\r\n", "0\r\ntransfer-encoding: chunked\r\n",
                "0\r\nA: b\r\nHost: a\r\n", "0\r\nConnection: x\r\n",
                "0\r\nUpgrade: x\r\n", "0\r\nTE: x\r\n", "0\r\nTrailer: x\r\n",
                "0\r\nExpect: 100-continue\r\n",
                "0\r\nAuthorization: x\r\n", "0\r\nForwarded: for=1\r\n", "0\r\nX-Forwarded-For: 1\r\n",
                "0\r\nx_forwarded_proto: https\r\n", "0\r\nContent_Length: 5\r\n", "0\r\nX-Forwarded-: 1\r\n",
                "0\r\nGET / HTTP/1.1\r\n\r\n",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_chunked(cases[i], strlen(cases[i]), -EBADMSG, false);
        check_chunked("5\0\r\n", 4, -EBADMSG, false);
        check_chunked("5;a\0\r\n", 6, -EBADMSG, false);
        check_chunked("0\r\nX\0: a\r\n", 9, -EBADMSG, false);
        check_chunked("0\r\nX: \0\r\n", 8, -EBADMSG, false);
}

static void test_the_largest_chunk_has_2_62_bytes(void **state) {
        static char data[1024];
        HttpBody b;

        (void) state;
        http_body_init(&b, HTTP_BODY_CHUNKED, 0);
        assert_int_equal(feed(&b, "4000000000000000\r\n", 18, 18), 18);
        assert_int_equal(http_body_feed(&b, data, sizeof(data)), sizeof(data));
        assert_int_equal(b.left, HTTP_CHUNK_BYTES_MAX - sizeof(data));
        assert_false(http_body_is_complete(&b));
}

static void test_extensions_are_paid_for_by_data(void **state) {
        static char line[HTTP_EXTENSION_BYTES_MAX + 3];
        HttpBody b;

        (void) state;
        memset(line, 'x', sizeof(line));
        memcpy(line, "1;", 2);
        http_body_init(&b, HTTP_BODY_CHUNKED, 0);
        assert_int_equal(http_body_feed(&b, line, sizeof(line) - 1), sizeof(line) - 1);
        assert_int_equal(http_body_feed(&b, "x", 1), -ENOBUFS);

        http_body_init(&b, HTTP_BODY_CHUNKED, 0); /* as those who sign each chunk do */
        memcpy(line, "100;", 4);
        memcpy(line + 256, "\r\n", 2);
        memcpy(line + 258 + 256, "\r\n", 2);
        for (unsigned i = 0; i < 1000; i++)
                assert_int_equal(http_body_feed(&b, line, 258 + 258), 258 + 258);

        http_body_init(&b, HTTP_BODY_CHUNKED, 0); /* many small ones without data to speak of */
        for (unsigned i = 0; i < HTTP_EXTENSION_BYTES_MAX / 2 - 1; i++)
                assert_int_equal(http_body_feed(&b, "1;xyz\r\na\r\n", 10), 10);
        assert_int_equal(http_body_feed(&b, "1;xyz\r\na\r\n", 10), -ENOBUFS);
}

static void test_trailers_are_bounded(void **state) {
        static char line[HTTP_TRAILER_BYTES_MAX];
        HttpBody b;

        (void) state;
        memset(line, 'x', sizeof(line));
        http_body_init(&b, HTTP_BODY_CHUNKED, 0);
        assert_int_equal(http_body_feed(&b, "0\r\n", 3), 3);
        assert_int_equal(http_body_feed(&b, line, sizeof(line)), sizeof(line));
        assert_int_equal(http_body_feed(&b, "x", 1), -ENOBUFS);
        http_body_init(&b, HTTP_BODY_CHUNKED, 0);
        assert_int_equal(http_body_feed(&b, "0\r\n", 3), 3);
        for (unsigned i = 0; i < HTTP_TRAILER_BYTES_MAX / 8; i++)
                assert_int_equal(http_body_feed(&b, "abc: d\r\n", 8), 8);
        assert_int_equal(http_body_feed(&b, "\r", 1), -ENOBUFS);
}

static void test_a_body_of_known_length(void **state) {
        HttpBody b;

        (void) state;
        http_body_init(&b, HTTP_BODY_LENGTH, 10);
        assert_int_equal(http_body_feed(&b, "hello", 5), 5);
        assert_false(http_body_is_complete(&b));
        assert_false(http_body_may_end(&b));
        assert_int_equal(http_body_feed(&b, "worldGET /", 10), 5);
        assert_true(http_body_is_complete(&b));
        assert_true(http_body_may_end(&b));
        assert_int_equal(http_body_feed(&b, "GET /", 5), 0);
        http_body_init(&b, HTTP_BODY_LENGTH, 0);
        assert_true(http_body_is_complete(&b));
        http_body_init(&b, HTTP_BODY_LENGTH, INT64_MAX);
        assert_int_equal(http_body_feed(&b, "x", 1), 1);
        assert_int_equal(b.left, INT64_MAX - 1);
}

static void test_no_body_takes_nothing(void **state) {
        HttpBody b;

        (void) state;
        http_body_init(&b, HTTP_BODY_NONE, 5);
        assert_int_equal(http_body_feed(&b, "hello", 5), 0);
        assert_true(http_body_is_complete(&b));
        assert_true(http_body_may_end(&b));
}

static void test_a_body_until_close_takes_all(void **state) {
        static const HttpBodyKind kinds[] = { HTTP_BODY_UNTIL_CLOSE, HTTP_BODY_OPAQUE };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                HttpBody b;

                http_body_init(&b, kinds[i], 0);
                assert_int_equal(http_body_feed(&b, "0\r\n\r\n\0x", 7), 7);
                assert_false(http_body_is_complete(&b));
                assert_true(http_body_may_end(&b));
        }
}

static void test_what_needs_no_look_is_skipped(void **state) {
        HttpBody b;

        (void) state;
        http_body_init(&b, HTTP_BODY_NONE, 0);
        assert_int_equal(http_body_skip(&b), 0);
        http_body_init(&b, HTTP_BODY_LENGTH, 10);
        assert_int_equal(http_body_feed(&b, "abc", 3), 3);
        assert_int_equal(http_body_skip(&b), 7);
        assert_true(http_body_is_complete(&b));
        http_body_init(&b, HTTP_BODY_CHUNKED, 0);
        assert_int_equal(http_body_skip(&b), 0);
        assert_int_equal(http_body_feed(&b, "10\r\nab", 6), 6);
        assert_int_equal(http_body_skip(&b), 14);
        assert_int_equal(http_body_skip(&b), 0);
        assert_int_equal(http_body_feed(&b, "\r\n0\r\n\r\nX", 8), 7);
        assert_true(http_body_is_complete(&b));
        assert_int_equal(http_body_skip(&b), 0);
        http_body_init(&b, HTTP_BODY_UNTIL_CLOSE, 0);
        assert_int_equal(http_body_skip(&b), INT64_MAX);
        assert_true(http_body_may_end(&b));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whole_chunked_bodies),
                cmocka_unit_test(test_bad_chunks_are_refused),
                cmocka_unit_test(test_the_largest_chunk_has_2_62_bytes),
                cmocka_unit_test(test_extensions_are_paid_for_by_data),
                cmocka_unit_test(test_trailers_are_bounded),
                cmocka_unit_test(test_a_body_of_known_length),
                cmocka_unit_test(test_no_body_takes_nothing),
                cmocka_unit_test(test_a_body_until_close_takes_all),
                cmocka_unit_test(test_what_needs_no_look_is_skipped),
        };

        return cmocka_run_group_tests_name("proto/http-body", tests, NULL, NULL);
}
