/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/tunnel-options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ALL                                                                                \
        "{\"Allow\":[\"192.0.2.0/24\",\"2001:db8::1\"],\"Deny\":[\"192.0.2.7\"],"          \
        "\"RequestHeaders\":{\"Set\":{\"X-Team\":\"blue\"},\"Remove\":[\"Cookie\"]},"      \
        "\"ResponseHeaders\":{\"Remove\":[\"Server\"]},\"HostHeader\":\"localhost:3000\"," \
        "\"Forwarded\":true,\"ServerAddr\":true,\"HttpAuth\":[\"u:p\",\"v:$6$salt$"        \
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"],"          \
        "\"Hsts\":31536000,\"RedirectHttps\":true}"

static TunnelOptions *decode(const char *text) {
        _cleanup_free_ char *why = NULL;
        TunnelOptions *o = NULL;

        if (tunnel_options_decode(&o, text, &why) != 0)
                fail_msg("%s: %s", text, why);
        return o;
}

static void test_what_is_read_is_written_alike(void **state) {
        _cleanup_(tunnel_options_unrefp) TunnelOptions *o = decode(ALL);
        _cleanup_free_ char *text = NULL;

        (void) state;
        assert_int_equal(o->allow.n, 2);
        assert_int_equal(o->request_headers.n, 2);
        assert_string_equal(o->host_header, "localhost:3000");
        assert_true(o->forwarded && o->server_addr);
        assert_string_equal(o->http_auth.items[0], "u:p");
        assert_int_equal(o->hsts, 31536000);
        assert_true(o->redirect_https);
        assert_int_equal(tunnel_options_encode(o, &text), 0);
        assert_string_equal(text, ALL);
}

static void test_nothing_is_neither_sent_nor_read(void **state) {
        _cleanup_(tunnel_options_unrefp) TunnelOptions *empty = decode("{}");
        _cleanup_free_ char *text = strdup("before");
        char *none = text;

        (void) state;
        assert_null(decode(""));
        assert_int_equal(tunnel_options_encode(empty, &none), 0);
        assert_null(none);
        none = text;
        assert_int_equal(tunnel_options_encode(NULL, &none), 0);
        assert_null(none);
}

static void test_what_is_unknown_or_null_is_passed_over(void **state) {
        _cleanup_(tunnel_options_unrefp) TunnelOptions *o =
                decode("{\"Later\":{\"a\":[1]},\"Allow\":null,\"Forwarded\":false}");

        (void) state;
        assert_int_equal(tunnel_options_missing(o, NULL), 0);
}

static void test_what_is_wrong_is_refused_with_its_name(void **state) {
        static const struct {
                const char *text, *name;
        } cases[] = {
                { "[]", "Options must" },
                { "{", "Options are no JSON" },
                { "{\"Allow\":\"10.0.0.0/8\"}", "Allow" },
                { "{\"Allow\":[\"10.0.0.0/33\"]}", "Allow" },
                { "{\"Allow\":[\"10.0.0.1,10.0.0.2\"]}", "Allow" },
                { "{\"Deny\":[7]}", "Deny" },
                { "{\"Deny\":[\"\"]}", "Deny" },
                { "{\"HostHeader\":\"a b\"}", "HostHeader" },
                { "{\"HostHeader\":\"a\\r\\nX: y\"}", "HostHeader" },
                { "{\"HostHeader\":\"\"}", "HostHeader" },
                { "{\"Forwarded\":1}", "Forwarded" },
                { "{\"HttpAuth\":[\"nobody\"]}", "HttpAuth" },
                { "{\"Hsts\":-1}", "Hsts" },
                { "{\"Hsts\":315360001}", "Hsts" },
                { "{\"Hsts\":1.5}", "Hsts" },
                { "{\"Hsts\":\"1y\"}", "Hsts" },
                { "{\"Hsts\":99999999999999999999}", "Hsts" },
                { "{\"RedirectHttps\":0}", "RedirectHttps" },
                { "{\"HttpAuth\":[\"u:p\\n\"]}", "HttpAuth" },
                { "{\"HttpAuth\":\"u:p\"}", "HttpAuth" },
                { "{\"RequestHeaders\":[\"X-A: b\"]}", "RequestHeaders" },
                { "{\"RequestHeaders\":{\"Set\":[]}}", "RequestHeaders" },
                { "{\"RequestHeaders\":{\"Set\":{\"X-A\":1}}}", "RequestHeaders" },
                { "{\"RequestHeaders\":{\"Set\":{\"X-A\":\"a\\r\\nX-B: c\"}}}", "RequestHeaders" },
                { "{\"RequestHeaders\":{\"Set\":{\"X-A\":\"a\\u0000\"}}}", "RequestHeaders" },
                { "{\"RequestHeaders\":{\"Set\":{\"X A\":\"a\"}}}", "RequestHeaders" },
                { "{\"RequestHeaders\":{\"Set\":{\"\":\"a\"}}}", "RequestHeaders" },
                { "{\"RequestHeaders\":{\"Set\":{\"Content-Length\":\"7\"}}}", "RequestHeaders" },
                { "{\"RequestHeaders\":{\"Set\":{\"transfer_encoding\":\"chunked\"}}}", "RequestHeaders" },
                { "{\"RequestHeaders\":{\"Set\":{\"Connection\":\"close\"}}}", "RequestHeaders" },
                { "{\"RequestHeaders\":{\"Set\":{\"host\":\"a\"}}}", "RequestHeaders" },
                { "{\"RequestHeaders\":{\"Remove\":[\"X-Forwarded-For\"]}}", "RequestHeaders" },
                { "{\"RequestHeaders\":{\"Set\":{\"X-A\":\"b\"},\"Remove\":[\"x_a\"]}}", "RequestHeaders" },
                { "{\"ResponseHeaders\":{\"Remove\":[\"Upgrade\"]}}", "ResponseHeaders" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *why = NULL;
                TunnelOptions *o = NULL;

                assert_int_equal(tunnel_options_decode(&o, cases[i].text, &why), -EINVAL);
                assert_null(o);
                if (!strstr(why, cases[i].name))
                        fail_msg("%s: %s", cases[i].text, why);
        }
}

/* A list of N times ITEM. */
static char *many(const char *name, const char *item, unsigned n) {
        _cleanup_free_ char *text = str_format("{\"%s\":[", name);

        for (unsigned i = 0; i < n; i++) {
                char *longer = str_format("%s%s\"%s\"", text, i > 0 ? "," : "", item);

                free(text);
                text = longer;
        }
        return str_format("%s]}", text);
}

static void assert_bounded(const char *name, const char *item, unsigned max) {
        _cleanup_free_ char *right = many(name, item, max), *wrong = many(name, item, max + 1), *why = NULL;
        _cleanup_(tunnel_options_unrefp) TunnelOptions *o = decode(right);
        TunnelOptions *none = NULL;

        assert_non_null(o);
        assert_int_equal(tunnel_options_decode(&none, wrong, &why), -EINVAL);
}

static void test_lists_are_bounded(void **state) {
        (void) state;
        assert_bounded("Allow", "10.0.0.0/8", TUNNEL_OPTIONS_NETWORKS_MAX);
        assert_bounded("HttpAuth", "u:p", TUNNEL_OPTIONS_USERS_MAX);
}

static void test_too_long_a_text_is_neither_read_nor_written(void **state) {
        _cleanup_(tunnel_options_unrefp) TunnelOptions *o = tunnel_options_new();
        char value[HEADER_VALUE_BYTES_MAX + 1] = "", *text = NULL;
        _cleanup_free_ char *why = NULL, *long_text = malloc(TUNNEL_OPTIONS_BYTES_MAX + 2);
        TunnelOptions *none = NULL;

        (void) state;
        memset(value, 'v', HEADER_VALUE_BYTES_MAX);
        assert_int_equal(header_edits_add(&o->request_headers, "X-A", value), 0);
        assert_int_equal(header_edits_add(&o->request_headers, "X-B", value), 0);
        assert_int_equal(header_edits_add(&o->request_headers, "X-C", value), 0);
        assert_int_equal(tunnel_options_encode(o, &text), -ENOBUFS);
        memset(long_text, ' ', TUNNEL_OPTIONS_BYTES_MAX + 1);
        long_text[TUNNEL_OPTIONS_BYTES_MAX + 1] = '\0';
        assert_int_equal(tunnel_options_decode(&none, long_text, &why), -EINVAL);
}

static void test_what_is_not_echoed_is_missing(void **state) {
        _cleanup_(tunnel_options_unrefp) TunnelOptions *all = decode(ALL), *same = decode(ALL);
        _cleanup_(tunnel_options_unrefp) TunnelOptions *part =
                decode("{\"Allow\":[\"2001:db8::1\"],\"Deny\":[\"192.0.2.7/32\"],"
                       "\"RequestHeaders\":{\"Remove\":[\"Cookie\"],\"Set\":{\"X-Team\":\"blue\"}}}");
        unsigned missing = tunnel_options_missing(all, part);
        _cleanup_free_ char *list = tunnel_options_list(missing);

        (void) state;
        assert_int_equal(tunnel_options_missing(all, same), 0);
        assert_int_equal(tunnel_options_missing(NULL, same), 0);
        assert_int_equal(tunnel_options_missing(part, all), TUNNEL_OPTION_ALLOW);
        assert_string_equal(list, "allow, response_headers, host_header, forwarded, server_addr, http_auth, "
                                  "hsts, redirect_https");
}

static bool admits(const TunnelOptions *o, const char *address) {
        Ip ip;

        assert_int_equal(ip_parse(address, strlen(address), &ip), 0);
        return tunnel_options_admit(o, &ip);
}

static void test_who_is_denied_is_so_although_allowed(void **state) {
        _cleanup_(tunnel_options_unrefp) TunnelOptions *both = decode(ALL);
        _cleanup_(tunnel_options_unrefp) TunnelOptions *deny = decode("{\"Deny\":[\"10.0.0.0/8\"]}");

        (void) state;
        assert_true(admits(NULL, "203.0.113.1"));
        assert_true(admits(both, "192.0.2.1"));
        assert_true(admits(both, "2001:db8::1"));
        assert_false(admits(both, "192.0.2.7"));
        assert_false(admits(both, "203.0.113.1"));
        assert_false(admits(deny, "10.1.2.3"));
        assert_true(admits(deny, "192.0.2.7"));
}

static void test_edits_are_read_as_people_write_them(void **state) {
        _cleanup_(header_edits_done) HeaderEdits edits = {};

        (void) state;
        assert_int_equal(header_edits_parse(&edits, "X-Team:  blue \t"), 0);
        assert_int_equal(header_edits_parse(&edits, "-Cookie"), 0);
        assert_int_equal(header_edits_parse(&edits, "X-Empty:"), 0);
        assert_string_equal(edits.items[0].value.data, "blue");
        assert_null(edits.items[1].value.data);
        assert_string_equal(edits.items[2].value.data, "");
        assert_int_equal(header_edits_parse(&edits, "x_team: red"), -EEXIST);
        assert_int_equal(header_edits_parse(&edits, "X-Team"), -EINVAL);
        assert_int_equal(header_edits_parse(&edits, "Host: a"), -EINVAL);
        assert_int_equal(header_edits_parse(&edits, "X-Name: caf\xc3\xa9"), 0);
        assert_int_equal(header_edits_parse(&edits, "X-Nom: caf\xe9"), -EINVAL);
        assert_int_equal(header_edits_parse(&edits, "-"), -EINVAL);
        assert_int_equal(header_edits_parse(&edits, ""), -EINVAL);
        assert_int_equal(edits.n, 4);
}

static void test_there_are_only_so_many_edits(void **state) {
        _cleanup_(header_edits_done) HeaderEdits edits = {};
        char name[16];

        (void) state;
        for (unsigned i = 0; i < HEADER_EDITS_MAX; i++) {
                snprintf(name, sizeof(name), "X-%u", i);
                assert_int_equal(header_edits_add(&edits, name, "v"), 0);
        }
        assert_int_equal(header_edits_add(&edits, "X-More", "v"), -ENOBUFS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_read_is_written_alike),
                cmocka_unit_test(test_nothing_is_neither_sent_nor_read),
                cmocka_unit_test(test_what_is_unknown_or_null_is_passed_over),
                cmocka_unit_test(test_what_is_wrong_is_refused_with_its_name),
                cmocka_unit_test(test_lists_are_bounded),
                cmocka_unit_test(test_too_long_a_text_is_neither_read_nor_written),
                cmocka_unit_test(test_what_is_not_echoed_is_missing),
                cmocka_unit_test(test_who_is_denied_is_so_although_allowed),
                cmocka_unit_test(test_edits_are_read_as_people_write_them),
                cmocka_unit_test(test_there_are_only_so_many_edits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
