/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/session-set.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static SessionSet set;

static int tear_down(void **state _unused_) {
        session_set_done(&set);
        return 0;
}

/* Returns the id of what it replaces. */
static uint64_t put(unsigned number, unsigned worker, uint64_t id) {
        SessionName name = { .worker = worker, .id = id }, replaced;

        assert_int_equal(session_set_put(&set, number, name, &replaced), 0);
        return replaced.id;
}

static void test_a_number_has_one_session(void **state _unused_) {
        assert_int_equal(put(0, 0, 1), 0);
        assert_int_equal(put(5, 0, 2), 0);
        assert_int_equal(put(5, 1, 3), 2);
        assert_int_equal(set.n, 2);
        assert_int_equal(session_set_get(&set, 5).id, 3);
        assert_int_equal(session_set_get(&set, 4).id, 0);
}

static void test_a_session_is_removed_by_its_id(void **state _unused_) {
        put(0, 0, 1);
        put(5, 0, 2);
        assert_int_equal(session_set_remove(&set, 3), -ENOENT);
        assert_int_equal(session_set_remove(&set, 1), 0);
        assert_int_equal(session_set_remove(&set, 2), 5);
        assert_int_equal(set.n, 0);
        assert_int_equal(session_set_remove(&set, 0), -ENOENT);
}

static void test_each_gets_its_turn(void **state _unused_) {
        unsigned n[4] = {};

        put(0, 0, 0);
        put(1, 1, 1);
        put(2, 2, 2);
        put(3, 2, 3);
        for (unsigned i = 0; i < 40; i++)
                n[session_set_pick(&set, SESSION_ANYWHERE).id]++;
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(n[i], 10);
        for (unsigned i = 0; i < 40; i++)
                n[session_set_pick(&set, 2).id]++;
        assert_int_equal(n[2], 30);
        assert_int_equal(n[3], 30);
}

static void test_a_turn_may_wrap(void **state _unused_) {
        put(0, 0, 1);
        put(1, 0, 2);
        put(2, 0, 3);
        set.turn = UINT_MAX;
        for (unsigned i = 0; i < 5; i++)
                assert_in_range(session_set_pick(&set, 0).id, 1, 3);
}

static void test_a_worker_s_sessions_are_counted(void **state _unused_) {
        put(0, 0, 1);
        put(1, 1, 2);
        put(2, 1, 3);
        assert_int_equal(session_set_count_on(&set, 1, 0), 2);
        assert_int_equal(session_set_count_on(&set, 1, 2), 1);
        assert_int_equal(session_set_count_on(&set, 2, 0), 0);
}

#define set_test(f) cmocka_unit_test_teardown(f, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                set_test(test_a_number_has_one_session),
                set_test(test_a_session_is_removed_by_its_id),
                set_test(test_each_gets_its_turn),
                set_test(test_a_turn_may_wrap),
                set_test(test_a_worker_s_sessions_are_counted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
