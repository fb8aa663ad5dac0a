/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/parse.h"

#define UNTOUCHED UINT64_C(0x5ee5)

typedef struct Case {
        const char *text;
        int result;
        uint64_t value;
} Case;

typedef int (*ParseFn)(const char *s, uint64_t *ret);

static void check(ParseFn parse, const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++) {
                uint64_t value = UNTOUCHED, expected = cases[i].result < 0 ? UNTOUCHED : cases[i].value;
                int r = parse(cases[i].text, &value);

                if (r != cases[i].result || value != expected)
                        fail_msg("\"%s\": result %d, value %ju", cases[i].text, r, (uintmax_t) value);
        }
}

static int parse_any_uint(const char *s, uint64_t *ret) {
        return parse_uint(s, UINT64_MAX, ret);
}

static int parse_uint_up_to_300(const char *s, uint64_t *ret) {
        return parse_uint(s, 300, ret);
}

static int parse_uint_up_to_3(const char *s, uint64_t *ret) {
        return parse_uint(s, 3, ret);
}

static void test_numbers_are_digits_only(void **state) {
        static const Case cases[] = {
                { "0", 0, 0 },
                { "18446744073709551615", 0, UINT64_MAX },
                { "18446744073709551616", -ERANGE, 0 },
                { "99999999999999999999999", -ERANGE, 0 },
                { "007", 0, 7 },
                { "", -EINVAL, 0 },
                { "-1", -EINVAL, 0 },
                { "+1", -EINVAL, 0 },
                { " 1", -EINVAL, 0 },
                { "1 ", -EINVAL, 0 },
                { "0x10", -EINVAL, 0 },
                { "1.0", -EINVAL, 0 },
                { "\xd9\xa1", -EINVAL, 0 }, /* an Arabic one */
        };

        (void) state;
        check(parse_any_uint, cases, ELEMENTSOF(cases));
}

static void test_numbers_above_the_maximum_are_refused(void **state) {
        static const Case wide[] = { { "300", 0, 300 }, { "301", -ERANGE, 0 }, { "3000", -ERANGE, 0 } };
        static const Case narrow[] = {
                { "3", 0, 3 },
                { "4", -ERANGE, 0 },
                { "9", -ERANGE, 0 },
                { "10", -ERANGE, 0 },
                { "4x", -EINVAL, 0 },
        };

        (void) state;
        check(parse_uint_up_to_300, wide, ELEMENTSOF(wide));
        check(parse_uint_up_to_3, narrow, ELEMENTSOF(narrow));
}

static void test_ports_are_16_bits(void **state) {
        uint16_t port = 4711;

        (void) state;
        assert_int_equal(parse_port("0", &port), 0);
        assert_int_equal(port, 0);
        assert_int_equal(parse_port("65535", &port), 0);
        assert_int_equal(port, 65535);
        assert_int_equal(parse_port("65536", &port), -ERANGE);
        assert_int_equal(parse_port("http", &port), -EINVAL);
        assert_int_equal(port, 65535);
}

static void test_port_ranges(void **state) {
        static const struct {
                const char *text;
                int result;
                uint16_t low, high;
        } cases[] = {
                { "1-65535", 0, 1, 65535 },
                { "80", 0, 80, 80 },
                { "80-80", 0, 80, 80 },
                { "81-80", -ERANGE, 0, 0 },
                { "0", -ERANGE, 0, 0 },
                { "0-80", -ERANGE, 0, 0 },
                { "1-65536", -ERANGE, 0, 0 },
                { "", -EINVAL, 0, 0 },
                { "-80", -EINVAL, 0, 0 },
                { "80-", -EINVAL, 0, 0 },
                { "80 - 90", -EINVAL, 0, 0 },
                { "80-90-100", -EINVAL, 0, 0 },
                { "80,90", -EINVAL, 0, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint16_t low = 0, high = 0; /* as the cases that fail say */
                int r = parse_port_range(cases[i].text, &low, &high);

                if (r != cases[i].result || low != cases[i].low || high != cases[i].high)
                        fail_msg("\"%s\": result %d, %u-%u", cases[i].text, r, low, high);
        }
}

static void test_times_have_units_and_add_up(void **state) {
        static const Case cases[] = {
                { "0", 0, 0 },
                { "0s", 0, 0 },
                { "7us", 0, 7 },
                { "7ms", 0, 7 * USEC_PER_MSEC },
                { "7s", 0, 7 * USEC_PER_SEC },
                { "7min", 0, 420 * USEC_PER_SEC },
                { "7h", 0, 25200 * USEC_PER_SEC },
                { "7d", 0, 604800 * USEC_PER_SEC },
                { "1w", 0, 604800 * USEC_PER_SEC },
                { "2y", 0, 730 * 86400 * USEC_PER_SEC },
                { "1min 30s", 0, 90 * USEC_PER_SEC },
                { "1min30s", 0, 90 * USEC_PER_SEC },
                { "  1 min\t30 s ", 0, 90 * USEC_PER_SEC },
                { "18446744073709551615us", 0, UINT64_MAX },
                { "18446744073709551615us 1us", -ERANGE, 0 },
                { "18446744073709551615ms", -ERANGE, 0 },
                { "18446744073709551616us", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { " ", -EINVAL, 0 },
                { "7", -EINVAL, 0 },
                { "1min 30", -EINVAL, 0 },
                { "s", -EINVAL, 0 },
                { "7m", -EINVAL, 0 },
                { "7sec", -EINVAL, 0 },
                { "7 S", -EINVAL, 0 },
                { "-7s", -EINVAL, 0 },
                { "1.5s", -EINVAL, 0 },
        };

        (void) state;
        check(parse_time, cases, ELEMENTSOF(cases));
}

static void test_sizes_are_powers_of_1024(void **state) {
        static const Case cases[] = {
                { "0", 0, 0 },
                { "7", 0, 7 },
                { "64K", 0, 65536 },
                { "10M", 0, UINT64_C(10) << 20 },
                { "3G", 0, UINT64_C(3) << 30 },
                { "2T", 0, UINT64_C(2) << 40 },
                { "16777215T", 0, UINT64_C(16777215) << 40 },
                { "16777216T", -ERANGE, 0 },
                { "18446744073709551616", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { "K", -EINVAL, 0 },
                { "64k", -EINVAL, 0 },
                { "64KB", -EINVAL, 0 },
                { "64 K", -EINVAL, 0 },
                { "-1", -EINVAL, 0 },
        };

        (void) state;
        check(parse_size, cases, ELEMENTSOF(cases));
}

static void test_the_clock_never_goes_back(void **state) {
        uint64_t last = clock_usec();

        (void) state;
        for (unsigned i = 0; i < 1000; i++) {
                uint64_t now = clock_usec();

                assert_true(now >= last);
                last = now;
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers_are_digits_only),
                cmocka_unit_test(test_numbers_above_the_maximum_are_refused),
                cmocka_unit_test(test_ports_are_16_bits),
                cmocka_unit_test(test_port_ranges),
                cmocka_unit_test(test_times_have_units_and_add_up),
                cmocka_unit_test(test_sizes_are_powers_of_1024),
                cmocka_unit_test(test_the_clock_never_goes_back),
        };

        return cmocka_run_group_tests_name("base/parse", tests, NULL, NULL);
}
