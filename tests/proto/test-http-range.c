/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-range.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/macro.h"

static void test_ranges(void **state _unused_) {
        static const struct {
                const char *value;
                uint64_t size;
                int result;
                uint64_t first, length;
        } cases[] = {
                { NULL, 10, 0, 0, 0 },
                { "bytes=0-0", 10, 1, 0, 1 },
                { "Bytes=2-5", 10, 1, 2, 4 },
                { "bytes= 2-5", 10, 1, 2, 4 },
                { "bytes=9-", 10, 1, 9, 1 },
                { "bytes=0-10", 10, 1, 0, 10 },
                { "bytes=0-18446744073709551615", 10, 1, 0, 10 },
                { "bytes=3-99999999999999999999999", 10, 1, 3, 7 },
                { "bytes=-1", 10, 1, 9, 1 },
                { "bytes=-10", 10, 1, 0, 10 },
                { "bytes=-11", 10, 1, 0, 10 },
                { "bytes=0-", UINT64_MAX, 1, 0, UINT64_MAX },
                { "bytes=10-", 10, -ERANGE, 0, 0 },
                { "bytes=99999999999999999999999-", 10, -ERANGE, 0, 0 },
                { "bytes=0-", 0, -ERANGE, 0, 0 },
                { "bytes=-1", 0, -ERANGE, 0, 0 },
                { "bytes=-0", 10, -ERANGE, 0, 0 },
                { "bytes=5-4", 10, 0, 0, 0 },
                { "bytes=0-1,3-4", 10, 0, 0, 0 },
                { "bytes=", 10, 0, 0, 0 },
                { "bytes=-", 10, 0, 0, 0 },
                { "bytes=x-1", 10, 0, 0, 0 },
                { "bytes=1-x", 10, 0, 0, 0 },
                { "bytes=1", 10, 0, 0, 0 },
                { "bytes=--1", 10, 0, 0, 0 },
                { "items=0-1", 10, 0, 0, 0 },
                { "byte", 10, 0, 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                HttpRange range = {};
                int r = http_range_parse(cases[i].value, cases[i].size, &range);

                if (r != cases[i].result)
                        fail_msg("%s: %d", cases[i].value, r);
                assert_int_equal(range.first, cases[i].first);
                assert_int_equal(range.length, cases[i].length);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = { cmocka_unit_test(test_ranges) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
