/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/registry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/parse.h"
#include "base/str.h"
#include "server/registry-state.h"

/* Whose a name is where more than one entry of the registry could say so. */

#define GRACE_USEC (600 * USEC_PER_SEC)
#define TEXT(s) ((char*) (s))

static const ConfigList no_names = {};
static Registry *registry;
static RegistryOptions options;
static User *ann, *bob;
static SessionName ann_session, bob_session;
static uint64_t last_session;
static Address peer;

static const char *id_of(const User *user) {
        return user == ann ? "ann-0123456789abcdef" : "bob-0123456789abcdef";
}

static SessionName log_in(User *user) {
        SessionName session = { .id = ++last_session }, replaced[MESSAGE_SESSIONS_MAX];
        RegistryLogin login = { id_of(user), user, &peer, "", 0, session };
        _cleanup_free_ char *given = NULL;

        assert_true(registry_login(registry, &login, &given, replaced) >= 0);
        return session;
}

static User *user_with_hosts(const char *name, const char *hosts) {
        Policy policy = {};
        char *why = NULL;
        User *user;

        assert_int_equal(policy_set(&policy, "hosts", hosts, &why), 0);
        assert_int_equal(user_new(&user, name, &policy), 0);
        return user;
}

static void start(void) {
        assert_int_equal(registry_new(&registry, &options), 0);
        ann_session = log_in(ann);
        bob_session = log_in(bob);
}

static int set_up(void **state _unused_) {
        options = (RegistryOptions) {
                .rules = { .domain = "t.example", .reserved = &no_names, .banned = &no_names, .http_port = 80,
                           .https_port = 443, .tcp_low = 20000, .tcp_high = 20000 },
                .grace_usec = GRACE_USEC,
                .max_clients = 9,
                .max_tunnels_per_client = 32,
        };
        ann = user_with_hosts("ann", "*,*.t.example");
        bob = user_with_hosts("bob", "*,q.x.org,*.s.x.org");
        start();
        return 0;
}

static int tear_down(void **state _unused_) {
        registry = registry_free(registry);
        ann = user_unref(ann);
        bob = user_unref(bob);
        return 0;
}

/* Returns the number of tunnels, or the error. */
static int ask(User *user, const char *protocol, const char *hostname, const char *subdomain) {
        MessageReqTunnel m = { .protocol = TEXT(protocol), .hostname = TEXT(hostname), .subdomain = TEXT(subdomain) };
        TunnelGrant grants[TUNNEL_PROTOCOL_MAX];
        _cleanup_free_ char *why = NULL;
        int n = registry_add(registry, id_of(user), user == ann ? ann_session : bob_session, &m, grants, &why);

        for (int i = 0; i < n; i++)
                tunnel_unref(grants[i].tunnel);
        assert_true(n > 0 || why);
        return n;
}

static int ask_host(User *user, const char *hostname) {
        return ask(user, "http", hostname, NULL);
}

/* The URL of the tunnel that visitors of HOST reach, of static storage; "" for none. */
static const char *url_of(TunnelProtocol protocol, const char *host, RegistryAnswer expected) {
        static char url[128];
        SessionName session;
        Tunnel *t = NULL;

        assert_int_equal(registry_find(registry, protocol, host, 0, &t, &session), expected);
        snprintf(url, sizeof(url), "%s", t ? t->url : "");
        tunnel_unref(t);
        return url;
}

static void expect_found(const char *host, const char *url) {
        assert_string_equal(url_of(TUNNEL_HTTP, host, REGISTRY_FOUND), url);
}

static void expect(const char *host, RegistryAnswer answer) {
        (void) url_of(TUNNEL_HTTP, host, answer);
}

static void test_a_wildcard_is_for_all_below_it(void **state _unused_) {
        assert_int_equal(ask_host(ann, "*.X.org"), 1);
        expect_found("a.x.org", "http://*.x.org");
        expect_found("a.b.c.x.org", "http://*.x.org");
        expect("x.org", REGISTRY_UNKNOWN);
        expect("ax.org", REGISTRY_UNKNOWN);
        expect("a.y.org", REGISTRY_UNKNOWN);
        (void) url_of(TUNNEL_HTTPS, "a.x.org", REGISTRY_UNKNOWN);
}

static void test_the_most_specific_name_wins(void **state _unused_) {
        assert_int_equal(ask_host(ann, "*.x.org"), 1);
        assert_int_equal(ask_host(ann, "*.b.x.org"), 1);
        assert_int_equal(ask_host(ann, "a.b.x.org"), 1);
        assert_int_equal(ask_host(ann, "*.org"), 1);
        expect_found("a.b.x.org", "http://a.b.x.org");
        expect_found("c.b.x.org", "http://*.b.x.org");
        expect_found("d.a.b.x.org", "http://*.b.x.org");
        expect_found("b.x.org", "http://*.x.org");
        expect_found("x.org", "http://*.org");
}

static void test_a_wildcard_is_one_user_s_and_stays_reserved(void **state _unused_) {
        uint64_t now = clock_usec();

        assert_int_equal(ask_host(ann, "*.x.org"), 1);
        assert_int_equal(ask_host(bob, "*.x.org"), -EEXIST);
        assert_int_equal(ask(bob, "https", "*.x.org", NULL), -EEXIST);
        registry_logout(registry, id_of(ann), ann_session.id, now);
        expect("a.x.org", REGISTRY_AWAY);
        assert_int_equal(ask_host(bob, "*.x.org"), -EEXIST);
        ann_session = log_in(ann);
        assert_int_equal(ask_host(ann, "*.x.org"), 1);
        expect_found("a.x.org", "http://*.x.org");
        registry_logout(registry, id_of(ann), ann_session.id, now);
        (void) registry_sweep(registry, now + GRACE_USEC);
        expect("a.x.org", REGISTRY_UNKNOWN);
        assert_int_equal(ask_host(bob, "*.x.org"), 1);
}

static void test_below_a_wildcard_nobody_else_gets_a_name_that_is_not_given_to_him_by_name(void **state _unused_) {
        assert_int_equal(ask_host(ann, "*.x.org"), 1);
        assert_int_equal(ask_host(bob, "a.x.org"), -EEXIST);
        assert_int_equal(ask_host(bob, "*.a.x.org"), -EEXIST);
        assert_int_equal(ask(bob, "http+https", "a.b.x.org", NULL), -EEXIST);
        assert_int_equal(ask_host(bob, "q.x.org"), 1);
        assert_int_equal(ask_host(bob, "*.s.x.org"), 1);
        assert_int_equal(ask_host(bob, "r.s.x.org"), 1);
        assert_int_equal(ask_host(ann, "a.x.org"), 1);
        assert_int_equal(ask_host(bob, "y.org"), 1);
        expect_found("q.x.org", "http://q.x.org");
        expect_found("z.s.x.org", "http://*.s.x.org");
        expect_found("z.x.org", "http://*.x.org");
}

static void test_a_name_of_its_own_is_somebody_s_whatever_wildcard_comes(void **state _unused_) {
        assert_int_equal(ask_host(bob, "a.x.org"), 1);
        assert_int_equal(ask_host(ann, "*.x.org"), 1);
        registry_logout(registry, id_of(bob), bob_session.id, clock_usec());
        expect("a.x.org", REGISTRY_AWAY); /* and not ann's */
        expect_found("b.x.org", "http://*.x.org");
}

static void test_a_wildcard_of_the_domain_takes_no_subdomain_away(void **state _unused_) {
        assert_int_equal(ask_host(ann, "*.t.example"), 1);
        expect_found("any.t.example", "http://*.t.example");
        expect_found("a.b.t.example", "http://*.t.example");
        expect("t.example", REGISTRY_UNKNOWN);
        assert_int_equal(ask(bob, "http", NULL, "mine"), 1);
        assert_int_equal(ask(bob, "http", NULL, NULL), 1);
        expect_found("mine.t.example", "http://mine.t.example");
        assert_int_equal(ask_host(bob, "*.sub.t.example"), -EKEYREJECTED);
}

static void test_a_wildcard_from_outside_does_not_reach_into_the_domain(void **state _unused_) {
        assert_int_equal(ask_host(ann, "*.example"), 1);
        expect("t.example", REGISTRY_UNKNOWN);
        expect("any.t.example", REGISTRY_UNKNOWN);
        expect("a.b.t.example", REGISTRY_UNKNOWN);
        expect_found("at.example", "http://*.example");
}

static void test_whose_a_name_is_minds_wildcards(void **state _unused_) {
        assert_int_equal(ask_host(ann, "*.x.org"), 1);
        assert_int_equal(ask_host(bob, "q.x.org"), 1);
        assert_false(registry_is_of_other(registry, "a.x.org", "ann"));
        assert_true(registry_is_of_other(registry, "a.x.org", "bob"));
        assert_true(registry_is_of_other(registry, "q.x.org", "ann"));
        assert_false(registry_is_of_other(registry, "q.x.org", "bob"));
        assert_true(registry_is_of_other(registry, "a.q.x.org", "bob"));
        assert_false(registry_is_of_other(registry, "x.org", "bob"));
}

static void test_wildcards_survive_a_restart(void **state _unused_) {
        _cleanup_free_ char *text = NULL;
        size_t n;

        assert_int_equal(ask_host(ann, "*.x.org"), 1);
        text = registry_save(registry, &n);
        registry_free(registry);
        assert_int_equal(registry_new(&registry, &options), 0);
        assert_int_equal(registry_restore(registry, text, n, NULL, NULL, clock_usec()), 0);
        ann_session = log_in(ann);
        bob_session = log_in(bob);
        expect("a.x.org", REGISTRY_AWAY);
        assert_int_equal(ask_host(bob, "*.x.org"), -EEXIST);
        assert_int_equal(ask_host(bob, "a.x.org"), -EEXIST);
        assert_int_equal(ask_host(ann, "*.x.org"), 1);
        expect_found("a.x.org", "http://*.x.org");
}

static void test_a_revoked_wildcard_is_free(void **state _unused_) {
        _cleanup_(user_unrefp) User *narrow = user_with_hosts("ann", "*.a.x.org");

        assert_int_equal(ask_host(ann, "*.x.org"), 1);
        assert_int_equal(ask_host(ann, "*.b.a.x.org"), 1);
        registry_revoke(registry, "ann", narrow, clock_usec());
        expect("c.x.org", REGISTRY_UNKNOWN);
        expect("c.b.a.x.org", REGISTRY_AWAY);
        assert_int_equal(ask_host(bob, "*.x.org"), 1);
}

/* ---- tls ---- */

static void test_https_and_tls_of_a_name_are_in_each_others_way(void **state _unused_) {
        assert_int_equal(ask(ann, "tls", NULL, "a"), 1);
        assert_int_equal(ask(ann, "https", NULL, "a"), -EEXIST);
        assert_int_equal(ask(ann, "http", NULL, "a"), 1);
        assert_int_equal(ask(ann, "tls", NULL, "a"), -EEXIST);
        assert_int_equal(ask(ann, "https", NULL, "b"), 1);
        assert_int_equal(ask(ann, "tls", NULL, "b"), -EEXIST);
        assert_int_equal(ask(bob, "http+tls", NULL, "a"), -EEXIST);
        assert_int_equal(ask(bob, "http+tls", NULL, "c"), 2);
        assert_string_equal(url_of(TUNNEL_TLS, "a.t.example", REGISTRY_FOUND), "tls://a.t.example");
        (void) url_of(TUNNEL_TLS, "b.t.example", REGISTRY_UNKNOWN);
}

static void test_hellos_are_worth_a_look_while_a_name_may_have_tls(void **state _unused_) {
        uint64_t now = clock_usec();

        assert_int_equal(ask(ann, "http+https", NULL, "a"), 2);
        assert_false(registry_has_tls(registry));
        assert_int_equal(ask(ann, "http+tls", NULL, "b"), 2);
        assert_true(registry_has_tls(registry));
        registry_logout(registry, id_of(ann), ann_session.id, now);
        assert_true(registry_has_tls(registry));
        (void) registry_sweep(registry, now + GRACE_USEC);
        assert_false(registry_has_tls(registry));
}

static void test_of_an_absent_client_what_was_tls_is_waited_for(void **state _unused_) {
        assert_int_equal(ask(ann, "https", NULL, "a"), 1);
        assert_int_equal(ask(ann, "tls", "*.x.org", NULL), 1);
        registry_logout(registry, id_of(ann), ann_session.id, clock_usec());
        (void) url_of(TUNNEL_TLS, "a.t.example", REGISTRY_UNKNOWN);
        (void) url_of(TUNNEL_TLS, "a.x.org", REGISTRY_AWAY);
        ann_session = log_in(ann);
        assert_int_equal(ask(ann, "https", "*.x.org", NULL), 1); /* it has changed its mind */
        (void) url_of(TUNNEL_TLS, "a.x.org", REGISTRY_UNKNOWN);
        assert_false(registry_has_tls(registry));
}

static void test_what_was_tls_is_known_after_a_restart(void **state _unused_) {
        _cleanup_free_ char *text = NULL;
        size_t n;

        assert_int_equal(ask(ann, "tls", NULL, "a"), 1);
        assert_int_equal(ask(ann, "https", NULL, "b"), 1);
        text = registry_save(registry, &n);
        registry_free(registry);
        assert_int_equal(registry_new(&registry, &options), 0);
        assert_int_equal(registry_restore(registry, text, n, NULL, NULL, clock_usec()), 0);
        assert_true(registry_has_tls(registry));
        (void) url_of(TUNNEL_TLS, "a.t.example", REGISTRY_AWAY);
        (void) url_of(TUNNEL_TLS, "b.t.example", REGISTRY_UNKNOWN);
}

/* ---- names that the server chooses ---- */

static char *pool_items[] = { TEXT("red"), TEXT("blue") };
static const ConfigList pool = { .items = pool_items, .n = 2 };

/* With what the pool is to be, from the next request on. */
static void use_pool(const ConfigList *names, bool no_random) {
        options.rules.pool = names;
        options.rules.no_random = no_random;
        registry_set_options(registry, &options);
}

/* The label that USER gets when it asks for none, of static storage; "": refused. */
static const char *get_any(User *user) {
        static char label[HOST_LABEL_LENGTH_MAX + 1];
        MessageReqTunnel m = { .protocol = TEXT("http") };
        TunnelGrant grants[TUNNEL_PROTOCOL_MAX];
        _cleanup_free_ char *why = NULL;
        int n = registry_add(registry, id_of(user), user == bob ? bob_session : ann_session, &m, grants,
                             &why);

        label[0] = '\0';
        if (n > 0) {
                snprintf(label, sizeof(label), "%.*s", (int) strcspn(grants[0].tunnel->host, "."),
                         grants[0].tunnel->host);
                tunnel_unref(grants[0].tunnel);
        } else
                assert_int_equal(n, -EEXIST);
        return label;
}

static void test_who_asks_for_no_name_gets_one_of_the_pool(void **state _unused_) {
        use_pool(&pool, false);
        assert_string_equal(get_any(ann), "red");
        assert_string_equal(get_any(bob), "blue");
        assert_non_null(strchr(get_any(bob), '-')); /* two words */
        use_pool(&pool, true);
        assert_string_equal(get_any(bob), "");
        assert_int_equal(ask(bob, "http", NULL, "mine"), 1);
}

static void
test_a_name_of_the_pool_stays_its_client_s_and_goes_back_after_the_grace_time(void **state _unused_) {
        uint64_t now = clock_usec();

        use_pool(&pool, true);
        assert_string_equal(get_any(ann), "red");
        registry_logout(registry, id_of(ann), ann_session.id, now);
        assert_string_equal(get_any(bob), "blue");
        assert_string_equal(get_any(bob), "");
        ann_session = log_in(ann);
        assert_string_equal(get_any(ann), "red");
        registry_logout(registry, id_of(ann), ann_session.id, now);
        (void) registry_sweep(registry, now + GRACE_USEC);
        assert_string_equal(get_any(bob), "red");
}

static void test_a_name_of_the_pool_that_somebody_asked_for_is_taken(void **state _unused_) {
        use_pool(&pool, true);
        assert_int_equal(ask(ann, "http", NULL, "red"), 1);
        assert_string_equal(get_any(bob), "blue");
}

static void test_of_the_pool_the_policy_takes_what_it_allows(void **state _unused_) {
        Policy policy = {};
        char *why = NULL;

        assert_int_equal(policy_set(&policy, "subdomains", "blue,mine", &why), 0);
        user_unref(ann);
        assert_int_equal(user_new(&ann, "ann", &policy), 0);
        ann_session = log_in(ann);
        use_pool(&pool, true);
        assert_string_equal(get_any(ann), "blue");
        assert_string_equal(get_any(ann), "mine"); /* its own names are no random ones */
        assert_string_equal(get_any(ann), "");
        assert_string_equal(get_any(bob), "red");
}

static void test_reserved_and_banned_names_are_not_given_out(void **state _unused_) {
        ConfigList reserved = { .items = (char *[]){ TEXT("red") }, .n = 1 };
        ConfigList banned = { .items = (char *[]){ TEXT("blue") }, .n = 1 };

        options.rules.reserved = &reserved;
        options.rules.banned = &banned;
        use_pool(&pool, true);
        assert_string_equal(get_any(ann), "");
}

static void test_a_name_that_was_given_and_is_reserved_now_is_not_given_again(void **state _unused_) {
        ConfigList reserved = { .items = (char *[]){ TEXT("red") }, .n = 1 };

        use_pool(&pool, true);
        assert_string_equal(get_any(ann), "red");
        registry_logout(registry, id_of(ann), ann_session.id, clock_usec());
        options.rules.reserved = &reserved;
        use_pool(&pool, true);
        ann_session = log_in(ann);
        assert_string_equal(get_any(ann), "blue");
}

#define names_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                names_test(test_a_wildcard_is_for_all_below_it),
                names_test(test_the_most_specific_name_wins),
                names_test(test_a_wildcard_is_one_user_s_and_stays_reserved),
                names_test(test_below_a_wildcard_nobody_else_gets_a_name_that_is_not_given_to_him_by_name),
                names_test(test_a_name_of_its_own_is_somebody_s_whatever_wildcard_comes),
                names_test(test_a_wildcard_of_the_domain_takes_no_subdomain_away),
                names_test(test_a_wildcard_from_outside_does_not_reach_into_the_domain),
                names_test(test_whose_a_name_is_minds_wildcards),
                names_test(test_wildcards_survive_a_restart),
                names_test(test_a_revoked_wildcard_is_free),
                names_test(test_https_and_tls_of_a_name_are_in_each_others_way),
                names_test(test_hellos_are_worth_a_look_while_a_name_may_have_tls),
                names_test(test_of_an_absent_client_what_was_tls_is_waited_for),
                names_test(test_what_was_tls_is_known_after_a_restart),
                names_test(test_who_asks_for_no_name_gets_one_of_the_pool),
                names_test(test_a_name_of_the_pool_stays_its_client_s_and_goes_back_after_the_grace_time),
                names_test(test_a_name_of_the_pool_that_somebody_asked_for_is_taken),
                names_test(test_of_the_pool_the_policy_takes_what_it_allows),
                names_test(test_reserved_and_banned_names_are_not_given_out),
                names_test(test_a_name_that_was_given_and_is_reserved_now_is_not_given_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
