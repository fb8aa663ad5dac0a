/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "proto/http-rewrite.h"

#define REQUEST "GET /x HTTP/1.1\r\n"
#define OK "HTTP/1.1 200 OK\r\n"
#define SET(n, v) { { (n), sizeof(n) - 1 }, { (v), sizeof(v) - 1 } }
#define REMOVE(n) { { (n), sizeof(n) - 1 }, { NULL, 0 } }

static const HttpRewrite nothing;

static ssize_t rewrite(const char *s, const HttpRewrite *how, char *ret, size_t size) {
        static HttpHead head;
        size_t n = strlen(s);
        unsigned status;

        if (str_skip_prefix(s, "HTTP/")) {
                if (http_head_parse_response(&head, s, n, HTTP_HEAD_BYTES_MAX) != (ssize_t) n)
                        fail_msg("\"%s\"", s);
                return http_rewrite_response(&head, how, ret, size);
        }
        if (http_head_parse(&head, s, n, HTTP_HEAD_BYTES_MAX, &status) != (ssize_t) n)
                fail_msg("\"%s\"", s);
        return http_rewrite_request(&head, how, ret, size);
}

static void check(const char *s, const HttpRewrite *how, const char *expected) {
        size_t size = strlen(expected);
        char out[4096];
        ssize_t r = rewrite(s, how, out, size);

        if (r != (ssize_t) size || memcmp(out, expected, size) != 0)
                fail_msg("%zd \"%.*s\" instead of \"%s\"", r, r < 0 ? 0 : (int) r, out, expected);
        for (size_t i = 0; i < size; i++)
                assert_int_equal(rewrite(s, how, out, i), -ENOBUFS);
}

static void check_unchanged(const char *s) {
        check(s, &nothing, s);
}

static void test_a_head_goes_on_byte_for_byte(void **state) {
        (void) state;
        check_unchanged("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        check_unchanged("GET / HTTP/1.0\r\n\r\n");
        check_unchanged(
                "POST //a/../b?c=%00&d HTTP/1.1\r\nhOsT:A.b:80\r\nx-Y:  z \t\r\nCONTENT-LENGTH: 007\r\nZ:\r\n"
                "Cookie: a=b; c=\"d\"\r\nCookie: \xc3\xa4\r\nTE: trailers\r\nAuthorization: Basic x\r\n\r\n");
        check_unchanged(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTrailer: x\r\nExpect: 100-continue\r\n\r\n");
        check_unchanged("HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nDate:x\r\n\r\n");
        check_unchanged("HTTP/1.1 200\r\n\r\n");
        check_unchanged("HTTP/1.1 100 Continue\r\n\r\n");
        check("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &nothing, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void test_fields_are_set_where_they_stood_and_removed(void **state) {
        static const HttpEdit edits[] = { SET("X-Forwarded-For", "192.0.2.1"), SET("Host", "localhost:3000"),
                                          REMOVE("Cookie"), SET("New", "") };
        static const HttpRewrite how = { .edits = edits, .n_edits = ELEMENTSOF(edits) };

        (void) state;
        check(REQUEST "Host: a\r\n\r\n", &how,
              REQUEST "Host: localhost:3000\r\nX-Forwarded-For: 192.0.2.1\r\nNew: \r\n\r\n");
        check(REQUEST
              "A: 1\r\nx-forwarded-for: 6.6.6.6\r\nB: 2\r\nHOST: a\r\nX-FORWARDED-FOR: 7\r\ncookie: x\r\nC: 3\r\n"
              "Cookie: y\r\nNew: 1\r\n\r\n",
              &how,
              REQUEST
              "A: 1\r\nX-Forwarded-For: 192.0.2.1\r\nB: 2\r\nHost: localhost:3000\r\nC: 3\r\nNew: \r\n\r\n");
        check(REQUEST "Host: a\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded_for: 7\r\n\r\n",
              &how, /* CGI's eyes */
              REQUEST "Host: localhost:3000\r\nX-Forwarded-For: 192.0.2.1\r\nNew: \r\n\r\n");
}

static void test_an_empty_field_list_is_filled(void **state) {
        static const HttpEdit edits[] = { SET("Strict-Transport-Security", "max-age=31536000"),
                                          REMOVE("Server") };
        static const HttpRewrite how = { .edits = edits, .n_edits = 2, .connection = "close" };

        (void) state;
        check(OK "\r\n", &how, OK "Strict-Transport-Security: max-age=31536000\r\nConnection: close\r\n\r\n");
        check(OK "Server: x\r\nA: b\r\n\r\n", &how,
              OK "A: b\r\nStrict-Transport-Security: max-age=31536000\r\nConnection: close\r\n\r\n");
}

static void test_what_is_of_one_connection_ends_there(void **state) {
        static const struct {
                const char *in, *out;
        } cases[] = {
                { REQUEST "Connection: keep-alive\r\nHost: a\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n\r\n",
                  REQUEST "Host: a\r\n\r\n" },
                { REQUEST
                  "Host: a\r\nTE: gzip\r\nTE: trailers\r\nHTTP2-Settings: x\r\nUpgrade: websocket\r\n\r\n",
                  REQUEST "Host: a\r\nTE: trailers\r\n\r\n" },
                { REQUEST "Host: a\r\nConnection: X-Hop ,close\r\nx-hop: 1\r\nX-Hops: 2\r\nX_Hop: 3\r\n\r\n",
                  REQUEST "Host: a\r\nX-Hops: 2\r\nX_Hop: 3\r\n\r\n" },
                { REQUEST "X-Hop: 1\r\nHost: a\r\nConnection: a\r\nConnection: x-hop\r\n\r\n",
                  REQUEST "Host: a\r\n\r\n" },
                { OK "Connection: close\r\nKeep-Alive: timeout=5\r\nUpgrade: h2,h2c\r\nA: b\r\n\r\n",
                  OK "A: b\r\n\r\n" },
                { OK "A: 1\r\nConnection: x, a\r\n\r\n", OK "\r\n" },
                { "HTTP/1.1 426 x\r\nUpgrade: y\r\n\r\n", "HTTP/1.1 426 x\r\nUpgrade: y\r\n\r\n" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check(cases[i].in, &nothing, cases[i].out);
}

static void test_connection_can_not_take_our_fields_away(void **state) {
        static const char fields[] =
                "Host: a\r\nContent-Length: 5\r\nAuthorization: x\r\nForwarded: for=1\r\n"
                "Expect: 100-continue\r\nX-Forwarded-For: 1\r\nX-Forwarded-Proto: https\r\n"
                "X-Forwarded-Host: a\r\nX-Forwarded-Y: z\r\n";
        static const char *const named[] = { "host", "Content-Length", "authorization", "Forwarded", "expect",
                                             "X-Forwarded-For", "X-FORWARDED-PROTO", "x-forwarded-host",
                                             "close, x-forwarded-y" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(named); i++) {
                _cleanup_free_ char *in = str_format(REQUEST "Connection: %s\r\n%s\r\n", named[i], fields);
                _cleanup_free_ char *out = str_format(REQUEST "%s\r\n", fields);

                check(in, &nothing, out);
        }
        check("POST / HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n",
              &nothing, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        check(OK "Connection: Content-Length\r\nContent-Length: 5\r\n\r\n", &nothing,
              OK "Content-Length: 5\r\n\r\n");
}

static void test_connection_can_not_take_away_what_is_set(void **state) {
        static const HttpEdit edits[] = { SET("X-Real-IP", "192.0.2.1") };
        static const HttpRewrite how = { .edits = edits, .n_edits = 1 };

        (void) state;
        check(REQUEST "Host: a\r\nConnection: X-Real-IP\r\nX-Real-IP: 6.6.6.6\r\n\r\n", &how,
              REQUEST "Host: a\r\nX-Real-IP: 192.0.2.1\r\n\r\n");
}

static void test_connection_names_few_fields(void **state) {
        char s[1024] = REQUEST "Host: a\r\nConnection: close", out[1024];

        (void) state;
        for (unsigned i = 0; i < HTTP_CONNECTION_NAMES_MAX; i++)
                strcat(s, ",x");
        strcat(s, "\r\n\r\n");
        assert_true(rewrite(s, &nothing, out, sizeof(out)) > 0);
        strcpy(s + strlen(s) - 4, ",y\r\n\r\n");
        assert_int_equal(rewrite(s, &nothing, out, sizeof(out)), -ENOBUFS);
}

static void test_upgrades_pass_without_h2c(void **state) {
        static const HttpRewrite closing = { .connection = "close" };

        (void) state;
        check(REQUEST
              "Host: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
              &closing,
              REQUEST "Host: a\r\nSec-WebSocket-Key: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
        check(REQUEST "Host: a\r\nUpgrade: h2c, a/1\r\nUpgrade: b\r\nConnection: upgrade\r\n\r\n", &nothing,
              REQUEST "Host: a\r\nUpgrade: a/1, b\r\nConnection: Upgrade\r\n\r\n");
        check(REQUEST
              "Host: a\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
              &closing, REQUEST "Host: a\r\nConnection: close\r\n\r\n");
        check("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
              &(HttpRewrite){ .connection = "Upgrade" },
              "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
}

static void test_a_length_is_said_once(void **state) {
        (void) state;
        check(REQUEST "Host: a\r\nContent-Length: 5\r\nA: b\r\ncontent-length: 05\r\n\r\n", &nothing,
              REQUEST "Host: a\r\nContent-Length: 5\r\nA: b\r\n\r\n");
        check(OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", &nothing, OK "Content-Length: 5\r\n\r\n");
}

static void test_absolute_targets_become_paths(void **state) {
        static const struct {
                const char *in, *out;
        } cases[] = {
                { "GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x?y HTTP/1.1\r\nHost: a\r\n\r\n" },
                { "GET https://A:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "GET / HTTP/1.1\r\nHost: a:80\r\n\r\n" },
                { "GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?x HTTP/1.1\r\nHost: a\r\n\r\n" },
                { "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" },
                { "OPTIONS http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n" },
                { "GET http://a:1/x HTTP/1.0\r\nA: b\r\n\r\n",
                  "GET /x HTTP/1.0\r\nHost: a:1\r\nA: b\r\n\r\n" },
                { "GET /http://b/x HTTP/1.1\r\nHost: a\r\n\r\n",
                  "GET /http://b/x HTTP/1.1\r\nHost: a\r\n\r\n" },
                { "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" },
        };
        static const HttpEdit edit = SET("Host", "b");

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check(cases[i].in, &nothing, cases[i].out);
        check("GET http://a/x HTTP/1.0\r\n\r\n", &(HttpRewrite) { .edits = &edit, .n_edits = 1 },
              "GET /x HTTP/1.0\r\nHost: b\r\n\r\n");
}

static void test_edits_that_people_may_configure(void **state) {
        static const struct {
                HttpEdit edit;
                bool valid;
        } cases[] = {
                { SET("X-A", "b c"), true },      { SET("X-A", ""), true },
                { REMOVE("Cookie"), true },       { SET("Host", "a"), true },
                { SET("", "b"), false },          { SET("X A", "b"), false },
                { SET("X:", "b"), false },        { SET("X", "b\r\nY: c"), false },
                { SET("X", "b\n"), false },       { SET("X", " b"), false },
                { SET("X", "b\t"), false },       { SET("X", "b\0c"), false },
                { SET("Connection", "a"), false }, { SET("content_length", "1"), false },
                { REMOVE("Transfer-Encoding"), false }, { REMOVE("Upgrade"), false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (http_edit_is_valid(&cases[i].edit) != cases[i].valid)
                        fail_msg("case %zu", i);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_head_goes_on_byte_for_byte),
                cmocka_unit_test(test_fields_are_set_where_they_stood_and_removed),
                cmocka_unit_test(test_an_empty_field_list_is_filled),
                cmocka_unit_test(test_what_is_of_one_connection_ends_there),
                cmocka_unit_test(test_connection_can_not_take_our_fields_away),
                cmocka_unit_test(test_connection_can_not_take_away_what_is_set),
                cmocka_unit_test(test_connection_names_few_fields),
                cmocka_unit_test(test_upgrades_pass_without_h2c),
                cmocka_unit_test(test_a_length_is_said_once),
                cmocka_unit_test(test_absolute_targets_become_paths),
                cmocka_unit_test(test_edits_that_people_may_configure),
        };

        return cmocka_run_group_tests_name("proto/http-rewrite", tests, NULL, NULL);
}
