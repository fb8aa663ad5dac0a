/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/verdicts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1000000

static VerdictKey key_of(uint32_t n) {
        VerdictKey key = {};

        memcpy(key.bytes, &n, sizeof(n));
        return key;
}

static int setup(void **state) {
        return verdicts_new((Verdicts**) state);
}

static int teardown(void **state) {
        verdicts_free(*state);
        return 0;
}

static void test_what_was_found_out_is_known_for_a_while(void **state) {
        VerdictKey right = key_of(1), wrong = key_of(2), other = key_of(3);

        assert_int_equal(verdicts_put(*state, &right, true, NOW), 0);
        assert_int_equal(verdicts_put(*state, &wrong, false, NOW), 0);
        assert_int_equal(verdicts_find(*state, &right, NOW), 1);
        assert_int_equal(verdicts_find(*state, &wrong, NOW + VERDICT_USEC - 1), 0);
        assert_int_equal(verdicts_find(*state, &other, NOW), -ENOENT);
        assert_int_equal(verdicts_find(*state, &wrong, NOW + VERDICT_USEC), -ENOENT);
        assert_int_equal(verdicts_find(*state, &right, NOW + VERDICT_USEC), -ENOENT);
}

static void test_what_is_right_stays_so_while_it_is_asked_for(void **state) {
        VerdictKey key = key_of(1);

        assert_int_equal(verdicts_put(*state, &key, true, NOW), 0);
        assert_int_equal(verdicts_find(*state, &key, NOW + VERDICT_USEC - 1), 1);
        assert_int_equal(verdicts_find(*state, &key, NOW + 2 * VERDICT_USEC - 2), 1);
        assert_int_equal(verdicts_find(*state, &key, NOW + 3 * VERDICT_USEC), -ENOENT);
}

static void test_a_new_verdict_replaces_the_old_one(void **state) {
        VerdictKey key = key_of(1);

        assert_int_equal(verdicts_put(*state, &key, false, NOW), 0);
        assert_int_equal(verdicts_put(*state, &key, true, NOW + 1), 0);
        assert_int_equal(verdicts_find(*state, &key, NOW + VERDICT_USEC), 1);
}

static void put_many(Verdicts *v, uint32_t first, uint32_t n, bool is_right) {
        for (uint32_t i = 0; i < n; i++) {
                VerdictKey key = key_of(first + i);

                assert_int_equal(verdicts_put(v, &key, is_right, NOW), 0);
        }
}

static void test_of_too_many_the_longest_unasked_is_forgotten(void **state) {
        VerdictKey first = key_of(0), second = key_of(1), last = key_of(VERDICTS_MAX);

        put_many(*state, 0, VERDICTS_MAX, true);
        assert_int_equal(verdicts_find(*state, &first, NOW), 1);
        put_many(*state, VERDICTS_MAX, 1, true);
        assert_int_equal(verdicts_find(*state, &first, NOW), 1);
        assert_int_equal(verdicts_find(*state, &second, NOW), -ENOENT);
        assert_int_equal(verdicts_find(*state, &last, NOW), 1);
}

static void test_guesses_drive_out_guesses_only(void **state) {
        VerdictKey right = key_of(0), oldest = key_of(1), next = key_of(2);

        put_many(*state, 0, 1, true);
        put_many(*state, 1, VERDICTS_MAX + 1, false);
        assert_int_equal(verdicts_find(*state, &right, NOW), 1);
        assert_int_equal(verdicts_find(*state, &oldest, NOW), -ENOENT);
        assert_int_equal(verdicts_find(*state, &next, NOW), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_what_was_found_out_is_known_for_a_while, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_new_verdict_replaces_the_old_one, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_is_right_stays_so_while_it_is_asked_for, setup, teardown),
                cmocka_unit_test_setup_teardown(test_of_too_many_the_longest_unasked_is_forgotten, setup, teardown),
                cmocka_unit_test_setup_teardown(test_guesses_drive_out_guesses_only, setup, teardown),
        };

        return cmocka_run_group_tests_name("server/verdicts", tests, NULL, NULL);
}
