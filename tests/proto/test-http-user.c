/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

#define D43 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define D53 D43 "aaaaaaaaaa"
#define D86 D43 D43

static void test_passwords_and_hashes_are_told_apart(void **state) {
        static const struct {
                const char *user;
                bool is_hashed;
        } cases[] = {
                { "u:secret", false },
                { "u:", false },
                { "u:with:colons", false },
                { "u:$ecret", false },
                { "u:$", false },
                { "\xc3\xbc:\xc3\xa4", false },
                { "u:$2y$05$" D53, true },
                { "u:$2b$12$" D53, true },
                { "u:$2a$10$" D53, true },
                { "u:$5$salt$" D43, true },
                { "u:$6$"
                  "$" D86,
                  true },
                { "u:$6$rounds=10000$saltsaltsaltsalt$" D86, true },
                { "u:$y$j9T$salt$" D43, true },
                { "u:$y$jB5$salt$" D43, true },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *why = http_user_check(cases[i].user);

                if (why)
                        fail_msg("%s %s", cases[i].user, why);
                assert_int_equal(http_user_is_hashed(cases[i].user), cases[i].is_hashed);
        }
}

static void test_what_costs_too_much_or_is_damaged_is_refused(void **state) {
        static const char *const users[] = {
                "",
                "u",
                ":p",
                "u:p\n",
                "u:p\x7f",
                "u:$2y$13$" D53,
                "u:$2y$31$" D53,
                "u:$2y$03$" D53,
                "u:$2y$5$" D53,
                "u:$2y$",
                "u:$2y$0",
                "u:$2y$05$" D53 "a",
                "u:$2y$05$" D43,
                "u:$2x$05$" D53,
                "u:$5$salt$" D86,
                "u:$6$salt$" D43,
                "u:$6$saltsaltsaltsaltx$" D86,
                "u:$6$sa:lt$" D86,
                "u:$6$rounds=999$salt$" D86,
                "u:$6$rounds=500001$salt$" D86,
                "u:$6$rounds=99999999999999999999$salt$" D86,
                "u:$6$rounds=$salt$" D86,
                "u:$6$rounds=5000",
                "u:$6$",
                "u:$y$jFT$salt$" D43,
                "u:$y$jBU$salt$" D43,
                "u:$y$j",
                "u:$y$",
                "u:$y$j9T$" D43,
                "u:$y$j9T$" D86 "a$" D43,
                "u:$1$salt$aaaaaaaaaaaaaaaaaaaaaa",
                "u:$apr1$salt$aaaaaaaaaaaaaaaaaaaaaa",
                "u:$7$CU..../....salt$" D43,
                "u:{SHA}aaaaaaaaaaaaaaaaaaaaaaaaaaa=",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(users); i++)
                if (!http_user_check(users[i]))
                        fail_msg("%s", users[i]);
}

static void test_too_long_a_one_is_refused(void **state) {
        char user[HTTP_USER_BYTES_MAX + 2];

        (void) state;
        memset(user, 'p', sizeof(user));
        user[1] = ':';
        user[HTTP_USER_BYTES_MAX] = '\0';
        assert_null(http_user_check(user));
        user[HTTP_USER_BYTES_MAX] = 'p';
        user[HTTP_USER_BYTES_MAX + 1] = '\0';
        assert_non_null(http_user_check(user));
}

static void test_it_travels_in_json_and_so_is_utf_8(void **state) {
        (void) state;
        assert_null(http_user_check("andr\xc3\xa9:caf\xc3\xa9"));
        assert_string_equal(http_user_check("u:caf\xe9"), "must be in UTF-8");
        assert_string_equal(http_user_check("andr\xe9:p"), "must be in UTF-8");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_passwords_and_hashes_are_told_apart),
                cmocka_unit_test(test_what_costs_too_much_or_is_damaged_is_refused),
                cmocka_unit_test(test_too_long_a_one_is_refused),
                cmocka_unit_test(test_it_travels_in_json_and_so_is_utf_8),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
