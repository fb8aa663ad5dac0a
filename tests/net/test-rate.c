/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include "net/rate.h"

#define NOW (1000 * USEC_PER_SEC)
#define BURST (200 * USEC_PER_MSEC)

static Rate rate;

static int set_up(void **state _unused_) {
        rate = (Rate) {};
        return 0;
}

#define rate_test(test) cmocka_unit_test_setup(test, set_up)

static void test_without_a_limit_everything_goes_at_once(void **state _unused_) {
        assert_true(rate_share(&rate) > 0);
        for (int i = 0; i < 10; i++)
                assert_true(rate_queue(&rate, 1 << 20, NOW) <= NOW);
}

static void test_a_share_is_what_goes_in_a_twentieth_of_a_second_within_bounds(void **state _unused_) {
        static const struct {
                uint64_t bytes_per_sec;
                size_t share;
        } cases[] = { { 1, 512 }, { 10240, 512 }, { 1000000, 50000 }, { 1u << 30, 65536 } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                rate_set(&rate, cases[i].bytes_per_sec);
                assert_int_equal(rate_share(&rate), cases[i].share);
        }
}

static void test_shares_are_due_one_after_the_other(void **state _unused_) {
        rate_set(&rate, 1000);
        assert_int_equal(rate_queue(&rate, 500, NOW), NOW - BURST);
        assert_int_equal(rate_queue(&rate, 500, NOW), NOW - BURST + USEC_PER_SEC / 2);
        assert_int_equal(rate_queue(&rate, 500, NOW), NOW - BURST + USEC_PER_SEC);
}

static void test_what_nobody_used_for_long_is_gone(void **state _unused_) {
        rate_set(&rate, 1000);
        rate_queue(&rate, 1000, NOW);
        assert_int_equal(rate_queue(&rate, 1000, NOW + 60 * USEC_PER_SEC), NOW + 60 * USEC_PER_SEC - BURST);
}

static void test_what_is_given_back_goes_to_the_next(void **state _unused_) {
        rate_set(&rate, 1000);
        rate_queue(&rate, 500, NOW);
        rate_return(&rate, 500);
        assert_int_equal(rate_queue(&rate, 500, NOW), NOW - BURST);
}

static void test_what_cost_nothing_without_a_limit_is_not_given_back_under_one(void **state _unused_) {
        size_t n = rate_share(&rate);

        rate_queue(&rate, n, NOW);
        rate_set(&rate, 1000);
        for (int i = 0; i < 10; i++)
                rate_queue(&rate, 1000, NOW);
        rate_return(&rate, n);
        assert_true(rate_queue(&rate, 1000, NOW) > NOW + 9 * USEC_PER_SEC);
}

static void test_another_rate_begins_anew_and_the_same_does_not(void **state _unused_) {
        unsigned n_changes;

        rate_set(&rate, 1);
        n_changes = rate_changes(&rate);
        rate_queue(&rate, 1000, NOW);
        rate_set(&rate, 1);
        assert_int_equal(rate_changes(&rate), n_changes);
        assert_true(rate_queue(&rate, 1000, NOW) > NOW);
        rate_set(&rate, 1000);
        assert_int_not_equal(rate_changes(&rate), n_changes);
        assert_int_equal(rate_queue(&rate, 1000, NOW), NOW - BURST);
}

static void test_giving_back_too_much_does_no_harm(void **state _unused_) {
        rate_set(&rate, 1);
        rate_return(&rate, 1 << 20);
        assert_int_equal(rate_queue(&rate, 1, NOW), NOW - BURST);
}

static void test_early_after_the_start_of_the_machine_it_works_too(void **state _unused_) {
        rate_set(&rate, 1000);
        assert_int_equal(rate_queue(&rate, 1000, 5), 0);
        assert_int_equal(rate_queue(&rate, 1000, 5), USEC_PER_SEC);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                rate_test(test_without_a_limit_everything_goes_at_once),
                rate_test(test_a_share_is_what_goes_in_a_twentieth_of_a_second_within_bounds),
                rate_test(test_shares_are_due_one_after_the_other),
                rate_test(test_what_nobody_used_for_long_is_gone),
                rate_test(test_what_is_given_back_goes_to_the_next),
                rate_test(test_what_cost_nothing_without_a_limit_is_not_given_back_under_one),
                rate_test(test_another_rate_begins_anew_and_the_same_does_not),
                rate_test(test_giving_back_too_much_does_no_harm),
                rate_test(test_early_after_the_start_of_the_machine_it_works_too),
        };

        return cmocka_run_group_tests_name("net/rate", tests, NULL, NULL);
}
