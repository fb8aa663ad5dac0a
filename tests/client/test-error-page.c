/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/error-page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static void test_it_names_everything(void **state _unused_) {
        _cleanup_free_ char *page =
                error_page_new("http://a.example", "127.0.0.1:3000", "Connection refused");

        assert_non_null(str_skip_prefix(page, "HTTP/1.1 502 Bad Gateway\r\n"));
        assert_non_null(strstr(page, "\r\nConnection: close\r\n"));
        assert_non_null(strstr(page, "http://a.example"));
        assert_non_null(strstr(page, "127.0.0.1:3000"));
        assert_non_null(strstr(page, "Connection refused"));
}

static void test_its_length_is_right(void **state _unused_) {
        _cleanup_free_ char *page = error_page_new("http://a.example", "b:1", "c");
        const char *field = strstr(page, "Content-Length: "), *body = strstr(page, "\r\n\r\n");

        assert_non_null(field);
        assert_non_null(body);
        assert_int_equal(strtoul(field + strlen("Content-Length: "), NULL, 10), strlen(body + 4));
}

static void test_html_is_escaped(void **state _unused_) {
        _cleanup_free_ char *page = error_page_new("<u>", "\"l'", "a & <script>");

        assert_null(strstr(page, "<u>"));
        assert_null(strstr(page, "<script>"));
        assert_non_null(strstr(page, "&lt;u&gt;"));
        assert_non_null(strstr(page, "&quot;l&#39;"));
        assert_non_null(strstr(page, "a &amp; &lt;script&gt;"));
}

static void test_it_stays_small(void **state _unused_) {
        char *reason = malloc(100001), *page;

        assert_non_null(reason);
        memset(reason, '"', 100000);
        reason[100000] = '\0';
        page = error_page_new(reason, reason, reason);
        assert_true(strlen(page) < 20000);
        free(page);
        free(reason);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_names_everything),
                cmocka_unit_test(test_its_length_is_right),
                cmocka_unit_test(test_html_is_escaped),
                cmocka_unit_test(test_it_stays_small),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
