/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/template.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static const TemplateValue values[] = { { "a", "<b> & \"c'" }, { "ab", "2" }, { "empty", "" }, {} };

static void test_values_stand_for_their_names(void **state _unused_) {
        static const struct {
                const char *text, *html, *plain;
        } cases[] = {
                { "", "", "" },
                { "nothing", "nothing", "nothing" },
                { "{{a}}", "&lt;b&gt; &amp; &quot;c&#39;", "<b> & \"c'" },
                { "<p>{{ab}}{{ab}}</p>", "<p>22</p>", "<p>22</p>" },
                { "x{{empty}}y", "xy", "xy" },
                { "{ {a} }}", "{ {a} }}", "{ {a} }}" },
                { "{{a} {{b}} {{ ab }} {{", "{{a} {{b}} {{ ab }} {{", "{{a} {{b}} {{ ab }} {{" },
                { "{{{ab}}}", "{2}", "{2}" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *html = template_fill(cases[i].text, values, true);
                _cleanup_free_ char *plain = template_fill(cases[i].text, values, false);

                assert_string_equal(html, cases[i].html);
                assert_string_equal(plain, cases[i].plain);
        }
}

static void test_a_value_is_no_template(void **state _unused_) {
        static const TemplateValue sly[] = { { "a", "{{b}}" }, { "b", "secret" }, {} };
        _cleanup_free_ char *text = template_fill("{{a}}", sly, true);

        assert_string_equal(text, "{{b}}");
}

static void test_a_long_value_is_cut(void **state _unused_) {
        char value[3 * TEMPLATE_VALUE_BYTES_MAX];
        const TemplateValue one[] = { { "a", value }, {} };
        _cleanup_free_ char *text = NULL;

        memset(value, 'x', sizeof(value));
        value[sizeof(value) - 1] = '\0';
        text = template_fill("{{a}}", one, true);
        assert_int_equal(strlen(text), TEMPLATE_VALUE_BYTES_MAX);
}

static void test_the_line_of_an_unknown_name_is_told(void **state _unused_) {
        unsigned line = 0;

        assert_int_equal(template_check("{{a}}\n{ab}\n {{ab}} }}", values, &line), 0);
        assert_int_equal(line, 0);
        assert_int_equal(template_check("\n\n{{a}} {{b}}\n{{c}}", values, &line), -EINVAL);
        assert_int_equal(line, 3);
        assert_int_equal(template_check("{{", values, &line), -EINVAL);
        assert_int_equal(line, 1);
        assert_int_equal(template_check("\n{{{ab}}}", values, &line), -EINVAL);
        assert_int_equal(line, 2);
}

static void test_there_are_so_many_placeholders_and_no_more(void **state _unused_) {
        char text[(TEMPLATE_PLACEHOLDERS_MAX + 1) * strlen("{{a}}") + 1], *p = text;
        unsigned line;

        for (unsigned i = 0; i < TEMPLATE_PLACEHOLDERS_MAX; i++)
                p = stpcpy(p, "{{a}}");
        assert_int_equal(template_check(text, values, &line), 0);
        strcpy(p, "{{a}}");
        assert_int_equal(template_check(text, values, &line), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values_stand_for_their_names),
                cmocka_unit_test(test_a_value_is_no_template),
                cmocka_unit_test(test_a_long_value_is_cut),
                cmocka_unit_test(test_the_line_of_an_unknown_name_is_told),
                cmocka_unit_test(test_there_are_so_many_placeholders_and_no_more),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
