/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/parse.h"
#include "base/str.h"
#include "server/registry.h"

#define GRACE_USEC (600 * USEC_PER_SEC)
#define ANN_ID "ann-0123456789abcdef"
#define BOB_ID "bob-0123456789abcdef"

static const ConfigList no_names = {};
static Registry *registry;
static User *ann, *bob;
static uint64_t last_session;

static User *user_with_hosts(const char *name, const char *hosts) {
        Policy policy = {};
        char *why = NULL;
        User *u = NULL;

        assert_int_equal(policy_set(&policy, "hosts", hosts, &why), 0);
        assert_int_equal(policy_set(&policy, "koding", "tls", &why), 0);
        assert_int_equal(user_new(&u, name, &policy), 0);
        return u;
}

static int set_up(void **state _unused_) {
        RegistryOptions options = {
                .rules = { .domain = "t.example", .reserved = &no_names, .banned = &no_names, .http_port = 80, .https_port = 443 },
                .grace_usec = GRACE_USEC,
                .max_clients = 9,
                .max_tunnels_per_client = 3,
        };

        ann = user_with_hosts("ann", "a.example.org,b.example.org:8080,*.c.example.org");
        bob = user_with_hosts("bob", "a.example.org,d.example.org");
        return registry_new(&registry, &options);
}

static int tear_down(void **state _unused_) {
        registry = registry_free(registry);
        ann = user_unref(ann);
        bob = user_unref(bob);
        return 0;
}

static SessionName log_in(const char *client_id, User *user) {
        SessionName session = { .id = ++last_session }, replaced[MESSAGE_SESSIONS_MAX];
        Address peer = {};
        RegistryLogin login = { client_id, user, &peer, "", 0, session };
        char *id = NULL;

        assert_true(registry_login(registry, &login, &id, replaced) >= 0);
        assert_string_equal(id, client_id);
        free(id);
        return session;
}

/* Logs in and attends. Returns how many hosts are another user's. */
static size_t come(const char *client_id, User *user, SessionName *ret) {
        ConfigList taken = {};
        size_t n;

        *ret = log_in(client_id, user);
        assert_int_equal(registry_attend(registry, client_id, *ret, &taken), 0);
        n = taken.n;
        config_list_done(&taken);
        return n;
}

static void leave(const char *client_id, SessionName session) {
        registry_logout(registry, client_id, session.id, 1);
}

static void assert_leads_to(const char *host, SessionName session) {
        for (int p = TUNNEL_HTTP; p <= TUNNEL_HTTPS; p++) {
                SessionName found;
                Tunnel *t = NULL;

                assert_int_equal(registry_find(registry, (TunnelProtocol) p, host, 0, &t, &found),
                                 REGISTRY_FOUND);
                assert_int_equal(found.id, session.id);
                assert_true(t->no_parking);
                tunnel_unref(t);
        }
}

static RegistryAnswer look_for(const char *host) {
        SessionName session;
        Tunnel *t = NULL;
        RegistryAnswer answer = registry_find(registry, TUNNEL_HTTP, host, 0, &t, &session);

        tunnel_unref(t);
        return answer;
}

static unsigned count_tunnels(void) {
        RegistryCounts counts;

        registry_count(registry, &counts);
        return counts.tunnels;
}

static void test_hosts_of_the_policy_lead_to_the_client_that_attends(void **state _unused_) {
        SessionName s = log_in(ANN_ID, ann);

        assert_int_equal(look_for("a.example.org"), REGISTRY_UNKNOWN);
        assert_int_equal(come(ANN_ID, ann, &s), 0);
        assert_leads_to("a.example.org", s);
        assert_leads_to("b.example.org:8080", s);
        assert_int_equal(look_for("b.example.org"), REGISTRY_UNKNOWN);
        assert_int_equal(look_for("c.example.org"), REGISTRY_UNKNOWN);
        assert_int_equal(count_tunnels(), 4);
}

static void test_a_host_stays_its_user_s_without_a_client(void **state _unused_) {
        SessionName s;

        come(ANN_ID, ann, &s);
        leave(ANN_ID, s);
        assert_int_equal(look_for("a.example.org"), REGISTRY_ABSENT);
        registry_sweep(registry, 2 * GRACE_USEC);
        assert_int_equal(look_for("a.example.org"), REGISTRY_ABSENT);
        assert_int_equal(count_tunnels(), 0);
        assert_int_equal(come(BOB_ID, bob, &s), 1);
        assert_int_equal(look_for("a.example.org"), REGISTRY_ABSENT);
        assert_leads_to("d.example.org", s);
}

static void test_a_new_session_takes_the_hosts_over_once_it_attends(void **state _unused_) {
        SessionName old, new;

        come(ANN_ID, ann, &old);
        new = log_in(ANN_ID, ann);
        assert_int_equal(look_for("a.example.org"), REGISTRY_ABSENT);
        assert_int_equal(registry_attend(registry, ANN_ID, old, NULL), -ESTALE);
        come(ANN_ID, ann, &new);
        leave(ANN_ID, old);
        assert_leads_to("a.example.org", new);
}

static void test_an_added_host_leads_to_the_client_at_once(void **state _unused_) {
        SessionName s;

        assert_int_equal(registry_host_add(registry, "E.example.org", "ann"), 0);
        assert_int_equal(look_for("e.example.org"), REGISTRY_ABSENT);
        come(ANN_ID, ann, &s);
        assert_leads_to("e.example.org", s);
        assert_int_equal(registry_host_add(registry, "f.example.org:81", "ann"), 0);
        assert_leads_to("f.example.org:81", s);
        assert_int_equal(registry_host_add(registry, "f.example.org:81", "ann"), 0);
        assert_int_equal(registry_host_add(registry, "g.example.org", "bob"), 0);
        assert_int_equal(look_for("g.example.org"), REGISTRY_ABSENT);
}

static void test_a_removed_host_is_nobody_s_at_once(void **state _unused_) {
        SessionName s;

        come(ANN_ID, ann, &s);
        assert_int_equal(registry_host_add(registry, "e.example.org", "ann"), 0);
        assert_int_equal(count_tunnels(), 6);
        assert_int_equal(registry_host_remove(registry, "e.example.org", "bob"), -ENOENT);
        assert_int_equal(registry_host_remove(registry, "e.example.org", "ann"), 0);
        assert_int_equal(look_for("e.example.org"), REGISTRY_UNKNOWN);
        assert_int_equal(count_tunnels(), 4);
        assert_int_equal(registry_host_remove(registry, "e.example.org", "ann"), -ENOENT);
        assert_int_equal(registry_host_add(registry, "e.example.org", "bob"), 0);
        leave(ANN_ID, s);
}

static void test_a_host_of_the_policy_is_not_removed(void **state _unused_) {
        SessionName s;

        come(ANN_ID, ann, &s);
        assert_int_equal(registry_host_remove(registry, "a.example.org", "ann"), -ENOENT);
        assert_int_equal(registry_host_add(registry, "a.example.org", "ann"), 0);
        assert_int_equal(registry_host_remove(registry, "a.example.org", "ann"), 0);
        assert_leads_to("a.example.org", s);
}

static void test_what_the_policy_says_no_more_is_let_go(void **state _unused_) {
        SessionName s;

        come(ANN_ID, ann, &s);
        assert_int_equal(registry_host_add(registry, "e.example.org", "ann"), 0);
        user_unref(ann);
        ann = user_with_hosts("ann", "b.example.org:8080");
        come(ANN_ID, ann, &s);
        assert_int_equal(look_for("a.example.org"), REGISTRY_UNKNOWN);
        assert_leads_to("b.example.org:8080", s);
        assert_leads_to("e.example.org", s);
}

static void test_hosts_of_a_policy_are_kept_before_anybody_comes(void **state _unused_) {
        ConfigList taken = {};
        SessionName s;

        assert_int_equal(registry_keep_hosts(registry, ann, &taken), 0);
        assert_int_equal(registry_keep_hosts(registry, bob, &taken), 0);
        assert_int_equal(taken.n, 1);
        assert_string_equal(taken.items[0], "a.example.org");
        config_list_done(&taken);
        assert_int_equal(look_for("a.example.org"), REGISTRY_ABSENT);
        assert_int_equal(look_for("d.example.org"), REGISTRY_ABSENT);
        come(ANN_ID, ann, &s);
        assert_leads_to("a.example.org", s);
}

static void test_revoking_takes_all_hosts_unless_there_is_a_successor(void **state _unused_) {
        ConfigList taken = {};

        assert_int_equal(registry_keep_hosts(registry, ann, &taken), 0);
        assert_int_equal(registry_host_add(registry, "e.example.org", "ann"), 0);
        registry_revoke(registry, "ann", ann, 1);
        assert_int_equal(look_for("a.example.org"), REGISTRY_ABSENT);
        assert_int_equal(look_for("e.example.org"), REGISTRY_ABSENT);
        registry_revoke(registry, "ann", NULL, 1);
        assert_int_equal(look_for("a.example.org"), REGISTRY_UNKNOWN);
        assert_int_equal(look_for("e.example.org"), REGISTRY_UNKNOWN);
}

static void test_what_is_no_host_or_another_s_is_refused(void **state _unused_) {
        static const char *const names[] = {
                "", "a b", "-", "127.0.0.1", "[::1]", "a.example.org:x", "a:1:2"
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_int_equal(registry_host_add(registry, names[i], "ann"), -EINVAL);
        assert_int_equal(registry_host_add(registry, "e.example.org", "ann"), 0);
        assert_int_equal(registry_host_add(registry, "e.example.org", "bob"), -EEXIST);
}

/* Asks for the name as other clients do. */
static int ask_for(const char *client_id, SessionName session, const char *hostname) {
        MessageReqTunnel m = { .protocol = (char *) "http", .hostname = (char *) hostname };
        TunnelGrant grants[TUNNEL_PROTOCOL_MAX];
        _cleanup_free_ char *why = NULL;
        int r = registry_add(registry, client_id, session, &m, grants, &why);

        for (int i = 0; i < r; i++)
                tunnel_unref(grants[i].tunnel);
        return r;
}

static void test_nobody_else_gets_a_host_by_asking(void **state _unused_) {
        SessionName s = log_in(BOB_ID, bob);

        assert_int_equal(registry_host_add(registry, "e.t.example", "ann"), 0);
        assert_int_equal(ask_for(BOB_ID, s, "e.t.example"), -EEXIST);
        assert_int_equal(ask_for(BOB_ID, s, "f.t.example"), 1);
        assert_int_equal(registry_host_add(registry, "f.t.example", "ann"), -EEXIST);
}

static void test_another_client_of_the_user_keeps_the_name_it_asked_for(void **state _unused_) {
        SessionName asked = log_in("another-0123456789abcdef", ann), s, found;
        Tunnel *t = NULL;

        assert_int_equal(registry_host_add(registry, "e.t.example", "ann"), 0);
        assert_int_equal(ask_for("another-0123456789abcdef", asked, "e.t.example"), 1);
        come(ANN_ID, ann, &s);
        assert_int_equal(registry_host_remove(registry, "e.t.example", "ann"), 0);
        assert_int_equal(registry_find(registry, TUNNEL_HTTP, "e.t.example", 0, &t, &found), REGISTRY_FOUND);
        assert_int_equal(found.id, asked.id);
        tunnel_unref(t);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                test(test_hosts_of_the_policy_lead_to_the_client_that_attends),
                test(test_a_host_stays_its_user_s_without_a_client),
                test(test_a_new_session_takes_the_hosts_over_once_it_attends),
                test(test_an_added_host_leads_to_the_client_at_once),
                test(test_a_removed_host_is_nobody_s_at_once),
                test(test_a_host_of_the_policy_is_not_removed),
                test(test_what_the_policy_says_no_more_is_let_go),
                test(test_hosts_of_a_policy_are_kept_before_anybody_comes),
                test(test_revoking_takes_all_hosts_unless_there_is_a_successor),
                test(test_what_is_no_host_or_another_s_is_refused),
                test(test_nobody_else_gets_a_host_by_asking),
                test(test_another_client_of_the_user_keeps_the_name_it_asked_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
