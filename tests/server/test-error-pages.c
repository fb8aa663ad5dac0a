/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/error-pages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/files.h"
#include "base/str.h"

static char folder[64];

static int set_up(void **state _unused_) {
        strcpy(folder, "/tmp/test-pages-XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state _unused_) {
        _cleanup_free_ char *command = str_format("rm -rf '%s'", folder);

        return system(command);
}

static void put_file(const char *name, const char *data, size_t n) {
        _cleanup_free_ char *path = str_format("%s/%s", folder, name);

        assert_int_equal(files_replace(path, data, n, 0600), 0);
}

static void expect_page(const ErrorPages *p, unsigned status, bool html, const char *wanted) {
        const ErrorPage page = {
                .status = status, .reason = "It's <gone>", .host = "a.example", .html = html
        };
        _cleanup_free_ char *text = error_pages_fill(p, &page);

        assert_non_null(text);
        assert_string_equal(text, wanted);
}

static void expect_part(const ErrorPages *p, unsigned status, const char *part) {
        const ErrorPage page = {
                .status = status, .reason = "It's <gone>", .host = "a.example", .html = true
        };
        _cleanup_free_ char *text = error_pages_fill(p, &page);

        assert_non_null(text);
        assert_non_null(strstr(text, part));
}

static void test_without_a_folder_there_are_our_own(void **state _unused_) {
        _cleanup_(error_pages_unrefp) ErrorPages *p = NULL;
        ConfigList faults = {};

        assert_int_equal(error_pages_new(&p, "", &faults), 0);
        expect_page(p, 404, false, "It's <gone>\n");
        expect_part(p, 404, "<h1>404 Not Found</h1>\n<p>It&#39;s &lt;gone&gt;</p>");
        expect_part(p, 308, "308 Permanent Redirect");
}

static void test_those_of_the_folder_are_taken_and_the_rest_is_ours(void **state _unused_) {
        static const char page[] = "<i>{{status}} {{phrase}} {{reason}} {{host}}</i>",
                          text[] = "{{host}}: {{reason}}";
        _cleanup_(error_pages_unrefp) ErrorPages *p = NULL;
        ConfigList faults = {};

        put_file("404.html", page, strlen(page));
        put_file("503.txt", text, strlen(text));
        put_file("200.html", "{{what}}", 8); /* of no answer of ours */
        put_file("style.css", "{{", 2);
        assert_int_equal(error_pages_new(&p, folder, &faults), 0);
        assert_int_equal(faults.n, 0);
        expect_page(p, 404, true, "<i>404 Not Found It&#39;s &lt;gone&gt; a.example</i>");
        expect_page(p, 404, false, "It's <gone>\n");
        expect_page(p, 503, false, "a.example: It's <gone>");
        expect_part(p, 503, "<h1>503 Service Unavailable</h1>");
}

static void test_all_that_is_wrong_is_told_by_file(void **state _unused_) {
        _cleanup_free_ char *large = calloc(ERROR_PAGE_BYTES_MAX + 1, 1),
                            *dir = str_format("%s/502.txt", folder), *all = NULL;
        ErrorPages *p = NULL;
        ConfigList faults = {};

        put_file("400.html", "\xff", 1);
        put_file("401.html", "a\0b", 3);
        put_file("404.html", "\n\n{{name}}", 10);
        put_file("503.html", large, ERROR_PAGE_BYTES_MAX + 1);
        assert_int_equal(mkdir(dir, 0700), 0);
        assert_int_equal(error_pages_new(&p, folder, &faults), -EINVAL);
        assert_null(p);
        assert_int_equal(faults.n, 5);
        all = config_list_join(&faults);
        assert_non_null(strstr(all, "/400.html: is not a text"));
        assert_non_null(strstr(all, "/401.html: is not a text"));
        assert_non_null(strstr(all, "/404.html:3: "));
        assert_non_null(strstr(all, "/503.html: is larger than 65536 bytes"));
        assert_non_null(strstr(all, "/502.txt: "));
        config_list_done(&faults);
}

static void test_a_folder_that_is_not_there_is_a_fault(void **state _unused_) {
        ErrorPages *p = NULL;
        ConfigList faults = {};

        assert_int_equal(error_pages_new(&p, "/nonexistent", &faults), -EINVAL);
        assert_int_equal(faults.n, 1);
        assert_string_equal(faults.items[0], "/nonexistent: No such file or directory");
        config_list_done(&faults);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_without_a_folder_there_are_our_own),
                cmocka_unit_test_setup_teardown(test_those_of_the_folder_are_taken_and_the_rest_is_ours,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_all_that_is_wrong_is_told_by_file, set_up, tear_down),
                cmocka_unit_test(test_a_folder_that_is_not_there_is_a_fault),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
