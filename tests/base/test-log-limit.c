/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/log-limit.h"

#define NOW UINT64_C(123456789)

static LogLimit exhausted(void) {
        LogLimit l;

        log_limit_init(&l);
        for (unsigned i = 0; i < LOG_LIMIT_BURST; i++)
                assert_true(log_limit_admit(&l, NOW));
        return l;
}

static void test_a_burst_is_let_through_and_no_more(void **state) {
        LogLimit l = exhausted();

        (void) state;
        assert_false(log_limit_admit(&l, NOW));
        assert_false(log_limit_admit(&l, NOW + LOG_LIMIT_EVERY_USEC / 2));
}

static void test_one_more_is_let_through_after_each_interval(void **state) {
        LogLimit l = exhausted();

        (void) state;
        assert_true(log_limit_admit(&l, NOW + LOG_LIMIT_EVERY_USEC));
        assert_false(log_limit_admit(&l, NOW + LOG_LIMIT_EVERY_USEC));
        for (int i = 0; i < 3; i++)
                assert_true(log_limit_admit(&l, NOW + 4 * LOG_LIMIT_EVERY_USEC));
        assert_false(log_limit_admit(&l, NOW + 4 * LOG_LIMIT_EVERY_USEC));
}

static void test_a_long_rest_allows_no_more_than_a_burst(void **state) {
        LogLimit l = exhausted();

        (void) state;
        for (unsigned i = 0; i < LOG_LIMIT_BURST; i++)
                assert_true(log_limit_admit(&l, NOW * 1000));
        assert_false(log_limit_admit(&l, NOW * 1000));
}

static void test_what_was_left_out_is_told_once_and_when_it_is_over(void **state) {
        LogLimit l = exhausted();

        (void) state;
        for (int i = 0; i < 7; i++)
                assert_false(log_limit_admit(&l, NOW));
        assert_int_equal(log_limit_take_suppressed(&l, NOW), 0);
        assert_int_equal(log_limit_take_suppressed(&l, NOW + LOG_LIMIT_EVERY_USEC), 7);
        assert_int_equal(log_limit_take_suppressed(&l, NOW + LOG_LIMIT_EVERY_USEC), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_burst_is_let_through_and_no_more),
                cmocka_unit_test(test_one_more_is_let_through_after_each_interval),
                cmocka_unit_test(test_a_long_rest_allows_no_more_than_a_burst),
                cmocka_unit_test(test_what_was_left_out_is_told_once_and_when_it_is_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
