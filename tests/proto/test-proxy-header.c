/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/str.h"
#include "proto/proxy-header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\x21\x11\x00\x0c\xc0\x00\x02\x01\x0a\x00\x00\x01\xd4\x31\x01\xbb"
#define SOURCE6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define DESTINATION6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"

static ProxyHeader h;

/* Parses N bytes that lie alone in memory, so that a sanitizer sees a read behind them. */
static ssize_t parse(const void *data, size_t n) {
        _cleanup_free_ char *copy = malloc(n);

        memcpy(copy, data, n);
        return proxy_header_parse(&h, copy, n);
}

/* The N bytes at S are a whole header, whatever follows, and no prefix of them is one. */
static void parse_whole(const char *s, size_t n) {
        _cleanup_free_ char *longer = calloc(1, n + 3);

        memcpy(longer, s, n);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(parse(s, i), -EAGAIN);
        assert_int_equal(parse(s, n), n);
        assert_int_equal(parse(longer, n + 3), n);
}

/* Refused, once and for all. */
static void check_refused(const char *s, size_t n) {
        bool refused = false;

        for (size_t i = 0; i <= n; i++) {
                ssize_t r = parse(s, i);

                if (r != -EBADMSG && (r != -EAGAIN || refused))
                        fail_msg("%zd for \"%.*s\"", r, (int) i, s);
                refused = r == -EBADMSG;
        }
        if (!refused)
                fail_msg("\"%.*s\"", (int) n, s);
}

static void assert_header(const char *source, unsigned source_port, const char *destination, unsigned port) {
        char a[IP_TEXT_MAX], b[IP_TEXT_MAX];

        assert_true(h.known);
        assert_string_equal(ip_format(&h.source, a), source);
        assert_string_equal(ip_format(&h.destination, b), destination);
        assert_int_equal(h.source_port, source_port);
        assert_int_equal(h.destination_port, port);
}

static void test_lines_of_version_1(void **state) {
        static const struct {
                const char *line, *source, *destination; /* source NULL: unknown */
                unsigned source_port, destination_port;
        } cases[] = {
                { "PROXY TCP4 192.0.2.1 10.0.0.1 54321 443", "192.0.2.1", "10.0.0.1", 54321, 443 },
                { "PROXY TCP4 255.255.255.255 0.0.0.0 65535 0", "255.255.255.255", "0.0.0.0", 65535, 0 },
                { "PROXY TCP6 2001:db8::1 ::1 1 2", "2001:db8::1", "::1", 1, 2 },
                { "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2", "192.0.2.1", "::1", 1, 2 },
                { "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
                  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535,
                  65535 },
                { "PROXY UNKNOWN", NULL, NULL, 0, 0 },
                { "PROXY UNKNOWN ffff::1 whatever \x01 that is 5 6", NULL, NULL, 0, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *s = str_format("%s\r\n", cases[i].line);

                parse_whole(s, strlen(s));
                if (cases[i].source)
                        assert_header(cases[i].source, cases[i].source_port, cases[i].destination,
                                      cases[i].destination_port);
                else
                        assert_false(h.known);
        }
}

static void test_bad_lines_of_version_1_are_refused(void **state) {
        static const char *const cases[] = {
                "GET / HTTP/1.1\r\n",
                "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
                " PROXY UNKNOWN\r\n",
                "PROXY\tUNKNOWN\r\n",
                "PROXY \r\n",
                "PROXY TCP4\r\n",
                "PROXY TCP4 \r\n",
                "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
                "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
                "PROXY UNKNOWNS\r\n",
                "PROXY unknown\r\n",
                "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
                "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
                "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
                "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
                "PROXY TCP4 1.2.3.4 1.2.3.4 1  2\r\n",
                "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
                "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
                "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
                "PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n",
                "PROXY TCP4 1.2.3.4 1.2.3 1 2\r\n",
                "PROXY TCP4 1.2.3.4 ::1 1 2\r\n",
                "PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n",
                "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
                "PROXY TCP6 ::1 1.2.3.4 1 2\r\n",
                "PROXY TCP6 [::1] ::1 1 2\r\n",
                "PROXY TCP6 ::1%lo ::1 1 2\r\n",
                "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
                "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rX",
                "PROXY UNKNOWN a\nb\r\n",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_refused(cases[i], strlen(cases[i]));
        check_refused("PROXY UNKNOWN \0\r\n", 17);
        check_refused("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n", 33);
}

static void test_a_line_has_107_bytes_at_most(void **state) {
        char s[PROXY_HEADER_V1_BYTES_MAX + 2];

        (void) state;
        memset(s, 'x', sizeof(s));
        memcpy(s, "PROXY UNKNOWN ", 14);
        memcpy(s + PROXY_HEADER_V1_BYTES_MAX - 2, "\r\n", 2);
        parse_whole(s, PROXY_HEADER_V1_BYTES_MAX);
        memcpy(s + PROXY_HEADER_V1_BYTES_MAX - 2, "x\r\n", 3);
        assert_int_equal(parse(s, PROXY_HEADER_V1_BYTES_MAX - 1), -EAGAIN);
        assert_int_equal(parse(s, PROXY_HEADER_V1_BYTES_MAX), -ENOBUFS);
        assert_int_equal(parse(s, PROXY_HEADER_V1_BYTES_MAX + 1), -ENOBUFS);
}

#define PARSE(s) parse_whole((s), sizeof(s) - 1)
#define REFUSE(s) check_refused((s), sizeof(s) - 1)

static void test_headers_of_version_2(void **state) {
        (void) state;
        PARSE(SIGNATURE V4);
        assert_header("192.0.2.1", 54321, "10.0.0.1", 443);
        PARSE(SIGNATURE "\x21\x21\x00\x24" SOURCE6 DESTINATION6 "\0\1\0\2");
        assert_header("2001:db8::1", 1, "2001:db8::2", 2);
        PARSE(SIGNATURE "\x21\x11\x00\x13\xc0\x00\x02\x01\x0a\x00\x00\x01\xd4\x31\x01\xbb"
                        "\x04\0\1x"
                        "\x05\0\0");
        assert_header("192.0.2.1", 54321, "10.0.0.1", 443);
        PARSE(SIGNATURE "\x20\x00\x00\x00");
        assert_false(h.known);
        PARSE(SIGNATURE "\x20\x11\x00\x0c" "123456789012"); /* LOCAL: nothing counts */
        assert_false(h.known);
        PARSE(SIGNATURE "\x20\x99\x00\x02" "12");
        PARSE(SIGNATURE "\x21\x00\x00\x05" "12345");
        assert_false(h.known);
}

static void test_a_unix_sockets_header_is_skipped(void **state) {
        char s[16 + 216] = SIGNATURE "\x21\x31\x00\xd8";

        (void) state;
        parse_whole(s, sizeof(s));
        assert_false(h.known);
        s[15] = (char) 0xd7;
        check_refused(s, sizeof(s) - 1);
}

static void test_bad_headers_of_version_2_are_refused(void **state) {
        (void) state;
        REFUSE("\r\n\r\n\0\r\nQUIT\r");
        REFUSE("\r\n\r\nG");
        REFUSE(SIGNATURE "\x11");
        REFUSE(SIGNATURE "\x31");
        REFUSE(SIGNATURE "\x22");
        REFUSE(SIGNATURE "\x21\x12\x00\x0c" "123456789012"); /* UDP */
        REFUSE(SIGNATURE "\x21\x22\x00\x24" SOURCE6 DESTINATION6 "1234");
        REFUSE(SIGNATURE "\x21\x32\x00\x00");
        REFUSE(SIGNATURE "\x21\x10\x00\x0c" "123456789012");
        REFUSE(SIGNATURE "\x21\x41\x00\x00");
        REFUSE(SIGNATURE "\x21\x11\x00\x0b" "12345678901");
        REFUSE(SIGNATURE "\x21\x21\x00\x23" SOURCE6 DESTINATION6 "123");
        REFUSE(SIGNATURE "\x21\x11\x00\x0e" "123456789012" "\x04\0");      /* half an extension */
        REFUSE(SIGNATURE "\x21\x11\x00\x0f"
                         "123456789012"
                         "\x04\0\1"); /* one that is longer than the rest */
        REFUSE(SIGNATURE "\x21\x11\x00\x12" "123456789012" "\x04\xff\xff" "123");
}

static void test_a_checksum_is_verified(void **state) {
        char s[] = SIGNATURE "\x21\x11\x00\x13\xc0\x00\x02\x01\x0a\x00\x00\x01\xd4\x31\x01\xbb"
                             "\x03\0\4CRC!";
        const size_t n = sizeof(s) - 1;

        (void) state;
        check_refused(s, n);
        memcpy(s + n - 4, "\x73\x63\x61\x6d", 4);
        parse_whole(s, n);
        assert_header("192.0.2.1", 54321, "10.0.0.1", 443);
        s[16] ^= 1;
        check_refused(s, n);
}

static void test_a_checksum_comes_once_and_has_four_bytes(void **state) {
        (void) state;
        REFUSE(SIGNATURE "\x21\x11\x00\x12" "123456789012" "\x03\0\3" "123");
        REFUSE(SIGNATURE "\x21\x11\x00\x1a" "123456789012" "\x03\0\4" "\x82\xfe\x6b\x7a" "\x03\0\4\1\2\3\4");
}

static void test_version_2_is_bounded(void **state) {
        static char s[PROXY_HEADER_V2_BYTES_MAX] = SIGNATURE "\x20\x00\x0f\xf0";

        (void) state;
        parse_whole(s, sizeof(s));
        s[15]++;
        assert_int_equal(parse(s, 16), -ENOBUFS);
        memset(s + 14, 0xff, 2);
        assert_int_equal(parse(s, 16), -ENOBUFS);
}

static Ip ip(const char *text) {
        Ip a = {};

        assert_int_equal(ip_parse(text, strlen(text), &a), 0);
        return a;
}

static void test_what_is_written_is_read_as_the_same(void **state) {
        static const struct {
                const char *source, *destination, *line;
                size_t v2_bytes;
        } cases[] = {
                { "192.0.2.1", "10.0.0.1", "PROXY TCP4 192.0.2.1 10.0.0.1 54321 443\r\n", 28 },
                { "2001:db8::1", "::1", "PROXY TCP6 2001:db8::1 ::1 54321 443\r\n", 52 },
                { "192.0.2.1", "2001:db8::1", "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 54321 443\r\n", 52 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const ProxyHeader in = { true, ip(cases[i].source), ip(cases[i].destination), 54321, 443 };
                char v1[PROXY_HEADER_V1_BYTES_MAX + 1];
                uint8_t v2[PROXY_HEADER_V2_BYTES_WRITTEN];
                size_t n = proxy_header_write_v1(&in, v1);

                assert_string_equal(v1, cases[i].line);
                parse_whole(v1, n);
                assert_header(cases[i].source, 54321, cases[i].destination, 443);
                n = proxy_header_write_v2(&in, v2);
                assert_int_equal(n, cases[i].v2_bytes);
                parse_whole((const char*) v2, n);
                assert_header(cases[i].source, 54321, cases[i].destination, 443);
        }
}

static void test_the_unknown_is_written_as_such(void **state) {
        const ProxyHeader unknown = {};
        char v1[PROXY_HEADER_V1_BYTES_MAX + 1];
        uint8_t v2[PROXY_HEADER_V2_BYTES_WRITTEN];

        (void) state;
        assert_int_equal(proxy_header_write_v1(&unknown, v1), 15);
        assert_string_equal(v1, "PROXY UNKNOWN\r\n");
        assert_int_equal(proxy_header_write_v2(&unknown, v2), 16);
        assert_memory_equal(v2, SIGNATURE "\x20\x00\x00\x00", 16);
}

static void test_a_written_header_of_version_2_is_known(void **state) {
        const ProxyHeader in = { true, ip("192.0.2.1"), ip("10.0.0.1"), 54321, 443 };
        uint8_t v2[PROXY_HEADER_V2_BYTES_WRITTEN];

        (void) state;
        assert_int_equal(proxy_header_write_v2(&in, v2), 28);
        assert_memory_equal(v2, SIGNATURE V4, 28);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines_of_version_1),
                cmocka_unit_test(test_bad_lines_of_version_1_are_refused),
                cmocka_unit_test(test_a_line_has_107_bytes_at_most),
                cmocka_unit_test(test_headers_of_version_2),
                cmocka_unit_test(test_a_unix_sockets_header_is_skipped),
                cmocka_unit_test(test_bad_headers_of_version_2_are_refused),
                cmocka_unit_test(test_a_checksum_is_verified),
                cmocka_unit_test(test_a_checksum_comes_once_and_has_four_bytes),
                cmocka_unit_test(test_version_2_is_bounded),
                cmocka_unit_test(test_what_is_written_is_read_as_the_same),
                cmocka_unit_test(test_the_unknown_is_written_as_such),
                cmocka_unit_test(test_a_written_header_of_version_2_is_known),
        };

        return cmocka_run_group_tests_name("proto/proxy-header", tests, NULL, NULL);
}
