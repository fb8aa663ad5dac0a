/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "client/decode.h"

#define HELLO "hello hello hello"

/* "hello hello hello", as gzip, deflate (with zlib's header and without) and brotli have it. */
static const char gzip[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x00"
                           "\x80\x88\xf9\xe5\x11\x00\x00\x00";
static const char zlib_text[] = "\x78\x9c\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x00\x3a\x2e\x06\x7d";
static const char raw[] = "\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x00";
static const char brotli[] = "\x1b\x10\x00\x00\x24\x40\x6a\x10\x64\xea\xf0\x9c\x1e";

static Decoded body;

static void decode(const char *fields, const char *wire, size_t n, bool is_part, size_t max) {
        _cleanup_free_ char *text = str_format("HTTP/1.1 200 OK\r\n%s\r\n", fields);
        HttpHead head;

        free(body.data);
        body = (Decoded){};
        assert_true(http_head_parse_response(&head, text, strlen(text), HTTP_HEAD_BYTES_MAX) > 0);
        assert_int_equal(decode_body(&head, wire, n, is_part, max, &body), 0);
}

static void expect(const char *text, bool is_cut, bool has_fault) {
        assert_int_equal(body.n, strlen(text));
        assert_memory_equal(body.data, text, body.n);
        assert_int_equal(body.is_cut, is_cut);
        assert_int_equal(body.fault != NULL, has_fault);
}

static int tear_down(void **state _unused_) {
        free(body.data);
        body = (Decoded){};
        return 0;
}

#define WHOLE(data) data, sizeof(data) - 1, false, 1000

static void test_codings_are_taken_off(void **state _unused_) {
        decode("", WHOLE("plain"));
        expect("plain", false, false);
        decode("Content-Encoding: gzip\r\n", WHOLE(gzip));
        expect(HELLO, false, false);
        decode("Content-Encoding: X-GZIP\r\n", WHOLE(gzip));
        expect(HELLO, false, false);
        decode("Content-Encoding: deflate\r\n", WHOLE(zlib_text));
        expect(HELLO, false, false);
        decode("Content-Encoding: deflate\r\n", WHOLE(raw));
        expect(HELLO, false, false);
        decode("Content-Encoding: br\r\n", WHOLE(brotli));
        expect(HELLO, false, false);
        decode("Content-Encoding: identity\r\n", WHOLE("plain"));
        expect("plain", false, false);
}

static void test_chunks_are_joined(void **state _unused_) {
        decode("Transfer-Encoding: chunked\r\n", WHOLE("3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n"));
        expect("abcde", false, false);
        decode("Transfer-Encoding: chunked\r\n", "5\r\nab", 5, true, 1000);
        expect("ab", true, false);
        decode("Transfer-Encoding: chunked\r\n", WHOLE("3\r\nabcXX"));
        expect("abc", false, true);
}

static void test_of_a_part_the_beginning_shows(void **state _unused_) {
        decode("Content-Encoding: gzip\r\n", gzip, sizeof(gzip) - 12, true, 1000);
        assert_true(body.n > 0 && body.is_cut && !body.fault);
        assert_memory_equal(body.data, HELLO, body.n);
        decode("Content-Encoding: gzip\r\n", gzip, sizeof(gzip) - 12, false, 1000);
        assert_true(body.n > 0 && body.fault);
}

static void test_what_can_not_be_decoded_stays(void **state _unused_) {
        decode("Content-Encoding: gzip\r\n", WHOLE("nonsense"));
        expect("nonsense", false, true);
        decode("Content-Encoding: zstd\r\n", WHOLE("nonsense"));
        expect("nonsense", false, true);
        decode("Content-Encoding: br, br, br, br\r\n", WHOLE("nonsense"));
        expect("nonsense", false, true);
}

static void test_a_bomb_ends_at_the_limit(void **state _unused_) {
        decode("Content-Encoding: gzip\r\n", gzip, sizeof(gzip) - 1, false, 5);
        expect("hello", true, false);
        decode("Content-Encoding: br\r\n", brotli, sizeof(brotli) - 1, false, 5);
        expect("hello", true, false);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(test_codings_are_taken_off, tear_down),
                cmocka_unit_test_teardown(test_chunks_are_joined, tear_down),
                cmocka_unit_test_teardown(test_of_a_part_the_beginning_shows, tear_down),
                cmocka_unit_test_teardown(test_what_can_not_be_decoded_stays, tear_down),
                cmocka_unit_test_teardown(test_a_bomb_ends_at_the_limit, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
