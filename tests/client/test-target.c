/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/target.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"

static void test_targets_as_people_write_them(void **state _unused_) {
        static const struct {
                const char *text, *host, *shown;
                uint16_t port;
        } cases[] = {
                { "3000", "", "127.0.0.1:3000", 3000 },
                { ":80", "", "127.0.0.1:80", 80 },
                { "65535", "", "127.0.0.1:65535", 65535 },
                { "127.0.0.1:8080", "127.0.0.1", "127.0.0.1:8080", 8080 },
                { "LocalHost:1", "localhost", "localhost:1", 1 },
                { "[::1]:22", "::1", "[::1]:22", 22 },
                { "my_container:5000", "my_container", "my_container:5000", 5000 },
        };
        char text[TARGET_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Target t;

                assert_int_equal(target_parse(cases[i].text, &t), 0);
                assert_string_equal(t.host, cases[i].host);
                assert_int_equal(t.port, cases[i].port);
                assert_string_equal(target_format(&t, text), cases[i].shown);
                assert_null(target_check(cases[i].text));
        }
}

static void test_other_kinds_of_targets(void **state _unused_) {
        static const struct {
                const char *text, *shown, *host_header;
                TargetKind kind;
                bool is_http;
        } cases[] = {
                { "unix:/run/app.sock", "unix:/run/app.sock", "localhost", TARGET_UNIX, false },
                { "file:///srv/www", "file:///srv/www", "localhost", TARGET_FOLDER, true },
                { "https://App.test", "https://app.test:443", "app.test:443", TARGET_TLS, true },
                { "https://localhost:8443/", "https://localhost:8443", "localhost:8443", TARGET_TLS, true },
                { "https://[::1]:1", "https://[::1]:1", "[::1]:1", TARGET_TLS, true },
                { "3000", "127.0.0.1:3000", "localhost:3000", TARGET_TCP, false },
        };
        char text[TARGET_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Target t;

                assert_int_equal(target_parse(cases[i].text, &t), 0);
                assert_int_equal(t.kind, cases[i].kind);
                assert_string_equal(target_format(&t, text), cases[i].shown);
                assert_string_equal(target_format_host(&t, text), cases[i].host_header);
                assert_int_equal(target_is_http(&t), cases[i].is_http);
        }
}

static void test_what_is_no_target_is_refused(void **state _unused_) {
        static const char *const cases[] = {
                "",        "0",          "65536",          "host",   "host:",
                "host:0",  "host:65536", "http://host:80", "unix:x", "file://x",
                "::1:22",  "[::1]",      "a b:80",         "-3000",  "80 ",
                "host:8o", "unix:",      "https://",       "file:x", "https:host",
        };
        Target t = { .port = 7 };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                if (target_parse(cases[i], &t) != -EINVAL)
                        fail_msg("taken: %s", cases[i]);
                assert_int_equal(t.port, 7);
                assert_non_null(target_check(cases[i]));
        }
}

static void test_loopback_is_known(void **state _unused_) {
        assert_true(host_is_loopback("localhost"));
        assert_true(host_is_loopback("a.localhost"));
        assert_true(host_is_loopback("127.0.0.1"));
        assert_true(host_is_loopback("127.9.9.9"));
        assert_true(host_is_loopback("::1"));
        assert_false(host_is_loopback("10.0.0.1"));
        assert_false(host_is_loopback("::2"));
        assert_false(host_is_loopback("127.0.0.1.example.com"));
        assert_false(host_is_loopback("notlocalhost"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_targets_as_people_write_them),
                cmocka_unit_test(test_other_kinds_of_targets),
                cmocka_unit_test(test_what_is_no_target_is_refused),
                cmocka_unit_test(test_loopback_is_known),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
