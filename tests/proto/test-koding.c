/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "proto/koding.h"

static KodingReader *reader;

static int set_up(void **state _unused_) {
        return koding_reader_new(&reader);
}

static int tear_down(void **state _unused_) {
        reader = koding_reader_free(reader);
        return 0;
}

static int feed(const char *s) {
        return koding_reader_feed(reader, s, strlen(s));
}

static void test_the_control_path_is_known_however_it_is_written(void **state _unused_) {
        static const char *const paths[] = {
                "/_controlPath/",          "/_controlPath",       "//_controlPath//",
                "/./_controlPath/.",       "/a/../_controlPath/", "/../_controlPath/",
                "/_controlPath/a/../",     "/_controlPath/?a=/b", "/_controlPath/x/..",
                "/a/b/../../_controlPath",
        };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                if (!koding_is_control_path(paths[i], strlen(paths[i])))
                        fail_msg("%s", paths[i]);
}

static void test_no_other_path_is_the_control_path(void **state _unused_) {
        static const char *const paths[] = {
                "",
                "/",
                "*",
                "/_controlpath/",
                "/_controlPath/a",
                "/a/_controlPath/",
                "/_controlPath/..",
                "/_controlPath/../a",
                "/_controlPat",
                "/_controlPathh",
                "/?/_controlPath/",
                "tunnel.example.com:443",
                "http://a.test/_controlPath/",
                "/_controlPath%2F",
                "/.../_controlPath",
        };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                if (koding_is_control_path(paths[i], strlen(paths[i])))
                        fail_msg("%s", paths[i]);
}

static void test_a_request_is_one_json_value(void **state _unused_) {
        char text[KODING_REQUEST_MAX];
        size_t n = koding_write_request(KODING_HTTP, 0, text);

        assert_string_equal(text, "{\"action\":1,\"transportProtocol\":1,\"localPort\":0}\n");
        assert_int_equal(n, strlen(text));
        n = koding_write_request(KODING_WEBSOCKET, 65535, text);
        assert_string_equal(text, "{\"action\":1,\"transportProtocol\":3,\"localPort\":65535}\n");
        assert_int_equal(n, strlen(text));
        assert_true(n < KODING_REQUEST_MAX);
}

static void test_the_handshake_may_come_in_pieces(void **state _unused_) {
        assert_int_equal(feed(""), 0);
        assert_int_equal(feed("control"), 0);
        assert_int_equal(feed("Handshak"), 0);
        assert_int_equal(feed("e"), 1);
        assert_int_equal(feed(""), 0);
        assert_int_equal(feed("{}"), 0);
}

static void test_values_may_stand_behind_the_handshake(void **state _unused_) {
        assert_int_equal(feed(KODING_HANDSHAKE " {\"a\":[1,2]}\n null 7 \"x\" tr"), 1);
        assert_int_equal(feed("ue\n"), 0);
        assert_int_equal(feed("[]{}[]"), 0);
        assert_int_equal(feed("6"), 0);
        assert_int_equal(feed("\"x\""), 0);
}

static void test_another_handshake_is_refused(void **state _unused_) {
        assert_int_equal(feed("controlHandShake"), -EBADMSG);
}

static void test_garbage_is_refused(void **state _unused_) {
        static const struct {
                const char *text;
                size_t n;
        } cases[] = {
                { "x", 1 }, { "{]", 2 }, { "}", 1 }, { "\0", 1 }, { "{}\0", 3 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                tear_down(NULL);
                set_up(NULL);
                assert_int_equal(feed(KODING_HANDSHAKE), 1);
                assert_int_equal(koding_reader_feed(reader, cases[i].text, cases[i].n), -EBADMSG);
        }
}

static void test_a_value_without_end_is_refused(void **state _unused_) {
        assert_int_equal(feed(KODING_HANDSHAKE "\""), 1);
        for (unsigned i = 0; i < KODING_VALUE_MAX - 1; i++)
                assert_int_equal(feed("a"), 0);
        assert_int_equal(feed("a"), -ENOBUFS);
}

static void test_each_value_may_have_the_full_length(void **state _unused_) {
        char text[KODING_VALUE_MAX + 1];

        memset(text, 'a', KODING_VALUE_MAX);
        text[0] = text[KODING_VALUE_MAX - 1] = '"';
        text[KODING_VALUE_MAX] = '\0';
        assert_int_equal(feed(KODING_HANDSHAKE), 1);
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(feed(text), 0);
}

static void test_values_are_not_nested_without_end(void **state _unused_) {
        assert_int_equal(feed(KODING_HANDSHAKE "[[[[[[[["), 1);
        assert_int_equal(feed("[[[[[[[[["), -EBADMSG);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_control_path_is_known_however_it_is_written),
                cmocka_unit_test(test_no_other_path_is_the_control_path),
                cmocka_unit_test(test_a_request_is_one_json_value),
                test(test_the_handshake_may_come_in_pieces),
                test(test_values_may_stand_behind_the_handshake),
                test(test_another_handshake_is_refused),
                test(test_garbage_is_refused),
                test(test_a_value_without_end_is_refused),
                test(test_each_value_may_have_the_full_length),
                test(test_values_are_not_nested_without_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
