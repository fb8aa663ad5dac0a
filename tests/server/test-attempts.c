/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/attempts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/macro.h"

static Attempts *attempts;
static uint64_t now = 1000;

static Address at(const char *text) {
        Address a;

        assert_int_equal(address_parse(text, &a), 0);
        return a;
}

static void exhaust(const Address *a) {
        for (unsigned i = 1; i < ATTEMPTS_MAX; i++)
                assert_false(attempts_failed(attempts, a, now));
        assert_true(attempts_failed(attempts, a, now));
}

static void test_some_failures_are_nobodys_fault(void **state _unused_) {
        Address a = at("192.0.2.1:1");

        assert_int_equal(attempts_wait_usec(attempts, &a, now), 0);
        for (unsigned i = 1; i < ATTEMPTS_MAX; i++)
                assert_false(attempts_failed(attempts, &a, now));
        assert_int_equal(attempts_wait_usec(attempts, &a, now), 0);
}

static void test_more_must_wait_and_then_try_one_by_one(void **state _unused_) {
        Address a = at("192.0.2.1:1"), other = at("192.0.2.2:1");

        exhaust(&a);
        assert_int_equal(attempts_wait_usec(attempts, &a, now), ATTEMPTS_EVERY_USEC);
        assert_int_equal(attempts_wait_usec(attempts, &other, now), 0);
        assert_int_equal(attempts_wait_usec(attempts, &a, now + ATTEMPTS_EVERY_USEC - 1), 1);
        assert_int_equal(attempts_wait_usec(attempts, &a, now + ATTEMPTS_EVERY_USEC), 0);
        assert_true(attempts_failed(attempts, &a, now + ATTEMPTS_EVERY_USEC));
        assert_true(attempts_wait_usec(attempts, &a, now + ATTEMPTS_EVERY_USEC) > 0);
}

static void test_all_is_forgiven_in_the_end(void **state _unused_) {
        Address a = at("192.0.2.1:1");

        exhaust(&a);
        now += ATTEMPTS_MAX * ATTEMPTS_EVERY_USEC;
        exhaust(&a);
}

static void test_a_customers_network_is_one_address(void **state _unused_) {
        Address a = at("[2001:db8:0:1::1]:1"), neighbour = at("[2001:db8:0:1:ffff::2]:9"), other = at("[2001:db8:0:2::1]:1");

        exhaust(&a);
        assert_true(attempts_wait_usec(attempts, &neighbour, now) > 0);
        assert_int_equal(attempts_wait_usec(attempts, &other, now), 0);
}

static void test_the_quietest_of_too_many_is_forgotten(void **state _unused_) {
        Address first = at("192.0.2.1:1"), second = at("192.0.2.2:1"), a = at("10.0.0.0:1");

        exhaust(&first);
        exhaust(&second);
        for (uint32_t i = 0; i < ATTEMPTS_ADDRESSES_MAX - 1; i++) {
                a.in.sin_addr.s_addr = htonl(0x0a000000 + i);
                assert_false(attempts_failed(attempts, &a, now));
        }
        assert_int_equal(attempts_wait_usec(attempts, &first, now), 0);
        assert_true(attempts_wait_usec(attempts, &second, now) > 0);
}

static int set_up(void **state _unused_) {
        return attempts_new(&attempts);
}

static int tear_down(void **state _unused_) {
        attempts = attempts_free(attempts);
        return 0;
}

#define attempts_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                attempts_test(test_some_failures_are_nobodys_fault),
                attempts_test(test_more_must_wait_and_then_try_one_by_one),
                attempts_test(test_all_is_forgiven_in_the_end),
                attempts_test(test_a_customers_network_is_one_address),
                attempts_test(test_the_quietest_of_too_many_is_forgotten),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
