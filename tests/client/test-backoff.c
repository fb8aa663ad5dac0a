/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/parse.h"

static void assert_about(uint64_t usec, uint64_t seconds) {
        assert_in_range(usec, seconds * USEC_PER_SEC / 100 * 80, seconds * USEC_PER_SEC / 100 * 120);
}

static void test_it_doubles_up_to_its_maximum(void **state _unused_) {
        static const uint64_t due[] = { 1, 2, 4, 8, 16 };
        Backoff b = { .min_usec = USEC_PER_SEC, .max_usec = 30 * USEC_PER_SEC };

        for (size_t i = 0; i < ELEMENTSOF(due); i++)
                assert_about(backoff_next(&b), due[i]);
        for (int i = 0; i < 100; i++)
                assert_in_range(backoff_next(&b), 24 * USEC_PER_SEC, 30 * USEC_PER_SEC);
}

static void test_a_reset_begins_anew(void **state _unused_) {
        Backoff b = { .min_usec = USEC_PER_SEC, .max_usec = 30 * USEC_PER_SEC };

        for (int i = 0; i < 10; i++)
                (void) backoff_next(&b);
        backoff_reset(&b);
        assert_about(backoff_next(&b), 1);
        assert_about(backoff_next(&b), 2);
}

static void test_clients_do_not_come_back_together(void **state _unused_) {
        uint64_t low = UINT64_MAX, high = 0;

        for (int i = 0; i < 1000; i++) {
                Backoff b = { .min_usec = USEC_PER_SEC, .max_usec = 30 * USEC_PER_SEC };
                uint64_t usec = backoff_next(&b);

                low = MIN(low, usec);
                high = MAX(high, usec);
        }
        assert_true(high - low > USEC_PER_SEC / 5);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_doubles_up_to_its_maximum),
                cmocka_unit_test(test_a_reset_begins_anew),
                cmocka_unit_test(test_clients_do_not_come_back_together),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
