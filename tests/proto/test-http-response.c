/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Heads of responses; what they share with those of requests is in test-http-head.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "proto/http-head.h"

static HttpHead head;

/* Parses N bytes that lie alone in memory, so that a sanitizer sees a read behind them. */
static ssize_t parse(const char *data, size_t n, size_t limit) {
        static char *copy;

        free(copy); /* the head of the last call points into it */
        copy = malloc(n);
        memcpy(copy, data, n);
        return http_head_parse_response(&head, copy, n, limit);
}

static void assert_slice(HttpSlice s, const char *text) {
        if (s.length != strlen(text) || memcmp(s.data, text, s.length) != 0)
                fail_msg("\"%.*s\" instead of \"%s\"", (int) s.length, s.data, text);
}

/* S is a whole head, and no prefix of it is one. */
static void parse_whole(const char *s) {
        size_t n = strlen(s);

        for (size_t i = 0; i < n; i++)
                if (parse(s, i, HTTP_HEAD_BYTES_MAX) != -EAGAIN)
                        fail_msg("\"%.*s\"", (int) i, s);
        if (parse(s, n, HTTP_HEAD_BYTES_MAX) != (ssize_t) n)
                fail_msg("\"%s\"", s);
}

static void test_a_response_is_taken_apart(void **state) {
        (void) state;
        parse_whole("HTTP/1.1 404 Not Found \xc3\xa4\r\nServer: x\r\nContent-Length: 7\r\n\r\n");
        assert_int_equal(head.status, 404);
        assert_slice(head.reason, "Not Found \xc3\xa4");
        assert_int_equal(head.minor_version, 1);
        assert_int_equal(head.content_length, 7);
        assert_true(head.has_content_length);
        assert_false(head.chunked);
        assert_int_equal(head.n_fields, 2);
        assert_slice(head.fields[0].name, "Server");
        assert_slice(head.lines, "Server: x\r\nContent-Length: 7\r\n");
}

static void test_status_lines_that_are_read(void **state) {
        static const struct {
                const char *line;
                unsigned status, minor_version;
                const char *reason;
        } cases[] = {
                { "HTTP/1.1 200 OK", 200, 1, "OK" },
                { "HTTP/1.1 200 ", 200, 1, "" },
                { "HTTP/1.1 200", 200, 1, "" },
                { "HTTP/1.0 304 Not Modified", 304, 0, "Not Modified" },
                { "HTTP/1.1 100 Continue", 100, 1, "Continue" },
                { "HTTP/1.1 999 \t x", 999, 1, "\t x" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *s = str_format("%s\r\n\r\n", cases[i].line);

                parse_whole(s);
                assert_int_equal(head.status, cases[i].status);
                assert_int_equal(head.minor_version, cases[i].minor_version);
                assert_slice(head.reason, cases[i].reason);
        }
}

static void test_bad_responses_are_refused(void **state) {
        static const char *const cases[] = {
                "HTTP/2.0 200 OK\r\n\r\n",
                "HTTP/1.10 200 OK\r\n\r\n",
                "HTTP/1.x 200 OK\r\n\r\n",
                "http/1.1 200 OK\r\n\r\n",
                "ICY 200 OK\r\n\r\n",
                " HTTP/1.1 200 OK\r\n\r\n",
                "\r\nHTTP/1.1 200 OK\r\n\r\n",
                "HTTP/1.1  200 OK\r\n\r\n",
                "HTTP/1.1\t200 OK\r\n\r\n",
                "HTTP/1.1 20 OK\r\n\r\n",
                "HTTP/1.1 2000 OK\r\n\r\n",
                "HTTP/1.1 200OK\r\n\r\n",
                "HTTP/1.1 099 OK\r\n\r\n",
                "HTTP/1.1 2x0 OK\r\n\r\n",
                "HTTP/1.1 \r\n\r\n",
                "HTTP/1.1\r\n\r\n",
                "HTTP/1.1 200 OK\n\n",
                "HTTP/1.1 200 O\rK\r\n\r\n",
                "HTTP/1.1 200 \x01\r\n\r\n",
                "HTTP/1.1 200 OK\r\n X: y\r\n\r\n",
                "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
                "HTTP/1.1 200 OK\r\nX: y\n\r\n",
                "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
                "HTTP/1.1 200 OK\r\nX\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
                "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (parse(cases[i], strlen(cases[i]), HTTP_HEAD_BYTES_MAX) != -EBADMSG)
                        fail_msg("\"%s\"", cases[i]);
        assert_int_equal(parse("X", 1, HTTP_HEAD_BYTES_MAX), -EBADMSG); /* at once */
        assert_int_equal(parse("HTTP/2", 6, HTTP_HEAD_BYTES_MAX), -EBADMSG);
        assert_int_equal(parse("HTTP/1.1 x\r\n", 12, HTTP_HEAD_BYTES_MAX), -EBADMSG);
}

static void test_a_responses_host_means_nothing(void **state) {
        (void) state;
        parse_whole("HTTP/1.1 200 OK\r\nHost: a b\r\n\r\n");
        parse_whole("HTTP/1.1 200 OK\r\n\r\n");
        assert_int_equal(head.n_fields, 0);
        assert_int_equal(head.lines.length, 0);
}

static void test_the_limit_bounds_a_response(void **state) {
        static const char response[] = "HTTP/1.1 200 OK\r\nX: y\r\n\r\nbody";
        const size_t n = sizeof(response) - 1, length = n - 4;

        (void) state;
        assert_int_equal(parse(response, n, length), length);
        for (size_t limit = 0; limit < length; limit++)
                for (size_t i = 0; i <= n; i++)
                        assert_int_equal(parse(response, i, limit), i < limit ? -EAGAIN : -EMSGSIZE);
}

static void test_fields_of_one_name_are_found_in_turn(void **state) {
        const HttpField *f;

        (void) state;
        parse_whole("HTTP/1.1 200 OK\r\nA: 1\r\nb: 2\r\na: 3\r\n\r\n");
        f = http_head_find(&head, "a");
        assert_slice(f->value, "1");
        f = http_head_find_next(&head, "a", f);
        assert_slice(f->value, "3");
        assert_null(http_head_find_next(&head, "a", f));
}

static void test_lists_are_taken_apart_at_commas(void **state) {
        HttpSlice list = http_slice_of(", a ,\t,b c,d\t"), element;

        (void) state;
        assert_true(http_list_next(&list, &element));
        assert_slice(element, "a");
        assert_true(http_list_next(&list, &element));
        assert_slice(element, "b c");
        assert_true(http_list_next(&list, &element));
        assert_slice(element, "d");
        assert_false(http_list_next(&list, &element));
        assert_false(http_list_next(&list, &element));
}

static void test_underscores_are_hyphens_to_cgi(void **state) {
        (void) state;
        assert_true(http_name_resembles(http_slice_of("X_forwarded-FOR"), http_slice_of("X-Forwarded-For")));
        assert_false(http_name_resembles(http_slice_of("X-Forwarded-Fo"), http_slice_of("X-Forwarded-For")));
        assert_false(http_name_resembles(http_slice_of("X.Forwarded.For"), http_slice_of("X-Forwarded-For")));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_response_is_taken_apart),
                cmocka_unit_test(test_status_lines_that_are_read),
                cmocka_unit_test(test_bad_responses_are_refused),
                cmocka_unit_test(test_a_responses_host_means_nothing),
                cmocka_unit_test(test_the_limit_bounds_a_response),
                cmocka_unit_test(test_fields_of_one_name_are_found_in_turn),
                cmocka_unit_test(test_lists_are_taken_apart_at_commas),
                cmocka_unit_test(test_underscores_are_hyphens_to_cgi),
        };

        return cmocka_run_group_tests_name("proto/http-response", tests, NULL, NULL);
}
