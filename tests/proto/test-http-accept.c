/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-accept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool prefers_html(const char *fields) {
        static HttpHead head;
        _cleanup_free_ char *text = str_format("GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
        unsigned status;

        assert_non_null(text);
        if (http_head_parse(&head, text, strlen(text), HTTP_HEAD_BYTES_MAX, &status) < 0)
                fail_msg("\"%s\"", fields);
        return http_prefers_html(&head);
}

static void test_browsers_get_html(void **state _unused_) {
        static const char *const cases[] = {
                "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n",
                "Accept: text/html\r\n",
                "Accept: TEXT/HTML\r\n",
                "Accept: application/xml;q=0.9, text/html ; level=1 ; q=0.3, */*;q=0.1\r\n",
                "Accept: text/html;q=0.001\r\n",
                "Accept: text/plain;q=0.5, text/html\r\n",
                "Accept: text/plain;q=0, */*\r\n",
                "Accept: text/*;q=0.2,text/html;Q=0.9\r\n",
                "Accept: */*;q=0.1\r\nAccept: text/html\r\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (!prefers_html(cases[i]))
                        fail_msg("%s", cases[i]);
}

static void test_others_get_text(void **state _unused_) {
        static const char *const cases[] = {
                "",
                "Accept:\r\n",
                "Accept: */*\r\n",
                "Accept: text/*\r\n",
                "Accept: text/plain\r\n",
                "Accept: text/plain, text/html\r\n",
                "Accept: text/plain, text/html;q=0.9\r\n",
                "Accept: text/html;q=0, */*\r\n",
                "Accept: text/html;q=0.0\r\n",
                "Accept: application/json\r\n",
                "Accept: image/avif,image/webp,*/*;q=0.8\r\n",
                "Accept: text/htmlx, xtext/html, text/htm\r\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (prefers_html(cases[i]))
                        fail_msg("%s", cases[i]);
}

static void test_very_long_lists_are_of_programs(void **state _unused_) {
        char few[600] = "Accept: ", many[600] = "Accept: ";

        for (unsigned i = 0; i < 63; i++)
                strcat(few, "a/b,");
        strcat(few, "text/html\r\n");
        for (unsigned i = 0; i < 64; i++)
                strcat(many, "a/b,");
        strcat(many, "text/html\r\n");
        assert_true(prefers_html(few));
        assert_false(prefers_html(many));
}

static void test_what_is_no_quality_is_none(void **state _unused_) {
        static const char *const qualities[] = { "2",  "1.001", "0.1234", "-1", "x",
                                                 ".5", "0,5",   "0.x",    "1x", "\"1\"" };

        for (size_t i = 0; i < ELEMENTSOF(qualities); i++) {
                _cleanup_free_ char *field = str_format("Accept: text/html;q=%s\r\n", qualities[i]);

                if (prefers_html(field))
                        fail_msg("%s", field);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_browsers_get_html),
                cmocka_unit_test(test_others_get_text),
                cmocka_unit_test(test_very_long_lists_are_of_programs),
                cmocka_unit_test(test_what_is_no_quality_is_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
