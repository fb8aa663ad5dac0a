/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/tunnel-wish.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/str.h"

static char *reserved_names[] = { (char*) "www" };
static const ConfigList reserved = { .items = reserved_names, .n = 1 };

static char *banned_names[] = { (char*) "sex", (char*) "free-money" };
static const ConfigList banned = { .items = banned_names, .n = 2 };

static Policy policy;

static void allow(const char *key, const char *value) {
        char *why = NULL;

        assert_int_equal(policy_set(&policy, key, value, &why), 0);
}

static int forget_policy(void **state _unused_) {
        policy_done(&policy);
        policy = (Policy){};
        return 0;
}

static WishRules make_rules(void) {
        return (WishRules) {
                .domain = "t.example",
                .reserved = &reserved,
                .banned = &banned,
                .http_port = 8080,
                .https_port = 443,
                .tcp_low = 20000,
                .tcp_high = 20009,
        };
}

static void expect_wish(const WishRules *rules, MessageReqTunnel m, const char *host, unsigned n_protocols) {
        _cleanup_free_ char *why = NULL;
        TunnelWish w = {};

        assert_int_equal(tunnel_wish_parse(&m, rules, &policy, &w, &why), 0);
        assert_null(why);
        assert_string_equal(w.host, host);
        assert_int_equal(w.n_protocols, n_protocols);
}

static void expect_refusal(const WishRules *rules, MessageReqTunnel m, int error, const char *part) {
        _cleanup_free_ char *why = NULL;
        TunnelWish w = { .remote_port = 1 };

        assert_int_equal(tunnel_wish_parse(&m, rules, &policy, &w, &why), error);
        assert_non_null(why);
        assert_non_null(strstr(why, part));
        assert_int_equal(w.remote_port, 1); /* untouched */
}

#define WISH(...) ((MessageReqTunnel) { __VA_ARGS__ })
#define TEXT(s) ((char*) (s))

static void test_protocols_may_be_joined_and_keep_their_order(void **state _unused_) {
        WishRules rules = make_rules();
        MessageReqTunnel m = WISH(.protocol = TEXT("tcp+HTTPS+http"));
        TunnelWish w;
        char *why = NULL;

        assert_int_equal(tunnel_wish_parse(&m, &rules, &policy, &w, &why), 0);
        assert_int_equal(w.n_protocols, 3);
        assert_int_equal(w.protocols[0], TUNNEL_TCP);
        assert_int_equal(w.protocols[1], TUNNEL_HTTPS);
        assert_int_equal(w.protocols[2], TUNNEL_HTTP);
        assert_true(tunnel_wish_has_host(&w));
}

static void test_odd_protocols_are_refused(void **state _unused_) {
        static const char *const odd[] = { "", "+", "http+", "+http", "http+http", "udp", "http https", "http+https+tcp+tcp" };
        WishRules rules = make_rules();

        for (size_t i = 0; i < ELEMENTSOF(odd); i++)
                expect_refusal(&rules, WISH(.protocol = TEXT(odd[i])), -EINVAL, "is not supported");
        expect_refusal(&rules, WISH(.protocol = NULL), -EINVAL, "is not supported");
}

static void test_of_both_protocols_the_unserved_one_is_left_out(void **state _unused_) {
        WishRules rules = make_rules();

        rules.https_port = 0;
        expect_wish(&rules, WISH(.protocol = TEXT("http+https"), .subdomain = TEXT("a")), "a.t.example", 1);
        expect_refusal(&rules, WISH(.protocol = TEXT("https")), -EINVAL, "doesn't serve https");
        expect_refusal(&rules, WISH(.protocol = TEXT("https+tcp")), -EINVAL, "doesn't serve https");
        rules.http_port = 0;
        expect_refusal(&rules, WISH(.protocol = TEXT("http+https")), -EINVAL, "neither http nor https");
        expect_wish(&rules, WISH(.protocol = TEXT("tcp")), "", 1);
}

static void test_names_are_trimmed_and_lowered_and_hostname_wins(void **state _unused_) {
        WishRules rules = make_rules();

        expect_wish(&rules, WISH(.protocol = TEXT("http"), .subdomain = TEXT(" Demo\t")), "demo.t.example", 1);
        expect_wish(&rules, WISH(.protocol = TEXT("http"), .subdomain = TEXT("a"), .hostname = TEXT(" B.T.Example ")),
                    "b.t.example", 1);
        expect_wish(&rules, WISH(.protocol = TEXT("http"), .subdomain = TEXT("a"), .hostname = TEXT("  ")),
                    "a.t.example", 1);
        expect_wish(&rules, WISH(.protocol = TEXT("http"), .hostname = TEXT("b.t.example.")), "b.t.example", 1);
}

static void test_our_ports_are_cut_off_a_hostname_and_others_refused(void **state _unused_) {
        WishRules rules = make_rules();

        expect_wish(&rules, WISH(.protocol = TEXT("http"), .hostname = TEXT("b.t.example:8080")), "b.t.example", 1);
        expect_wish(&rules, WISH(.protocol = TEXT("http"), .hostname = TEXT("b.t.example:443")), "b.t.example", 1);
        expect_refusal(&rules, WISH(.protocol = TEXT("http"), .hostname = TEXT("b.t.example:8081")), -EINVAL, "port");
}

static void test_odd_names_are_refused(void **state _unused_) {
        static const char *const subdomains[] = { "a.b", "-a", "a-", "a_b", "ä", "a b", "a/b", "*",
                                                  "0123456789012345678901234567890123456789012345678901234567890123" };
        static const char *const hostnames[] = { "a b", "[::1]", "127.0.0.1", "a..b", "a_b.t.example", "*",
                                                  "*.", "*x.example.org", "*.*.example.org", "a.*.example.org", "*.1.2", "/" };
        WishRules rules = make_rules();

        for (size_t i = 0; i < ELEMENTSOF(subdomains); i++)
                expect_refusal(&rules, WISH(.protocol = TEXT("http"), .subdomain = TEXT(subdomains[i])), -EINVAL,
                               "subdomain");
        for (size_t i = 0; i < ELEMENTSOF(hostnames); i++)
                expect_refusal(&rules, WISH(.protocol = TEXT("http"), .hostname = TEXT(hostnames[i])), -EINVAL,
                               "host name");
        expect_refusal(&rules, WISH(.protocol = TEXT("http"), .hostname = TEXT("a.b.t.example")), -EINVAL, "one label");
}

static void test_reserved_names_are_refused_either_way(void **state _unused_) {
        WishRules rules = make_rules();

        expect_refusal(&rules, WISH(.protocol = TEXT("http"), .subdomain = TEXT("WWW")), -EKEYREJECTED, "reserved");
        expect_refusal(&rules, WISH(.protocol = TEXT("http"), .hostname = TEXT("www.t.example")), -EKEYREJECTED, "reserved");
}

static void test_banned_words_are_refused_as_words_only(void **state _unused_) {
        static const char *const refused[] = { "sex", "SEX", "a-sex", "sex-b", "a-sex-b", "get-free-money-now", "a--sex" };
        static const char *const taken[] = { "essex", "sexy", "free", "free-moneys", "money-free", "sex0-a" };
        WishRules rules = make_rules();

        for (size_t i = 0; i < ELEMENTSOF(refused); i++)
                expect_refusal(&rules, WISH(.protocol = TEXT("http"), .subdomain = TEXT(refused[i])), -EKEYREJECTED,
                               "choose another one");
        for (size_t i = 0; i < ELEMENTSOF(taken); i++) {
                _cleanup_free_ char *host = str_format("%s.t.example", taken[i]);

                expect_wish(&rules, WISH(.protocol = TEXT("http"), .subdomain = TEXT(taken[i])), host, 1);
        }
        assert_null(label_banned_word(&rules, ""));
        assert_null(label_banned_word(&rules, "-"));
}

static void test_foreign_names_need_permission_and_the_domain_itself_is_nobodys(void **state _unused_) {
        WishRules rules = make_rules();

        expect_refusal(&rules, WISH(.protocol = TEXT("http"), .hostname = TEXT("x.example.org")), -EKEYREJECTED, "not yours");
        expect_refusal(&rules, WISH(.protocol = TEXT("http"), .hostname = TEXT("not-t.example")), -EKEYREJECTED, "not yours");
        allow("hosts", "*.example.org,example.com");
        expect_wish(&rules, WISH(.protocol = TEXT("http"), .hostname = TEXT("X.Example.org")), "x.example.org", 1);
        expect_refusal(&rules, WISH(.protocol = TEXT("http"), .hostname = TEXT("t.example")), -EKEYREJECTED, "not yours");
}

static void test_https_and_tls_do_not_go_together(void **state _unused_) {
        WishRules rules = make_rules();

        expect_wish(&rules, WISH(.protocol = TEXT("tls"), .subdomain = TEXT("a")), "a.t.example", 1);
        expect_wish(&rules, WISH(.protocol = TEXT("http+tls"), .hostname = TEXT("a.t.example")),
                    "a.t.example", 2);
        expect_refusal(&rules, WISH(.protocol = TEXT("https+tls")), -EINVAL, "share a port");
        expect_refusal(&rules, WISH(.protocol = TEXT("tls+http+https")), -EINVAL, "share a port");
        allow("protocols", "http,https,tcp");
        expect_refusal(&rules, WISH(.protocol = TEXT("tls")), -EKEYREJECTED, "not yours");
        rules.https_port = 0;
        expect_refusal(&rules, WISH(.protocol = TEXT("tls")), -EINVAL, "doesn't serve tls");
}

#define WILD(name) WISH(.protocol = TEXT("http"), .hostname = TEXT(name))

static void test_wildcards_are_of_those_whose_policy_covers_them(void **state _unused_) {
        WishRules rules = make_rules();

        expect_refusal(&rules, WILD("*.x.example.org"), -EKEYREJECTED, "hosts=*.x.example.org");
        allow("hosts", "x.example.org,*.y.example.org");
        expect_refusal(&rules, WILD("*.x.example.org"), -EKEYREJECTED, "not yours");
        expect_refusal(&rules, WILD("*.example.org"), -EKEYREJECTED, "not yours");
        expect_wish(&rules, WILD(" *.Y.Example.org:443"), "*.y.example.org", 1);
        expect_wish(&rules, WILD("*.z.y.example.org"), "*.z.y.example.org", 1);
        expect_refusal(&rules, WILD("*.y.example.org:444"), -EINVAL, "port");
}

static void test_wildcards_in_the_domain_are_of_those_whose_policy_names_them(void **state _unused_) {
        WishRules rules = make_rules();

        allow("hosts", "*,*.example,*.sub.t.example,*.a.www.t.example,*.my-sex.t.example");
        expect_wish(&rules, WILD("*.example.org"), "*.example.org", 1);
        expect_wish(&rules, WILD("*.sub.t.example"), "*.sub.t.example", 1);
        expect_wish(&rules, WILD("*.b.sub.t.example"), "*.b.sub.t.example", 1);
        expect_refusal(&rules, WILD("*.t.example"), -EKEYREJECTED, "not yours");
        expect_refusal(&rules, WILD("*.other.t.example"), -EKEYREJECTED, "not yours");
        expect_refusal(&rules, WILD("*.a.www.t.example"), -EKEYREJECTED, "reserved");
        expect_refusal(&rules, WILD("*.my-sex.t.example"), -EKEYREJECTED, "choose another one");
}

static void test_the_whole_domain_may_be_somebodys(void **state _unused_) {
        WishRules rules = make_rules();

        allow("hosts", "*.t.example");
        expect_wish(&rules, WILD("*.t.example"), "*.t.example", 1);
}

static void test_remote_ports_are_of_the_range_and_of_tcp_only(void **state _unused_) {
        WishRules rules = make_rules();

        expect_wish(&rules, WISH(.protocol = TEXT("tcp"), .remote_port = 20000), "", 1);
        expect_wish(&rules, WISH(.protocol = TEXT("tcp"), .remote_port = 20009), "", 1);
        expect_wish(&rules, WISH(.protocol = TEXT("tcp"), .subdomain = TEXT("any name. at all")), "", 1);
        expect_refusal(&rules, WISH(.protocol = TEXT("tcp"), .remote_port = 19999), -EKEYREJECTED, "20000 to 20009");
        expect_refusal(&rules, WISH(.protocol = TEXT("tcp"), .remote_port = 22), -EKEYREJECTED, "20000 to 20009");
        expect_wish(&rules, WISH(.protocol = TEXT("http"), .subdomain = TEXT("a"), .remote_port = 22), "a.t.example", 1);
}

static void test_urls_have_a_port_unless_it_is_the_protocols_own(void **state _unused_) {
        WishRules rules = make_rules();
        _cleanup_free_ char *http = tunnel_url(&rules, TUNNEL_HTTP, "a.t.example", 0);
        _cleanup_free_ char *https = tunnel_url(&rules, TUNNEL_HTTPS, "a.t.example", 0);
        _cleanup_free_ char *tcp = tunnel_url(&rules, TUNNEL_TCP, "ignored", 20001);
        _cleanup_free_ char *tls = tunnel_url(&rules, TUNNEL_TLS, "a.t.example", 0);

        assert_string_equal(tls, "tls://a.t.example");
        assert_string_equal(http, "http://a.t.example:8080");
        assert_string_equal(https, "https://a.t.example");
        assert_string_equal(tcp, "tcp://t.example:20001");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(test_protocols_may_be_joined_and_keep_their_order, forget_policy),
                cmocka_unit_test_teardown(test_odd_protocols_are_refused, forget_policy),
                cmocka_unit_test_teardown(test_of_both_protocols_the_unserved_one_is_left_out, forget_policy),
                cmocka_unit_test_teardown(test_names_are_trimmed_and_lowered_and_hostname_wins,
                                          forget_policy),
                cmocka_unit_test_teardown(test_our_ports_are_cut_off_a_hostname_and_others_refused,
                                          forget_policy),
                cmocka_unit_test_teardown(test_odd_names_are_refused, forget_policy),
                cmocka_unit_test_teardown(test_reserved_names_are_refused_either_way, forget_policy),
                cmocka_unit_test_teardown(test_banned_words_are_refused_as_words_only, forget_policy),
                cmocka_unit_test_teardown(test_foreign_names_need_permission_and_the_domain_itself_is_nobodys,
                                          forget_policy),
                cmocka_unit_test_teardown(test_https_and_tls_do_not_go_together, forget_policy),
                cmocka_unit_test_teardown(test_wildcards_are_of_those_whose_policy_covers_them,
                                          forget_policy),
                cmocka_unit_test_teardown(test_wildcards_in_the_domain_are_of_those_whose_policy_names_them,
                                          forget_policy),
                cmocka_unit_test_teardown(test_the_whole_domain_may_be_somebodys, forget_policy),
                cmocka_unit_test_teardown(test_remote_ports_are_of_the_range_and_of_tcp_only, forget_policy),
                cmocka_unit_test_teardown(test_urls_have_a_port_unless_it_is_the_protocols_own,
                                          forget_policy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
