/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/str.h"
#include "proto/access-log-line.h"

static void check(const AccessLogLine *l, const char *expected) {
        char line[ACCESS_LOG_LINE_BYTES_MAX];
        size_t n = access_log_line_format(l, line);

        if (n != strlen(expected) || memcmp(line, expected, n) != 0)
                fail_msg("\"%.*s\" instead of \"%s\"", (int) n, line, expected);
}

static AccessLogLine example(void) {
        return (AccessLogLine) {
                .visitor = ip_from_v4((uint8_t[]) { 192, 0, 2, 1 }),
                .user = http_slice_of("frank"),
                .time_sec = 971211336,
                .request = http_slice_of("GET /apache_pb.gif HTTP/1.0\r\n"),
                .status = 200,
                .n_bytes = 2326,
                .referer = http_slice_of("http://www.example.com/start.html"),
                .user_agent = http_slice_of("Mozilla/4.08 [en] (Win98; I ;Nav)"),
                .duration_usec = 1000007,
        };
}

static void test_a_line_is_as_apache_writes_it(void **state) {
        AccessLogLine l = example();

        (void) state;
        check(&l, "192.0.2.1 - frank [10/Oct/2000:20:55:36 +0000] \"GET /apache_pb.gif HTTP/1.0\" 200 2326 "
                  "\"http://www.example.com/start.html\" \"Mozilla/4.08 [en] (Win98; I ;Nav)\" 1.000007\n");
}

static void test_what_is_not_there_is_a_dash(void **state) {
        AccessLogLine l = { .visitor = { { [15] = 1 } } };

        (void) state;
        check(&l, "::1 - - [01/Jan/1970:00:00:00 +0000] \"-\" - - \"-\" \"-\" 0.000000\n");
}

static void test_nothing_breaks_out_of_its_field(void **state) {
        AccessLogLine l = example();

        (void) state;
        l.user = http_slice_of("a b\"\n");
        l.request = http_slice_of("GET /\" 200 1 \"\\\r\n\t\x1b[31m\x7f\xc2\x9b HTTP/1.1");
        l.referer = (HttpSlice) { "a\0b", 3 };
        l.user_agent = http_slice_of("\xc3\xa4");
        check(&l, "192.0.2.1 - a\\x20b\\x22\\x0A [10/Oct/2000:20:55:36 +0000] "
                  "\"GET /\\x22 200 1 \\x22\\x5C\\x0D\\x0A\\x09\\x1B[31m\\x7F\\xC2\\x9B HTTP/1.1\" 200 2326 "
                  "\"a\\x00b\" \"\\xC3\\xA4\" 1.000007\n");
}

static void test_long_texts_are_cut(void **state) {
        static char text[ACCESS_LOG_LINE_BYTES_MAX], line[ACCESS_LOG_LINE_BYTES_MAX];
        const char bytes[] = { 'x', '\n' };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bytes); i++) {
                const HttpSlice s = { text, sizeof(text) };
                AccessLogLine l = { .user = s,
                                    .request = s,
                                    .referer = s,
                                    .user_agent = s,
                                    .time_sec = INT64_MAX / 400,
                                    .status = 999,
                                    .n_bytes = UINT64_MAX,
                                    .duration_usec = UINT64_MAX };
                size_t n;

                memset(l.visitor.bytes, 0xff, sizeof(l.visitor.bytes));
                memset(text, bytes[i], sizeof(text));
                n = access_log_line_format(&l, line);
                assert_in_range(n, ACCESS_LOG_LINE_BYTES_MAX - 256 - 16, ACCESS_LOG_LINE_BYTES_MAX);
                assert_non_null(memmem(line, n, "...\" 18446744073709.551615\n", 27));
                for (size_t k = 0; k < n - 1; k++)
                        assert_int_not_equal(line[k], '\n');
        }
}

static void test_dates(void **state) {
        static const struct {
                int64_t time_sec;
                const char *text;
        } cases[] = {
                { -1, "31/Dec/1969:23:59:59" },
                { 86399, "01/Jan/1970:23:59:59" },
                { 951782400, "29/Feb/2000:00:00:00" },
                { 951868800, "01/Mar/2000:00:00:00" },
                { 1709164799, "28/Feb/2024:23:59:59" },
                { 1709251199, "29/Feb/2024:23:59:59" },
                { 1735689599, "31/Dec/2024:23:59:59" },
                { 1735689600, "01/Jan/2025:00:00:00" },
                { 4107542400, "01/Mar/2100:00:00:00" },
                { 4107542399, "28/Feb/2100:23:59:59" },
                { 253402300799, "31/Dec/9999:23:59:59" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *expected =
                        str_format("::1 - - [%s +0000] \"-\" - - \"-\" \"-\" 0.000000\n", cases[i].text);
                AccessLogLine l = { .visitor = { { [15] = 1 } }, .time_sec = cases[i].time_sec };

                check(&l, expected);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_line_is_as_apache_writes_it),
                cmocka_unit_test(test_what_is_not_there_is_a_dash),
                cmocka_unit_test(test_nothing_breaks_out_of_its_field),
                cmocka_unit_test(test_long_texts_are_cut),
                cmocka_unit_test(test_dates),
        };

        return cmocka_run_group_tests_name("proto/access-log-line", tests, NULL, NULL);
}
