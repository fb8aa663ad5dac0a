/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/str.h"
#include "proto/hostname.h"

#define L61 "a23456789-123456789-123456789-123456789-123456789-123456789-1"
#define L63 L61 "23"

static void test_labels(void **state) {
        static const struct {
                const char *label;
                bool valid;
        } cases[] = {
                { "a", true },         { "0", true },       { "A-b-9", true },  { "xn--bcher-kva", true },
                { L63, true },         { "a--b", true },    { "", false },      { "-", false },
                { "-a", false },       { "a-", false },     { L63 "4", false }, { "a.b", false },
                { "a_b", false },      { "a b", false },    { "a\n", false },   { "b\xc3\xbc", false },
                { "a*", false },       { "a:80", false },   { "a/b", false },   { "a@b", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (host_label_is_valid(cases[i].label) != cases[i].valid)
                        fail_msg("\"%s\"", cases[i].label);
}

static void test_names(void **state) {
        static const struct {
                const char *name;
                bool valid;
        } cases[] = {
                { "a", true },
                { "localhost", true },
                { "www.Example.ORG", true },
                { "1.example", true },
                { "1.2.3.a", true },
                { L63 "." L63 "." L63 "." L61, true },
                { L63 "." L63 "." L63 "." L61 "2", false },
                { "", false },
                { ".", false },
                { "a.", false },
                { ".a", false },
                { "a..b", false },
                { "a.-b", false },
                { "a-.b", false },
                { L63 "4.b", false },
                { "127.0.0.1", false },
                { "1", false },
                { "1.2.3", false },
                { "::1", false },
                { "[::1]", false },
                { "a:80", false },
                { "a_b.c", false },
                { "a b.c", false },
                { "*.c", false },
                { "a/../b", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (hostname_is_valid(cases[i].name) != cases[i].valid)
                        fail_msg("\"%s\"", cases[i].name);
}

/* A HOST of NULL: it is refused. */
static void check_host_header(const char *s, size_t n, const char *host, uint16_t port) {
        char out[HOSTNAME_LENGTH_MAX + 1] = "";
        uint16_t out_port = 0;
        _cleanup_free_ char *copy = malloc(n); /* exactly N bytes, so that a sanitizer sees one more */
        int r;

        memcpy(copy, s, n);
        r = host_header_parse(copy, n, out, &out_port);
        if (r != (host ? 0 : -EBADMSG) || !streq(out, host ? host : "") || out_port != port)
                fail_msg("\"%.*s\": %d, \"%s\", %u", (int) n, s, r, out, out_port);
}

static void test_host_headers_that_are_read(void **state) {
        static const struct {
                const char *text, *host;
                uint16_t port;
        } cases[] = {
                { "example.org", "example.org", 0 },
                { "Example.ORG:8080", "example.org", 8080 },
                { "a", "a", 0 },
                { "a:0", "a", 0 },
                { "a:65535", "a", 65535 },
                { "a:00080", "a", 80 },
                { "a:", "a", 0 }, /* RFC 3986 §3.2.3 */
                { "example.org.", "example.org", 0 },
                { "example.org.:80", "example.org", 80 },
                { "a_b.c", "a_b.c", 0 },
                { "_dmarc.c", "_dmarc.c", 0 },
                { "r3---x.c", "r3---x.c", 0 },
                { "-a-.c", "-a-.c", 0 },
                { "127.0.0.1:80", "127.0.0.1", 80 },
                { "[::1]", "::1", 0 },
                { "[::1]:80", "::1", 80 },
                { "[2001:DB8::1]:443", "2001:db8::1", 443 },
                { "[::ffff:1.2.3.4]", "::ffff:1.2.3.4", 0 },
                { L63 ".b", L63 ".b", 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_host_header(cases[i].text, strlen(cases[i].text), cases[i].host, cases[i].port);
}

static void test_host_headers_that_are_refused(void **state) {
        static const char *const cases[] = {
                "", ":80", ".", ".:80", ".a", "a..b", "a..", "a b", " a", "a ", "a\t", "a/b", "a@b",
                "u:p@a", "a%41", "a,b", "a;b", "a\\b", "a?b", "a#b", "a*", "a:80x", "a:x", "a:-1",
                "a:65536", "a:99999999999", "a:80:80", "a: 80", "::1", "[::1", "[]", "[::1]80", "[::1]:x",
                "[::1]]", "[a]", "[::g]", "[::1%eth0]", "[v1.x]", "[:]", "[[::1]]", "b\xc3\xbc", "\x7f",
                L63 "4.b",
                "[0000:0000:0000:0000:0000:0000:255.255.255.2555]",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_host_header(cases[i], strlen(cases[i]), NULL, 0);
        check_host_header("a\0b", 3, NULL, 0);
        check_host_header("[::\0]", 5, NULL, 0);
        check_host_header("a:8\0", 4, NULL, 0);
}

static void test_only_n_bytes_of_a_host_header_are_read(void **state) {
        (void) state;
        check_host_header("example.org:8080", 7, "example", 0);
        check_host_header("example.org:8080", 14, "example.org", 80);
        check_host_header("[::1]:80", 5, "::1", 0);
        check_host_header("[::1]:80", 4, NULL, 0);
}

static void test_the_longest_host_has_253_bytes(void **state) {
        char s[HOSTNAME_LENGTH_MAX + 3];

        (void) state;
        for (size_t i = 0; i < sizeof(s); i++)
                s[i] = i % 50 == 49 ? '.' : 'a';
        s[HOSTNAME_LENGTH_MAX + 1] = '\0';
        check_host_header(s, HOSTNAME_LENGTH_MAX + 1, NULL, 0);
        s[HOSTNAME_LENGTH_MAX] = '.';
        {
                char host[HOSTNAME_LENGTH_MAX + 1];

                memcpy(host, s, HOSTNAME_LENGTH_MAX);
                host[HOSTNAME_LENGTH_MAX] = '\0';
                check_host_header(s, HOSTNAME_LENGTH_MAX, host, 0);
                check_host_header(s, HOSTNAME_LENGTH_MAX + 1, host, 0); /* with the root's dot */
        }
        s[HOSTNAME_LENGTH_MAX + 1] = '.';
        check_host_header(s, HOSTNAME_LENGTH_MAX + 2, NULL, 0);
}

static void test_prefix_below_a_domain(void **state) {
        static const struct {
                const char *name, *domain;
                size_t length;
        } cases[] = {
                { "a.example.org", "example.org", 1 },
                { "a.b.example.org", "example.org", 3 },
                { "example.org", "example.org", 0 },
                { ".example.org", "example.org", 0 },
                { "aexample.org", "example.org", 0 },
                { "a.example.com", "example.org", 0 },
                { "org", "example.org", 0 },
                { "", "example.org", 0 },
                { "a.b", "", 0 },
                { "a.", "", 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (hostname_prefix_length(cases[i].name, cases[i].domain) != cases[i].length)
                        fail_msg("\"%s\" below \"%s\"", cases[i].name, cases[i].domain);
}

static void test_names_of_wildcard_tunnels(void **state) {
        static const struct {
                const char *name;
                bool wildcard;
        } cases[] = {
                { "*.example.org", true }, { "*.a", true },         { "*.X.example.org", true },
                { "example.org", false },  { "*", false },          { "*.", false },
                { "*example.org", false }, { "a*.example.org", false }, { "*.*.example.org", false },
                { "a.*.org", false },      { "*.1.2.3", false },    { "*..a", false },
                { "*.a.", false },         { ".a", false },         { "", false },
                { "*." L63 "." L63 "." L63 "." L61, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (hostname_is_wildcard(cases[i].name) != cases[i].wildcard)
                        fail_msg("\"%s\"", cases[i].name);
}

static void test_the_most_specific_name_is_looked_up_first(void **state) {
        static const char *const keys[] = { "a.b.example.org", ".b.example.org", ".example.org", ".org",
                                            NULL };
        const char *key = keys[0];

        (void) state;
        for (size_t i = 1; i < ELEMENTSOF(keys); i++) {
                key = hostname_wider(key);
                if (keys[i])
                        assert_string_equal(key, keys[i]);
        }
        assert_null(key);
        assert_null(hostname_wider("localhost"));
        assert_null(hostname_wider("")); /* HTTP/1.0 without a Host */
        assert_null(hostname_wider("::1"));
        assert_string_equal(hostname_key("*.example.org"), ".example.org");
        assert_string_equal(hostname_key("example.org"), "example.org");
}

/* The first of the registered NAMES (NULL at the end) that is found for HOST, or NULL. */
static const char *look_up(const char *const *names, const char *host) {
        for (const char *key = host; key; key = hostname_wider(key))
                for (size_t i = 0; names[i]; i++)
                        if (streq(hostname_key(names[i]), key))
                                return names[i];
        return NULL;
}

static void test_wildcards_are_for_names_below(void **state) {
        static const char *const names[] = { "*.example.org", "*.x.example.org", "a.x.example.org",
                                             "example.org", NULL };
        static const struct {
                const char *host, *name;
        } cases[] = {
                { "a.x.example.org", "a.x.example.org" },
                { "b.x.example.org", "*.x.example.org" },
                { "b.a.x.example.org", "*.x.example.org" },
                { "c.b.a.x.example.org", "*.x.example.org" },
                { "x.example.org", "*.example.org" },
                { "example.org", "example.org" },
                { "a.b.example.org", "*.example.org" },
                { "aexample.org", NULL },
                { "org", NULL },
                { "x.example.com", NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *found = look_up(names, cases[i].host);

                if (found != cases[i].name && (!found || !cases[i].name || !streq(found, cases[i].name)))
                        fail_msg("\"%s\" for \"%s\"", found ? found : "nothing", cases[i].host);
        }
}

static void test_names_of_certificates(void **state) {
        static const struct {
                const char *name, *pattern;
                bool matches;
        } cases[] = {
                { "example.org", "example.org", true },
                { "Example.org", "eXample.ORG", true },
                { "a.example.org", "*.example.org", true },
                { "A.example.org", "*.EXAMPLE.org", true },
                { "localhost", "localhost", true },
                { "example.org", "*.example.org", false },
                { "b.a.example.org", "*.example.org", false },
                { "a.example.com", "*.example.org", false },
                { "aexample.org", "*.example.org", false },
                { "aexample.org", "*example.org", false },
                { "ab.example.org", "a*.example.org", false },
                { "a.b.example.org", "a.*.example.org", false },
                { "a.b.example.org", "*.*.example.org", false },
                { "a.localhost", "*.localhost", false },
                { "example.org", "*.org", false },
                { "a.example.org", "*", false },
                { "a", "*", false },
                { "a.example.org", "*.", false },
                { "a.example.org", "", false },
                { "", "", false },
                { "*.example.org", "*.example.org", false },
                { "1.2.3.4", "1.2.3.4", false },
                { "1.2.3.4", "*.2.3.4", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (hostname_matches_certificate(cases[i].name, cases[i].pattern) != cases[i].matches)
                        fail_msg("\"%s\", \"%s\"", cases[i].name, cases[i].pattern);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_labels),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_host_headers_that_are_read),
                cmocka_unit_test(test_host_headers_that_are_refused),
                cmocka_unit_test(test_only_n_bytes_of_a_host_header_are_read),
                cmocka_unit_test(test_the_longest_host_has_253_bytes),
                cmocka_unit_test(test_prefix_below_a_domain),
                cmocka_unit_test(test_names_of_wildcard_tunnels),
                cmocka_unit_test(test_the_most_specific_name_is_looked_up_first),
                cmocka_unit_test(test_wildcards_are_for_names_below),
                cmocka_unit_test(test_names_of_certificates),
        };

        return cmocka_run_group_tests_name("proto/hostname", tests, NULL, NULL);
}
