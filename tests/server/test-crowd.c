/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/crowd.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/macro.h"

static Address at(const char *text) {
        Address a;

        assert_int_equal(address_parse(text, &a), 0);
        return a;
}

static void test_an_address_is_counted_by_kind(void **state _unused_) {
        Address a = at("192.0.2.1:1"), same = at("192.0.2.1:2"), other = at("192.0.2.2:1");
        Crowd *c;

        assert_int_equal(crowd_new(&c), 0);
        assert_int_equal(crowd_enter(c, CROWD_VISITOR, &a), 1);
        assert_int_equal(crowd_enter(c, CROWD_VISITOR, &same), 2);
        assert_int_equal(crowd_enter(c, CROWD_PENDING, &a), 1);
        assert_int_equal(crowd_enter(c, CROWD_VISITOR, &other), 1);
        assert_int_equal(crowd_count(c, CROWD_SESSION, &a), 0);
        crowd_leave(c, CROWD_VISITOR, &a);
        assert_int_equal(crowd_count(c, CROWD_VISITOR, &same), 1);
        crowd_leave(c, CROWD_VISITOR, &same);
        crowd_leave(c, CROWD_PENDING, &a);
        assert_int_equal(crowd_count(c, CROWD_VISITOR, &a), 0);
        assert_int_equal(crowd_enter(c, CROWD_VISITOR, &a), 1);
        crowd_free(c); /* with what is left */
}

static void test_ipv6_counts_by_network(void **state _unused_) {
        Address a = at("[2001:db8:0:1::1]:1"), near = at("[2001:db8:0:1::2]:1"), far = at("[2001:db8:0:2::1]:1");
        Crowd *c;

        assert_int_equal(crowd_new(&c), 0);
        assert_int_equal(crowd_enter(c, CROWD_VISITOR, &a), 1);
        assert_int_equal(crowd_enter(c, CROWD_VISITOR, &near), 2);
        assert_int_equal(crowd_enter(c, CROWD_VISITOR, &far), 1);
        crowd_free(c);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_address_is_counted_by_kind),
                cmocka_unit_test(test_ipv6_counts_by_network),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
