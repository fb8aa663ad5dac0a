/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

static unsigned n_fired;

static void on_fired(void *userdata _unused_) {
        n_fired++;
}

static void on_fired_free(void *userdata) {
        n_fired++;
        timer_free(*(Timer**) userdata);
}

static void test_a_timer_fires_once_and_not_early(void **state _unused_) {
        uint64_t start = clock_usec();
        Timer *t = NULL;

        n_fired = 0;
        assert_int_equal(timer_new_after(&t, worker, 30 * USEC_PER_MSEC, on_fired, NULL), 0);
        turn_while(n_fired == 0);
        assert_true(clock_usec() - start >= 29 * USEC_PER_MSEC); /* the loop's clock has milliseconds */
        turn_for(80 * USEC_PER_MSEC);
        assert_int_equal(n_fired, 1);
        timer_free(t);
}

static void test_a_timer_started_late_in_a_long_turn_is_not_early(void **state _unused_) {
        uint64_t start;
        Timer *t = NULL;

        n_fired = 0;
        turn();
        for (start = clock_usec(); clock_usec() < start + 50 * USEC_PER_MSEC;) /* as many visitors would do */
                ;
        start = clock_usec();
        assert_int_equal(timer_new_after(&t, worker, 30 * USEC_PER_MSEC, on_fired, NULL), 0);
        turn_while(n_fired == 0);
        assert_true(clock_usec() - start >= 29 * USEC_PER_MSEC);
        timer_free(t);
}

static void test_a_timer_is_not_started_by_itself(void **state _unused_) {
        Timer *t = NULL;

        n_fired = 0;
        assert_int_equal(timer_new(&t, worker, on_fired, NULL), 0);
        turn_for(30 * USEC_PER_MSEC);
        assert_int_equal(n_fired, 0);
        timer_free(t);
}

static void test_starting_again_moves_the_time(void **state _unused_) {
        Timer *t = NULL;

        n_fired = 0;
        assert_int_equal(timer_new(&t, worker, on_fired, NULL), 0);
        for (unsigned i = 0; i < 5; i++) {
                timer_start(t, 200 * USEC_PER_MSEC);
                turn_for(60 * USEC_PER_MSEC);
        }
        assert_int_equal(n_fired, 0);
        turn_while(n_fired == 0);
        timer_free(t);
}

static void test_a_stopped_timer_does_not_fire(void **state _unused_) {
        Timer *t = NULL;

        n_fired = 0;
        assert_int_equal(timer_new_after(&t, worker, 10 * USEC_PER_MSEC, on_fired, NULL), 0);
        timer_stop(t);
        turn_for(50 * USEC_PER_MSEC);
        assert_int_equal(n_fired, 0);
        timer_start(t, USEC_PER_MSEC);
        turn_while(n_fired == 0);
        timer_free(t);
}

static void test_a_repeating_timer_fires_again(void **state _unused_) {
        Timer *t = NULL;

        n_fired = 0;
        assert_int_equal(timer_new(&t, worker, on_fired, NULL), 0);
        timer_start_every(t, 5 * USEC_PER_MSEC);
        turn_while(n_fired < 5);
        timer_start(t, USEC_PER_MSEC); /* from now on once */
        n_fired = 0;
        turn_for(50 * USEC_PER_MSEC);
        assert_int_equal(n_fired, 1);
        timer_free(t);
}

static void test_a_freed_timer_never_fires(void **state _unused_) {
        Timer *t = NULL;

        n_fired = 0;
        assert_int_equal(timer_new_after(&t, worker, 0, on_fired, NULL), 0);
        assert_null(timer_free(t));
        assert_null(timer_free(NULL));
        turn_for(30 * USEC_PER_MSEC);
        assert_int_equal(n_fired, 0);
}

static void test_a_timer_may_be_freed_by_what_it_calls(void **state _unused_) {
        Timer *t = NULL;

        n_fired = 0;
        assert_int_equal(timer_new(&t, worker, on_fired_free, &t), 0);
        timer_start_every(t, USEC_PER_MSEC);
        turn_for(30 * USEC_PER_MSEC);
        assert_int_equal(n_fired, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                worker_test(test_a_timer_fires_once_and_not_early),
                worker_test(test_a_timer_started_late_in_a_long_turn_is_not_early),
                worker_test(test_a_timer_is_not_started_by_itself),
                worker_test(test_starting_again_moves_the_time),
                worker_test(test_a_stopped_timer_does_not_fire),
                worker_test(test_a_repeating_timer_fires_again),
                worker_test(test_a_freed_timer_never_fires),
                worker_test(test_a_timer_may_be_freed_by_what_it_calls),
        };

        return cmocka_run_group_tests_name("net/timer", tests, NULL, NULL);
}
