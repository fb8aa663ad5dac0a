/* SPDX-License-Identifier: LGPL-2.1-or-later */
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
static ssize_t parse(const char *data, size_t n, size_t limit, unsigned *ret_status) {
        static char *copy;

        free(copy); /* the head of the last call points into it */
        copy = malloc(n);
        memcpy(copy, data, n);
        return http_head_parse(&head, copy, n, limit, ret_status);
}

static void assert_slice(HttpSlice s, const char *text) {
        if (s.length != strlen(text) || memcmp(s.data, text, s.length) != 0)
                fail_msg("\"%.*s\" instead of \"%s\"", (int) s.length, s.data, text);
}

static void assert_field(size_t i, const char *name, const char *value) {
        assert_in_range(i, 0, head.n_fields - 1);
        assert_slice(head.fields[i].name, name);
        assert_slice(head.fields[i].value, value);
}

/* The N bytes at S are a whole head, and no prefix of them is one. */
static void parse_whole(const char *s, size_t n) {
        unsigned status = 0;
        ssize_t r;

        for (size_t i = 0; i < n; i++) {
                r = parse(s, i, HTTP_HEAD_BYTES_MAX, &status);
                if (r != -EAGAIN)
                        fail_msg("%zd, %u for \"%.*s\"", r, status, (int) i, s);
        }
        r = parse(s, n, HTTP_HEAD_BYTES_MAX, &status);
        if (r != (ssize_t) n)
                fail_msg("%zd, %u for \"%.*s\"", r, status, (int) n, s);
}

static void parse_string(const char *s) {
        parse_whole(s, strlen(s));
}

/* The N bytes at S are refused, and so or not yet decided is each prefix. */
static void check_refused(const char *s, size_t n, unsigned expected) {
        bool refused = false;
        unsigned status = 0;
        ssize_t r = 0;

        for (size_t i = 0; i <= n; i++) {
                status = 0;
                r = parse(s, i, HTTP_HEAD_BYTES_MAX, &status);
                if (r != -EBADMSG && (r != -EAGAIN || refused))
                        fail_msg("%zd, %u for \"%.*s\"", r, status, (int) i, s);
                refused = r == -EBADMSG;
        }
        if (!refused || status != expected)
                fail_msg("%zd, %u for \"%.*s\"", r, status, (int) n, s);
}

static void check_all_refused(const char *const *cases, size_t n, unsigned status) {
        for (size_t i = 0; i < n; i++)
                check_refused(cases[i], strlen(cases[i]), status);
}

static void test_a_request_is_taken_apart(void **state) {
        (void) state;
        parse_string("POST /a/b?c=d HTTP/1.1\r\nHost: Example.ORG:8080\r\nAccept: */*\r\n"
                     "Content-Length: 42\r\n\r\n");
        assert_slice(head.method, "POST");
        assert_slice(head.target, "/a/b?c=d");
        assert_int_equal(head.minor_version, 1);
        assert_slice(head.host_header, "Example.ORG:8080");
        assert_string_equal(head.host, "example.org");
        assert_int_equal(head.port, 8080);
        assert_true(head.has_content_length);
        assert_int_equal(head.content_length, 42);
        assert_false(head.chunked);
        assert_int_equal(head.n_fields, 3);
        assert_field(0, "Host", "Example.ORG:8080");
        assert_field(1, "Accept", "*/*");
        assert_field(2, "Content-Length", "42");
}

static void test_a_head_leaves_nothing_behind_for_the_next(void **state) {
        (void) state;
        parse_string("GET http://b/ HTTP/1.1\r\nHost: b\r\nContent-Length: 1\r\n\r\n");
        parse_string("GET / HTTP/1.0\r\n\r\n");
        assert_string_equal(head.host, "");
        assert_int_equal(head.host_header.length, 0);
        assert_int_equal(head.port, 0);
        assert_int_equal(head.minor_version, 0);
        assert_int_equal(head.n_fields, 0);
        assert_false(head.has_content_length);
        assert_int_equal(head.content_length, 0);
        assert_false(head.chunked);
        parse_string("GET / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_true(head.chunked);
        parse_string("GET / HTTP/1.1\r\nHost: b\r\n\r\n");
        assert_false(head.chunked);
}

static void test_what_follows_a_head_is_not_looked_at(void **state) {
        static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\n\0\xff";
        const size_t n = sizeof(request) - 1;
        unsigned status;

        (void) state;
        assert_int_equal(parse(request, n, HTTP_HEAD_BYTES_MAX, &status), n - 3);
}

static void test_one_empty_line_before_the_request_is_skipped(void **state) {
        (void) state;
        parse_string("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_slice(head.method, "GET");
}

static void test_white_space_around_values_is_cut_off(void **state) {
        (void) state;
        parse_string("GET / HTTP/1.1\r\nHost:\ta \t\r\nA:\r\nB: \t \r\nC:x\r\nD: x \t y\t\r\n"
                     "E: \xc3\xa4\r\n\r\n");
        assert_string_equal(head.host, "a");
        assert_field(0, "Host", "a");
        assert_field(1, "A", "");
        assert_field(2, "B", "");
        assert_field(3, "C", "x");
        assert_field(4, "D", "x \t y");
        assert_field(5, "E", "\xc3\xa4");
}

static void test_names_match_in_any_letter_case(void **state) {
        const HttpField *field;

        (void) state;
        parse_string("GET / HTTP/1.1\r\nhOsT: a\r\nCONTENT-length: 7\r\nX-A: 1\r\nx-a: 2\r\n\r\n");
        assert_string_equal(head.host, "a");
        assert_int_equal(head.content_length, 7);
        field = http_head_find(&head, "X-a");
        assert_non_null(field);
        assert_slice(field->value, "1");
        assert_null(http_head_find(&head, "X-"));
        assert_null(http_head_find(&head, "X-A-"));
        parse_string("GET / HTTP/1.1\r\nHost: a\r\ntransfer-ENCODING: Chunked\r\n\r\n");
        assert_true(head.chunked);
}

static void test_every_token_character_is_good_in_a_name(void **state) {
        (void) state;
        parse_string("M!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\nHost: a\r\n"
                     "!#$%&'*+-.^_`|~09azAZ: \"(),/:;<=>?@[\\]{}\r\n\r\n");
        assert_field(1, "!#$%&'*+-.^_`|~09azAZ", "\"(),/:;<=>?@[\\]{}");
}

static void test_an_absolute_target_names_the_host(void **state) {
        (void) state;
        parse_string("GET http://Example.org:81/x HTTP/1.1\r\nHost: example.org:81\r\n\r\n");
        assert_slice(head.target, "http://Example.org:81/x");
        assert_slice(head.host_header, "Example.org:81");
        assert_string_equal(head.host, "example.org");
        assert_int_equal(head.port, 81);
        parse_string("GET HTTPS://a?b HTTP/1.1\r\nHost: A\r\n\r\n");
        assert_slice(head.host_header, "a");
        parse_string("GET http://[::1]:80 HTTP/1.0\r\n\r\n");
        assert_string_equal(head.host, "::1");
        assert_int_equal(head.port, 80);
}

static void test_forms_of_targets_that_methods_may_have(void **state) {
        static const char *const cases[] = {
                "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
                "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n",
                "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
                "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
                "CONNECT [::1]:443 HTTP/1.1\r\nHost: x\r\n\r\n",
                "CONNECT /_controlPath/ HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET // HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /\xc3\xa4\"<>[]^`{|}\\ HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                parse_string(cases[i]);
}

static void test_minor_versions(void **state) {
        (void) state;
        parse_string("GET / HTTP/1.9\r\nHost: a\r\n\r\n");
        assert_int_equal(head.minor_version, 9);
        parse_string("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
        assert_int_equal(head.minor_version, 0);
        assert_string_equal(head.host, "a");
}

static void test_content_lengths_that_are_read(void **state) {
        (void) state;
        parse_string("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n");
        assert_int_equal(head.content_length, INT64_MAX);
        parse_string("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        assert_true(head.has_content_length);
        parse_string("GET / HTTP/1.0\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n");
        assert_int_equal(head.content_length, 5);
}

static void test_ambiguous_lines_are_refused(void **state) {
        static const char *const cases[] = {
                "GET / HTTP/1.1\nHost: a\n\n",              /* bare LF */
                "GET / HTTP/1.1\r\nHost: a\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\n\n",
                "GET / HTTP/1.1\r\nHost: a\r\nX: a\nb\r\n\r\n",
                "GET / HTTP/1.1\rHost: a\r\n\r\n",          /* bare CR */
                "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n",
                "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", /* control characters */
                "GET / HTTP/1.1\r\nHost: a\r\nX: a\x7f\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nX\x01: a\r\n\r\n",
                "GET /\x1f HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n",
                "GET / HTTP/1.1\r\nHost : a\r\n\r\n",       /* white space before the colon */
                "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", /* folded */
                "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb: c\r\n\r\n",
                "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", /* names */
                "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nX(: z\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\n\xc3\xa4: z\r\n\r\n",
        };
        static const char nul_in_value[] = "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n";
        static const char nul_in_name[] = "GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n";
        static const char nul_in_target[] = "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n";

        (void) state;
        check_all_refused(cases, ELEMENTSOF(cases), 400);
        check_refused(nul_in_value, sizeof(nul_in_value) - 1, 400);
        check_refused(nul_in_name, sizeof(nul_in_name) - 1, 400);
        check_refused(nul_in_target, sizeof(nul_in_target) - 1, 400);
}

static void test_bad_hosts_are_refused(void **state) {
        static const char *const cases[] = {
                "GET / HTTP/1.1\r\n\r\n",
                "GET / HTTP/1.1\r\nHosts: a\r\n\r\n",
                "GET http://a/ HTTP/1.1\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
                "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n",
                "GET / HTTP/1.1\r\nHost:\r\n\r\n",
                "GET / HTTP/1.0\r\nHost: \r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: http://a\r\n\r\n",
                "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
                "GET http://a:80/ HTTP/1.1\r\nHost: a:81\r\n\r\n",
                "GET http://a/ HTTP/1.1\r\nHost: b:x\r\n\r\n",
        };

        (void) state;
        check_all_refused(cases, ELEMENTSOF(cases), 400);
}

static void test_ambiguous_bodies_are_refused(void **state) {
        static const char *const cases[] = {
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1.0\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\ncontent-length: 6\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding:\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n",
                "GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked, gzip\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;x=y\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked x\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: , chunked\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b" "chunked\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ntransfer_encoding: chunked\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n",
        };

        (void) state;
        check_all_refused(cases, ELEMENTSOF(cases), 400);
}

static void test_other_transfer_codings_are_not_implemented(void **state) {
        static const char *const cases[] = {
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunkedx\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip;q=1\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        };

        (void) state;
        check_all_refused(cases, ELEMENTSOF(cases), 501);
}

static void test_other_major_versions_are_not_supported(void **state) {
        static const char *const cases[] = {
                "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
                "GET / HTTP/0.9\r\nHost: a\r\n\r\n",
                "GET / HTTP/3.1\r\n",
        };

        (void) state;
        check_all_refused(cases, ELEMENTSOF(cases), 505);
}

static void test_bad_request_lines_are_refused(void **state) {
        static const char *const cases[] = {
                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", /* the preface */
                "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "\r\n\r\n",
                " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "\tGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET\r\n",
                "GET /\r\n",
                "GET / \r\n",
                "GET  / HTTP/1.1\r\n",
                "GET /  HTTP/1.1\r\n",
                "GET / HTTP/1.1 \r\n",
                "GET / HTTP/1.1 x\r\n",
                "GET /a b HTTP/1.1\r\n",
                "GET  HTTP/1.1\r\n",
                "GET\t/ HTTP/1.1\r\n",
                "G(T / HTTP/1.1\r\n",
                "G\xc3\xa4T / HTTP/1.1\r\n",
                "GET / http/1.1\r\n",
                "GET / HTTP/1\r\n",
                "GET / HTTP/1.\r\n",
                "GET / HTTP/1.10\r\n",
                "GET / HTTP/11\r\n",
                "GET / HTTP/x.1\r\n",
                "GET / HTTP/1.x\r\n",
                "GET / HTTP/1-1\r\n",
                "GET / HTTPS/1.1\r\n",
                "GET / ICY/1.1\r\n",
                "GET * HTTP/1.1\r\n",
                "GET ** HTTP/1.1\r\n",
                "options * HTTP/1.1\r\n", /* methods have a letter case */
                "GET a HTTP/1.1\r\n",
                "GET a:80 HTTP/1.1\r\n",
                "GET ?a HTTP/1.1\r\n",
                "GET /a#b HTTP/1.1\r\n",
                "GET #b HTTP/1.1\r\n",
                "GET http:// HTTP/1.1\r\n",
                "GET http:/// HTTP/1.1\r\n",
                "GET http:/a HTTP/1.1\r\n",
                "GET http://u@a/ HTTP/1.1\r\n",
                "GET http://a:b/ HTTP/1.1\r\n",
                "GET https://?a HTTP/1.1\r\n",
                "GET ftp://a/ HTTP/1.1\r\n",
                "CONNECT a HTTP/1.1\r\n",
                "CONNECT a:0 HTTP/1.1\r\n",
                "CONNECT * HTTP/1.1\r\n",
                "CONNECT http://a/ HTTP/1.1\r\n",
        };

        (void) state;
        check_all_refused(cases, ELEMENTSOF(cases), 400);
}

static void test_what_can_never_be_a_request_is_refused_at_once(void **state) {
        static const struct {
                const char *bytes;
                size_t n;
        } cases[] = {
                { "\x16\x03\x01", 1 },  /* TLS */
                { "\0", 1 },
                { "\n", 1 },
                { "\x80", 1 },
                { " ", 1 },
                { "\r\n\r", 3 },
                { "\r\r", 2 },
                { "SSH-2.0-OpenSSH\r", 16 },
                { "GET\t", 4 },
                { "GET \r", 5 },
                { "GET  ", 5 },
                { "GET / HTTP/1.1\n", 15 },
                { "GET / HTTP/1.1\r\nHost: a\n", 24 },
                { "PRI * HTTP/2.0\r\n", 16 },
                { "GET a HTTP/1.1\r\n", 16 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                unsigned status = 0;
                ssize_t r = parse(cases[i].bytes, cases[i].n, HTTP_HEAD_BYTES_MAX, &status);

                if (r != -EBADMSG || status != 400)
                        fail_msg("case %zu: %zd, %u", i, r, status);
        }
}

static void test_the_limit_bounds_the_head(void **state) {
        static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\nbody";
        const size_t n = sizeof(request) - 1, length = n - 4, line = 16;
        unsigned status = 0;

        (void) state;
        assert_int_equal(parse(request, n, length, &status), length);
        for (size_t limit = 0; limit < length; limit++) {
                for (size_t i = 0; i <= n; i++) {
                        ssize_t r = parse(request, i, limit, &status);

                        if (r != (i < limit ? -EAGAIN : -EMSGSIZE))
                                fail_msg("%zd for %zu bytes with limit %zu", r, i, limit);
                }
                assert_int_equal(status, limit < line ? 414 : 431);
        }
}

static void test_an_endless_request_line_is_414_and_an_endless_field_431(void **state) {
        static char data[HTTP_HEAD_BYTES_MAX];
        unsigned status = 0;

        (void) state;
        memset(data, 'a', sizeof(data));
        memcpy(data, "GET /", 5);
        assert_int_equal(parse(data, sizeof(data) - 1, sizeof(data), &status), -EAGAIN);
        assert_int_equal(parse(data, sizeof(data), sizeof(data), &status), -EMSGSIZE);
        assert_int_equal(status, 414);
        memcpy(data, "GET / HTTP/1.1\r\n", 16);
        assert_int_equal(parse(data, sizeof(data) - 1, sizeof(data), &status), -EAGAIN);
        assert_int_equal(parse(data, sizeof(data), sizeof(data), &status), -EMSGSIZE);
        assert_int_equal(status, 431);
}

static void test_the_number_of_fields_is_limited(void **state) {
        static char data[HTTP_HEAD_BYTES_MAX];
        unsigned status = 0;
        size_t n = (size_t) sprintf(data, "GET / HTTP/1.1\r\nHost: a\r\n");

        (void) state;
        for (unsigned i = 1; i < HTTP_FIELDS_MAX; i++)
                n += (size_t) sprintf(data + n, "x:%u\r\n", i);
        strcpy(data + n, "\r\n");
        assert_int_equal(parse(data, n + 2, sizeof(data), &status), n + 2);
        assert_int_equal(head.n_fields, HTTP_FIELDS_MAX);
        assert_field(HTTP_FIELDS_MAX - 1, "x", "255");
        strcpy(data + n, "x:256\r\n"); /* one more is refused before the head's end has come */
        assert_int_equal(parse(data, n + 6, sizeof(data), &status), -EAGAIN);
        assert_int_equal(parse(data, n + 7, sizeof(data), &status), -EMSGSIZE);
        assert_int_equal(status, 431);
}

static void test_paths_follow_the_host(void **state) {
        static const struct {
                const char *head, *path;
        } cases[] = {
                { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "/" },
                { "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n", "/a?b" },
                { "GET //b/ HTTP/1.1\r\nHost: a\r\n\r\n", "//b/" },
                { "GET http://a:80/b?c HTTP/1.1\r\nHost: a:80\r\n\r\n", "/b?c" },
                { "GET http://a?c HTTP/1.1\r\nHost: a\r\n\r\n", "?c" },
                { "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", "" },
                { "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                unsigned status;

                assert_true(http_head_parse(&head, cases[i].head, strlen(cases[i].head), HTTP_HEAD_BYTES_MAX, &status) > 0);
                if (!http_slice_is(http_head_path(&head), cases[i].path))
                        fail_msg("%s", cases[i].head);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_request_is_taken_apart),
                cmocka_unit_test(test_a_head_leaves_nothing_behind_for_the_next),
                cmocka_unit_test(test_what_follows_a_head_is_not_looked_at),
                cmocka_unit_test(test_one_empty_line_before_the_request_is_skipped),
                cmocka_unit_test(test_white_space_around_values_is_cut_off),
                cmocka_unit_test(test_names_match_in_any_letter_case),
                cmocka_unit_test(test_every_token_character_is_good_in_a_name),
                cmocka_unit_test(test_an_absolute_target_names_the_host),
                cmocka_unit_test(test_forms_of_targets_that_methods_may_have),
                cmocka_unit_test(test_minor_versions),
                cmocka_unit_test(test_content_lengths_that_are_read),
                cmocka_unit_test(test_ambiguous_lines_are_refused),
                cmocka_unit_test(test_bad_hosts_are_refused),
                cmocka_unit_test(test_ambiguous_bodies_are_refused),
                cmocka_unit_test(test_other_transfer_codings_are_not_implemented),
                cmocka_unit_test(test_other_major_versions_are_not_supported),
                cmocka_unit_test(test_bad_request_lines_are_refused),
                cmocka_unit_test(test_what_can_never_be_a_request_is_refused_at_once),
                cmocka_unit_test(test_the_limit_bounds_the_head),
                cmocka_unit_test(test_an_endless_request_line_is_414_and_an_endless_field_431),
                cmocka_unit_test(test_the_number_of_fields_is_limited),
                cmocka_unit_test(test_paths_follow_the_host),
        };

        return cmocka_run_group_tests_name("proto/http-head", tests, NULL, NULL);
}
