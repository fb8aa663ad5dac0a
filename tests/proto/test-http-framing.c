/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "proto/http-framing.h"

static HttpHead head;

static const HttpHead *request(const char *s) {
        unsigned status;

        if (http_head_parse(&head, s, strlen(s), HTTP_HEAD_BYTES_MAX, &status) != (ssize_t) strlen(s))
                fail_msg("\"%s\"", s);
        return &head;
}

static const HttpHead *response(const char *s) {
        static HttpHead r;

        if (http_head_parse_response(&r, s, strlen(s), HTTP_HEAD_BYTES_MAX) != (ssize_t) strlen(s))
                fail_msg("\"%s\"", s);
        return &r;
}

static void test_bodies_of_requests(void **state) {
        static const struct {
                const char *head;
                HttpBodyKind kind;
        } cases[] = {
                { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BODY_NONE },
                { "POST / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BODY_NONE }, /* never until close */
                { "POST / HTTP/1.0\r\n\r\n", HTTP_BODY_NONE },
                { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", HTTP_BODY_NONE },
                { "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", HTTP_BODY_LENGTH },
                { "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", HTTP_BODY_LENGTH },
                { "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n", HTTP_BODY_LENGTH },
                { "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_BODY_CHUNKED },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(http_request_body(request(cases[i].head)), cases[i].kind);
}

static void test_what_a_request_says_about_its_connection(void **state) {
        static const struct {
                const char *head;
                bool may_keep_open, may_upgrade;
        } cases[] = {
                { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, false },
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false, false },
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE ,y\r\n\r\n", false, false },
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n", false, false },
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", false, false },
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true, false },
                { "GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n", true, false },
                { "GET / HTTP/1.0\r\n\r\n", false, false },
                { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false },
                { "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false, false },
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", true,
                  true },
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, upgrade\r\nUpgrade: x/1\r\n\r\n",
                  true, true },
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c, websocket\r\n\r\n", true,
                  true },
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nUpgrade: x\r\n\r\n",
                  true, true },
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: H2C\r\n\r\n", true, false },
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c-14, h2c\r\n\r\n", true,
                  false },
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade:\r\n\r\n", true, false },
                { "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n", true, false },
                { "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", true, false },
                { "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", false, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                HttpExchange x = http_exchange(request(cases[i].head));

                if (x.may_keep_open != cases[i].may_keep_open || x.may_upgrade != cases[i].may_upgrade)
                        fail_msg("\"%s\": %d, %d", cases[i].head, x.may_keep_open, x.may_upgrade);
        }
}

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define LENGTH "Content-Length: 5\r\n"

static void test_bodies_of_responses(void **state) {
        static const HttpExchange get, head_method = { .is_head = true }, old = { .is_1_0 = true },
                                       connect = { .is_connect = true }, upgrade = { .may_upgrade = true };
        static const struct {
                const HttpExchange *x;
                const char *head;
                HttpBodyKind kind;
        } cases[] = {
                { &get, OK LENGTH "\r\n", HTTP_BODY_LENGTH },
                { &get, OK CHUNKED "\r\n", HTTP_BODY_CHUNKED },
                { &get, OK "Content-Length: 0\r\n\r\n", HTTP_BODY_NONE },
                { &get, OK "\r\n", HTTP_BODY_UNTIL_CLOSE },
                { &get, "HTTP/1.0 200 OK\r\n\r\n", HTTP_BODY_UNTIL_CLOSE },
                { &get, "HTTP/1.1 204 No Content\r\n\r\n", HTTP_BODY_NONE },
                { &get, "HTTP/1.1 204 No Content\r\n" LENGTH "\r\n", HTTP_BODY_NONE },
                { &get, "HTTP/1.1 304 Not Modified\r\n" LENGTH "\r\n", HTTP_BODY_NONE },
                { &get, "HTTP/1.1 304 Not Modified\r\n" CHUNKED "\r\n", HTTP_BODY_NONE },
                { &get, "HTTP/1.1 205 Reset Content\r\n\r\n", HTTP_BODY_UNTIL_CLOSE },
                { &get, "HTTP/1.1 100 Continue\r\n\r\n", HTTP_BODY_NONE },
                { &get, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", HTTP_BODY_NONE },
                { &upgrade, "HTTP/1.1 101 x\r\n\r\n", HTTP_BODY_OPAQUE },
                { &upgrade, OK LENGTH "\r\n", HTTP_BODY_LENGTH },
                { &upgrade, "HTTP/1.1 426 x\r\n" LENGTH "\r\n", HTTP_BODY_LENGTH },
                { &head_method, OK LENGTH "\r\n", HTTP_BODY_NONE },
                { &head_method, OK CHUNKED "\r\n", HTTP_BODY_NONE },
                { &head_method, OK "\r\n", HTTP_BODY_NONE },
                { &connect, OK LENGTH "\r\n", HTTP_BODY_OPAQUE },
                { &connect, "HTTP/1.1 204 x\r\n\r\n", HTTP_BODY_OPAQUE },
                { &connect, "HTTP/1.1 405 x\r\n" LENGTH "\r\n", HTTP_BODY_LENGTH },
                { &old, OK LENGTH "\r\n", HTTP_BODY_LENGTH },
                { &old, "HTTP/1.1 304 x\r\n" CHUNKED "\r\n", HTTP_BODY_NONE },
        };
        HttpBodyKind kind = HTTP_BODY_NONE;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(http_response_body(cases[i].x, response(cases[i].head), &kind), 0);
                if (kind != cases[i].kind)
                        fail_msg("\"%s\": %u", cases[i].head, kind);
        }
        assert_int_equal(http_response_body(&get, response("HTTP/1.1 101 x\r\n\r\n"), &kind), -EPROTO);
        assert_int_equal(http_response_body(&old, response(OK CHUNKED "\r\n"), &kind), -EPROTO);
}

static void test_interim_responses(void **state) {
        (void) state;
        assert_true(http_response_is_interim(response("HTTP/1.1 100 Continue\r\n\r\n")));
        assert_true(http_response_is_interim(response("HTTP/1.1 199 x\r\n\r\n")));
        assert_false(http_response_is_interim(response("HTTP/1.1 101 x\r\n\r\n")));
        assert_false(http_response_is_interim(response("HTTP/1.1 200 OK\r\n\r\n")));
}

static void test_whether_a_connection_goes_on_after_a_response(void **state) {
        (void) state;
        assert_true(http_response_keeps_open(response(OK "\r\n"), HTTP_BODY_LENGTH));
        assert_true(http_response_keeps_open(response(OK "\r\n"), HTTP_BODY_CHUNKED));
        assert_true(http_response_keeps_open(response(OK "\r\n"), HTTP_BODY_NONE));
        assert_false(http_response_keeps_open(response(OK "\r\n"), HTTP_BODY_UNTIL_CLOSE));
        assert_false(http_response_keeps_open(response(OK "\r\n"), HTTP_BODY_OPAQUE));
        assert_false(http_response_keeps_open(response(OK "Connection: close\r\n\r\n"), HTTP_BODY_LENGTH));
        assert_false(http_response_keeps_open(response("HTTP/1.0 200 x\r\n\r\n"), HTTP_BODY_LENGTH));
        assert_true(http_response_keeps_open(response("HTTP/1.0 200 x\r\nConnection: keep-alive\r\n\r\n"),
                                             HTTP_BODY_LENGTH));
}

static void test_what_a_visitor_is_told_about_its_connection(void **state) {
        static const HttpExchange x = {}, old = { .is_1_0 = true };

        (void) state;
        assert_null(http_response_connection(&x, response(OK "\r\n"), true));
        assert_string_equal(http_response_connection(&x, response(OK "\r\n"), false), "close");
        assert_string_equal(http_response_connection(&old, response(OK "\r\n"), true), "keep-alive");
        assert_string_equal(http_response_connection(&x, response("HTTP/1.0 200 x\r\n\r\n"), true),
                            "keep-alive");
        assert_string_equal(http_response_connection(&x, response("HTTP/1.1 101 x\r\n\r\n"), false),
                            "Upgrade");
        assert_null(http_response_connection(&x, response("HTTP/1.1 100 x\r\n\r\n"), false));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bodies_of_requests),
                cmocka_unit_test(test_what_a_request_says_about_its_connection),
                cmocka_unit_test(test_bodies_of_responses),
                cmocka_unit_test(test_interim_responses),
                cmocka_unit_test(test_whether_a_connection_goes_on_after_a_response),
                cmocka_unit_test(test_what_a_visitor_is_told_about_its_connection),
        };

        return cmocka_run_group_tests_name("proto/http-framing", tests, NULL, NULL);
}
