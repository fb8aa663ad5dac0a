/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-date.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/macro.h"
#include "proto/date.h"

static void test_dates_are_written_as_they_are_read(void **state _unused_) {
        static const struct {
                int64_t sec;
                const char *text;
        } cases[] = {
                { 0, "Thu, 01 Jan 1970 00:00:00 GMT" },
                { 784111777, "Sun, 06 Nov 1994 08:49:37 GMT" },
                { 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },
                { 1709251199, "Thu, 29 Feb 2024 23:59:59 GMT" },
                { -1, "Wed, 31 Dec 1969 23:59:59 GMT" },
                { INT64_C(253402300799), "Fri, 31 Dec 9999 23:59:59 GMT" },
        };
        char text[HTTP_DATE_MAX];
        int64_t sec;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_string_equal(http_date_format(cases[i].sec, text), cases[i].text);
                assert_int_equal(http_date_parse(cases[i].text, &sec), 0);
                assert_int_equal(sec, cases[i].sec);
        }
}

static void test_what_is_no_date_is_refused(void **state _unused_) {
        static const char *const cases[] = {
                "",
                "yesterday",
                "Sunday, 06-Nov-94 08:49:37 GMT",
                "Sun Nov  6 08:49:37 1994",
                "Mon, 06 Nov 1994 08:49:37 GMT", /* it was a Sunday */
                "Sun, 31 Nov 1994 08:49:37 GMT",
                "Sun, 06 Nov 1994 24:00:00 GMT",
                "Sun, 06 Nov 1994 08:60:37 GMT",
                "Sun, 00 Nov 1994 08:49:37 GMT",
                "Sun, 06 nov 1994 08:49:37 GMT",
                "Sun, 06 Nov 1994 08:49:37 CET",
                "Sun, 06 Nov 1994 08:49:37 GMT ",
                "Thu, 29 Feb 2023 00:00:00 GMT",
        };
        int64_t sec = 77;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                if (http_date_parse(cases[i], &sec) != -EINVAL)
                        fail_msg("taken: %s", cases[i]);
                assert_int_equal(sec, 77);
        }
}

static void test_each_day_of_four_centuries_is_found_again(void **state _unused_) {
        for (int64_t days = -150000; days < 150000; days += 7) {
                Date d = date_from_days(days);

                assert_true(d.month >= 1 && d.month <= 12 && d.day >= 1 && d.day <= 31);
                assert_int_equal(date_to_days(d), days);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dates_are_written_as_they_are_read),
                cmocka_unit_test(test_what_is_no_date_is_refused),
                cmocka_unit_test(test_each_day_of_four_centuries_is_found_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
