/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/str.h"
#include "proto/tunnel-protocol.h"

static Policy policy;

static void set(const char *key, const char *value) {
        char *why = NULL;

        assert_int_equal(policy_set(&policy, key, value, &why), 0);
        assert_null(why);
}

static void expect_fault(const char *key, const char *value, const char *part) {
        _cleanup_free_ char *why = NULL;
        Policy p = {};

        assert_int_equal(policy_set(&p, key, value, &why), -EINVAL);
        assert_non_null(why);
        if (!strstr(why, part))
                fail_msg("%s=%s: %s", key, value, why);
        policy_done(&p);
}

static int tear_down(void **state _unused_) {
        policy_done(&policy);
        policy = (Policy){};
        return 0;
}

static void test_what_is_not_set_is_free_but_for_foreign_hosts(void **state _unused_) {
        assert_true(policy_allows_label(&policy, "a"));
        assert_true(policy_allows_port(&policy, 1));
        assert_true(policy_allows_protocol(&policy, TUNNEL_TCP));
        assert_false(policy_allows_host(&policy, "x.example.org"));
        assert_false(policy_is_expired(&policy, INT64_MAX));
}

static void test_labels_are_exact_or_begin_so(void **state _unused_) {
        set("subdomains", "a,B-*");
        assert_true(policy_allows_label(&policy, "a"));
        assert_true(policy_allows_label(&policy, "b-amazing-coder"));
        assert_false(policy_allows_label(&policy, "ab"));
        assert_false(policy_allows_label(&policy, "b"));
        assert_false(policy_allows_label(&policy, "a-b-c"));
}

static void test_hosts_may_be_all_below_a_name(void **state _unused_) {
        set("hosts", "x.Example.org,*.y.example.org");
        assert_true(policy_allows_host(&policy, "x.example.org"));
        assert_false(policy_allows_host(&policy, "a.x.example.org"));
        assert_true(policy_allows_host(&policy, "a.y.example.org"));
        assert_true(policy_allows_host(&policy, "a.b.y.example.org"));
        assert_false(policy_allows_host(&policy, "y.example.org"));
        assert_false(policy_allows_host(&policy, "evily.example.org"));
        assert_true(policy_allows_host(&policy, "*.y.example.org"));
        assert_true(policy_allows_host(&policy, "*.b.y.example.org"));
        assert_false(policy_allows_host(&policy, "*.x.example.org"));
        assert_false(policy_allows_host(&policy, "*.example.org"));
}

static void test_what_names_a_host_closely_is_told_from_what_is_wide(void **state _unused_) {
        set("hosts", "*,*.y.example.org,a.y.example.org");
        assert_true(policy_allows_host_apart(&policy, "b.y.example.org", "c.example.org"));
        assert_false(policy_allows_host_apart(&policy, "b.y.example.org", "*.y.example.org"));
        assert_true(policy_allows_host_apart(&policy, "a.y.example.org", "*.y.example.org"));
        assert_false(policy_allows_host_apart(&policy, "x.example.org", "example.org"));
}

static void test_ports_are_ranges(void **state _unused_) {
        _cleanup_free_ char *list = NULL;

        set("tcp_ports", "20000-20009,20022");
        assert_true(policy_allows_port(&policy, 20000));
        assert_true(policy_allows_port(&policy, 20009));
        assert_true(policy_allows_port(&policy, 20022));
        assert_false(policy_allows_port(&policy, 20010));
        assert_false(policy_allows_port(&policy, 19999));
        list = policy_list_ports(&policy);
        assert_string_equal(list, "20000-20009, 20022");
}

static void test_protocols_are_those_listed(void **state _unused_) {
        _cleanup_free_ char *list = NULL;

        set("protocols", "http,tcp");
        assert_true(policy_allows_protocol(&policy, TUNNEL_HTTP));
        assert_false(policy_allows_protocol(&policy, TUNNEL_HTTPS));
        list = policy_list_protocols(&policy);
        assert_string_equal(list, "http, tcp");
}

static void expect_admission(const char *address, int64_t now, const char *refusal) {
        _cleanup_free_ char *why = NULL;
        Ip peer;
        int r;

        assert_int_equal(ip_parse(address, strlen(address), &peer), 0);
        r = policy_admit(&policy, &peer, now, &why);
        assert_int_equal(r, refusal ? -EKEYREJECTED : 0);
        if (refusal)
                assert_non_null(strstr(why, refusal));
}

static void test_clients_come_from_the_networks_listed(void **state _unused_) {
        set("from", "192.0.2.0/24,2001:db8::/32");
        expect_admission("192.0.2.7", 0, NULL);
        expect_admission("::ffff:192.0.2.7", 0, NULL);
        expect_admission("2001:db8:1::1", 0, NULL);
        expect_admission("192.0.3.1", 0, "192.0.3.1");
        expect_admission("::ffff:192.0.3.1", 0, "192.0.3.1");
        expect_admission("2001:db9::1", 0, "2001:db9::1");
}

static void test_the_last_day_counts_to_its_end(void **state _unused_) {
        const int64_t begin = 1801353600; /* 2027-01-31 */

        set("expires", "2027-01-31");
        expect_admission("192.0.2.1", begin, NULL);
        expect_admission("192.0.2.1", begin + 86399, NULL);
        expect_admission("192.0.2.1", begin + 86400, "2027-01-31");
        assert_false(policy_is_expired(&policy, begin + 86399));
        assert_true(policy_is_expired(&policy, begin + 86400));
}

static void test_days_are_those_of_the_calendar(void **state _unused_) {
        static const struct {
                const char *day;
                int64_t end_sec;
        } days[] = {
                { "1970-01-01", 86400 },       { "1999-12-31", 946684800 },    { "2000-02-29", 951868800 },
                { "2024-02-29", 1709251200 },  { "2026-12-31", 1798761600 },   { "2038-01-19", 2147558400 },
                { "2100-02-28", 4107542400 },  { "9999-12-31", 253402300800 },
        };
        static const char *const none[] = { "1969-12-31", "2023-02-29", "2100-02-29", "2024-04-31", "2024-00-10", "2024-01-00",
                                            "2024-1-10", " 024-01-10", "2024-01-1x", "2024-01", "", "+024-01-10" };

        for (size_t i = 0; i < ELEMENTSOF(days); i++) {
                tear_down(NULL);
                set("expires", days[i].day);
                assert_int_equal(policy.expires_sec, days[i].end_sec);
        }
        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                expect_fault("expires", none[i], "a day");
}

static void test_numbers_are_kept(void **state _unused_) {
        set("max_tunnels", "4");
        set("max_connections", "100");
        set("rate", "1M");
        set("koding", "tls");
        set("local_ports", "3000,8000-8100");
        assert_int_equal(policy.max_tunnels, 4);
        assert_int_equal(policy.max_connections, 100);
        assert_int_equal(policy.rate, 1024 * 1024);
        assert_int_equal(policy.koding, POLICY_KODING_TLS);
        assert_int_equal(policy.local_ports.n, 2);
}

static void test_faults_say_how_it_is_written(void **state _unused_) {
        static const char *const faults[][2] = {
                { "subdomains", "" },        { "subdomains", "a," },         { "subdomains", "*-a" },
                { "subdomains", "a.b" },     { "subdomains", "a*b*" },       { "subdomains", "-*" },
                { "hosts", "*.*.org" },      { "hosts", "192.0.2.1" },       { "hosts", "x*.org" },
                { "hosts", "" },             { "tcp_ports", "0" },           { "tcp_ports", "9-8" },
                { "tcp_ports", "1,,2" },     { "tcp_ports", "70000" },       { "protocols", "udp" },
                { "protocols", "" },         { "max_tunnels", "0" },         { "max_tunnels", "-1" },
                { "max_tunnels", "x" },      { "max_connections", "1e3" },   { "rate", "fast" },
                { "from", "192.0.2.0/33" },  { "from", "localhost" },        { "from", "" },
                { "expires", "2027-02-30" }, { "expires", "2027-1-1" },      { "expires", "tomorrow" },
                { "expires", "2027-13-01" }, { "expires", "2027-01-31T" },   { "koding", "yes" },
                { "local_ports", "a" },      { "subdomains", "0123456789012345678901234567890-*" },
        };

        for (size_t i = 0; i < ELEMENTSOF(faults); i++)
                expect_fault(faults[i][0], faults[i][1], "= must be ");
        expect_fault("subdomain", "a", "not known");
        expect_fault("", "", "not known");
}

static void test_a_key_stands_there_once(void **state _unused_) {
        _cleanup_free_ char *why = NULL;

        set("max_tunnels", "4");
        assert_int_equal(policy_set(&policy, "max_tunnels", "5", &why), -EINVAL);
        assert_non_null(strstr(why, "twice"));
        assert_int_equal(policy.max_tunnels, 4);
}

#define policy_test(f) cmocka_unit_test_teardown(f, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                policy_test(test_what_is_not_set_is_free_but_for_foreign_hosts),
                policy_test(test_labels_are_exact_or_begin_so),
                policy_test(test_hosts_may_be_all_below_a_name),
                policy_test(test_what_names_a_host_closely_is_told_from_what_is_wide),
                policy_test(test_ports_are_ranges),
                policy_test(test_protocols_are_those_listed),
                policy_test(test_clients_come_from_the_networks_listed),
                policy_test(test_the_last_day_counts_to_its_end),
                policy_test(test_days_are_those_of_the_calendar),
                policy_test(test_numbers_are_kept),
                policy_test(test_faults_say_how_it_is_written),
                policy_test(test_a_key_stands_there_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
