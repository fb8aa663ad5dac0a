/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "proto/forwarded.h"

static HttpHead head;
static Forwarded forwarded;
static CidrList trusted; /* 10.0.0.0/8 and 2001:db8::/32 */

static void parse(const char *fields) {
        static char *s;
        unsigned status;

        free(s); /* the last head points into it */
        s = str_format("GET / HTTP/1.1\r\nHost: A.example:8080\r\n%s\r\n", fields);
        assert_int_equal(http_head_parse(&head, s, strlen(s), HTTP_HEAD_BYTES_MAX, &status), strlen(s));
}

static Ip ip(const char *text) {
        Ip ip = {};

        assert_int_equal(ip_parse(text, strlen(text), &ip), 0);
        return ip;
}

static void init(const char *peer, bool https, bool standard, const char *fields) {
        const ForwardedBy by = {
                .peer = ip(peer), .https = https, .standard = standard, .trusted = &trusted
        };

        parse(fields);
        assert_int_equal(forwarded_init(&forwarded, &by, &head), 0);
}

/* VALUE NULL: the field is removed; "-": it is left alone. */
static void assert_edit(const char *name, const char *value) {
        for (size_t i = 0; i < forwarded.n_edits; i++) {
                const HttpEdit *e = &forwarded.edits[i];

                if (!http_slice_is(e->name, name))
                        continue;
                if (value ? !e->value.data || e->value.length != strlen(value) ||
                                    memcmp(e->value.data, value, e->value.length) != 0
                          : e->value.data != NULL)
                        fail_msg("%s: \"%.*s\" instead of \"%s\"", name, (int) e->value.length, e->value.data,
                                 value);
                return;
        }
        if (!value || !streq(value, "-"))
                fail_msg("%s", name);
}

static void test_the_visitor_is_the_rightmost_untrusted_address(void **state) {
        static const struct {
                const char *peer, *fields, *visitor;
        } cases[] = {
                { "192.0.2.1", "", "192.0.2.1" },
                { "192.0.2.1", "X-Forwarded-For: 198.51.100.7\r\n", "192.0.2.1" }, /* says so itself */
                { "10.0.0.1", "", "10.0.0.1" },
                { "10.0.0.1", "X-Forwarded-For: 198.51.100.7\r\n", "198.51.100.7" },
                { "10.0.0.1", "X-Forwarded-For: 6.6.6.6, 198.51.100.7\r\n", "198.51.100.7" },
                { "10.0.0.1", "X-Forwarded-For: 6.6.6.6 , 198.51.100.7 ,10.2.2.2\r\n", "198.51.100.7" },
                { "10.0.0.1", "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 198.51.100.7\r\n",
                  "198.51.100.7" },
                { "10.0.0.1", "X-Forwarded-For: 198.51.100.7\r\nA: b\r\nX-Forwarded-For: 10.9.9.9\r\n",
                  "198.51.100.7" },
                { "10.0.0.1", "X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n",
                  "10.0.0.3" }, /* all trusted: the first */
                { "10.0.0.1", "X-Forwarded-For: 198.51.100.7, unknown, 10.0.0.2\r\n", "10.0.0.2" },
                { "10.0.0.1", "X-Forwarded-For: 198.51.100.7,\r\n", "10.0.0.1" },
                { "10.0.0.1", "X-Forwarded-For:\r\n", "10.0.0.1" },
                { "10.0.0.1", "X-Forwarded-For: 198.51.100.7:1234\r\n", "198.51.100.7" },
                { "10.0.0.1", "X-Forwarded-For: [2001:db9::1]:1234\r\n", "2001:db9::1" },
                { "10.0.0.1", "X-Forwarded-For: [2001:db9::1]\r\n", "2001:db9::1" },
                { "10.0.0.1", "X-Forwarded-For: 2001:db9::1\r\n", "2001:db9::1" },
                { "10.0.0.1", "X-Forwarded-For: [2001:db9::1]x\r\n", "10.0.0.1" },
                { "10.0.0.1", "X-Forwarded-For: [2001:db9::1\r\n", "10.0.0.1" },
                { "10.0.0.1", "X-Forwarded-For: ::ffff:198.51.100.7\r\n", "198.51.100.7" },
                { "::ffff:10.0.0.1", "X-Forwarded-For: 198.51.100.7\r\n", "198.51.100.7" },
                { "2001:db8::9", "X-Forwarded-For: 198.51.100.7, 2001:db8::8\r\n", "198.51.100.7" },
                { "10.0.0.1", "X_Forwarded_For: 198.51.100.7\r\n", "10.0.0.1" },
                { "10.0.0.1", "Forwarded: for=198.51.100.7\r\n", "10.0.0.1" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[IP_TEXT_MAX];

                init(cases[i].peer, false, false, cases[i].fields);
                if (!streq(ip_format(&forwarded.visitor, text), cases[i].visitor))
                        fail_msg("%s for %s \"%s\"", text, cases[i].peer, cases[i].fields);
        }
}

static void test_a_visitors_own_words_are_replaced(void **state) {
        (void) state;
        init("192.0.2.1", true, false,
             "X-Forwarded-For: 1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: x\r\nForwarded: for=1\r\n");
        assert_edit("X-Forwarded-For", "192.0.2.1");
        assert_edit("X-Forwarded-Proto", "https");
        assert_edit("X-Forwarded-Host", "A.example:8080");
        assert_edit("Forwarded", NULL);
        assert_true(forwarded.https);
        init("2001:db9::1", false, true, "");
        assert_edit("X-Forwarded-For", "2001:db9::1");
        assert_edit("X-Forwarded-Proto", "http");
        assert_edit("Forwarded", "for=\"[2001:db9::1]\";host=\"A.example:8080\";proto=http");
}

static void test_a_trusted_proxys_words_are_kept(void **state) {
        (void) state;
        init("10.0.0.1", false, false,
             "X-Forwarded-For: 6.6.6.6, 7.7.7.7\r\nX-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Proto: HTTPS\r\n"
             "X-Forwarded-Host: b.example\r\nForwarded: for=1\r\n");
        assert_edit("X-Forwarded-For", "6.6.6.6, 7.7.7.7, 8.8.8.8, 10.0.0.1");
        assert_edit("X-Forwarded-Proto", "https");
        assert_edit("X-Forwarded-Host", "b.example");
        assert_edit("Forwarded", "-");
        assert_true(forwarded.https);
        init("10.0.0.1", true, true, "X-Forwarded-Proto: http\r\nX-Forwarded-For:\r\nForwarded: for=1\r\n");
        assert_edit("X-Forwarded-For", "10.0.0.1");
        assert_edit("X-Forwarded-Proto", "http");
        assert_edit("Forwarded", "for=1, for=10.0.0.1;host=\"A.example:8080\";proto=https");
        assert_false(forwarded.https);
}

static void test_a_proxys_nonsense_is_replaced(void **state) {
        (void) state;
        init("10.0.0.1", true, false, "X-Forwarded-Proto: ftp\r\nX-Forwarded-Host: a b\r\n");
        assert_edit("X-Forwarded-Proto", "https");
        assert_edit("X-Forwarded-Host", "A.example:8080");
        init("10.0.0.1", true, false,
             "X-Forwarded-Proto: http\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\nX-Forwarded-Host: b\r\n");
        assert_edit("X-Forwarded-Proto", "https");
        assert_edit("X-Forwarded-Host", "A.example:8080");
}

static void test_without_a_host_there_is_none_to_tell(void **state) {
        static const char request[] = "GET / HTTP/1.0\r\nX-Forwarded-Host: x\r\n\r\n";
        const ForwardedBy by = { .peer = ip("192.0.2.1"), .standard = true, .trusted = &trusted };
        unsigned status;

        (void) state;
        assert_true(http_head_parse(&head, request, sizeof(request) - 1, HTTP_HEAD_BYTES_MAX, &status) > 0);
        assert_int_equal(forwarded_init(&forwarded, &by, &head), 0);
        assert_edit("X-Forwarded-Host", NULL);
        assert_edit("Forwarded", "for=192.0.2.1;proto=http");
}

static void test_a_proxys_endless_list_is_refused(void **state) {
        const ForwardedBy by = { .peer = ip("10.0.0.1"), .trusted = &trusted };
        static char fields[FORWARDED_BYTES_MAX + 64] = "X-Forwarded-For: ";
        const size_t n = strlen(fields);

        (void) state;
        memset(fields + n, '1', FORWARDED_BYTES_MAX - strlen(", 10.0.0.1"));
        strcat(fields, "\r\n");
        parse(fields);
        assert_int_equal(forwarded_init(&forwarded, &by, &head), 0);
        strcpy(fields + strlen(fields) - 2, "1\r\n");
        parse(fields);
        assert_int_equal(forwarded_init(&forwarded, &by, &head), -ENOBUFS);
}

static int set_up(void **state) {
        (void) state;
        return cidr_list_add(&trusted, "10.0.0.0/8,2001:db8::/32");
}

static int tear_down(void **state) {
        (void) state;
        cidr_list_done(&trusted);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_visitor_is_the_rightmost_untrusted_address),
                cmocka_unit_test(test_a_visitors_own_words_are_replaced),
                cmocka_unit_test(test_a_trusted_proxys_words_are_kept),
                cmocka_unit_test(test_a_proxys_nonsense_is_replaced),
                cmocka_unit_test(test_without_a_host_there_is_none_to_tell),
                cmocka_unit_test(test_a_proxys_endless_list_is_refused),
        };

        return cmocka_run_group_tests_name("proto/forwarded", tests, set_up, tear_down);
}
