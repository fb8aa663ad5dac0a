/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static const char *nearest(const char *word, const char *const *candidates) {
        Nearest s = { .word = word };

        for (; *candidates; candidates++)
                nearest_offer(&s, *candidates, strlen(*candidates));
        return s.found;
}

static void test_what_is_near_is_found(void **state _unused_) {
        static const char *const commands[] = {
                "status", "start", "start-all", "serve", "login", "list", NULL
        };
        static const struct {
                const char *word, *meant;
        } cases[] = {
                { "statsu", "status" }, { "stauts", "status" },       { "stat", "start" },
                { "srve", "serve" },    { "LOGIN", "login" },         { "logn", "login" },
                { "lst", "list" },      { "start_all", "start-all" }, { "startall", "start-all" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *found = nearest(cases[i].word, commands);

                if (!found || !streq(found, cases[i].meant))
                        fail_msg("%s: %s", cases[i].word, found ? found : "none");
        }
}

static void test_what_is_far_is_not_found(void **state _unused_) {
        static const char *const words[] = { "key", "server", "ca_file", NULL };
        static const char *const far[] = { "", "x", "foo", "elephant",
                                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };

        for (size_t i = 0; i < ELEMENTSOF(far); i++)
                assert_null(nearest(far[i], words));
}

static void test_options(void **state _unused_) {
        static const struct option table[] = {
                { "subdomain", required_argument, NULL, 1 },
                { "ca-file", required_argument, NULL, 2 },
                { "dev", no_argument, NULL, 3 },
                {},
        };

        assert_string_equal(nearest_option(table, "--subdoman=x"), "subdomain");
        assert_string_equal(nearest_option(table, "-ca_fiel"), "ca-file");
        assert_null(nearest_option(table, "--dev=x")); /* that is not what is wrong with it */
        assert_null(nearest_option(table, "--"));
        assert_null(nearest_option(table, "--whatever"));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_near_is_found),
                cmocka_unit_test(test_what_is_far_is_not_found),
                cmocka_unit_test(test_options),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
