/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/message-id.h"

static void test_an_event_has_an_id_of_32_hex_digits(void **state) {
        const char *id = message_id_find("ready");

        (void) state;
        assert_non_null(id);
        assert_int_equal(strlen(id), 32);
        assert_int_equal(strspn(id, "0123456789abcdef"), 32);
}

static void test_events_have_different_ids(void **state) {
        (void) state;
        assert_string_not_equal(message_id_find("login"), message_id_find("logout"));
}

static void test_what_is_no_event_has_none(void **state) {
        (void) state;
        assert_null(message_id_find("no-such-event"));
        assert_null(message_id_find(""));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_event_has_an_id_of_32_hex_digits),
                cmocka_unit_test(test_events_have_different_ids),
                cmocka_unit_test(test_what_is_no_event_has_none),
        };

        return cmocka_run_group_tests_name("message-id", tests, NULL, NULL);
}
