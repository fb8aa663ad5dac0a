/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/registry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/parse.h"
#include "base/str.h"

#define GRACE_USEC (600 * USEC_PER_SEC)
#define PARK_USEC (10 * USEC_PER_SEC)
#define N_PORTS 3

#define ANN_ID "ann-0123456789abcdef"
#define BOB_ID "bob-0123456789abcdef"

static const ConfigList no_names = {};
static char *bad_words[] = { (char*) "bad" };
static const ConfigList bad_names = { .items = bad_words, .n = 1 };
static Registry *registry;
static uint64_t last_session;
static Address peer;

/* The first of N_PORTS ports that are free now. */
static uint16_t find_ports(const Address *loopback) {
        for (uint16_t low = 21000;; low += N_PORTS) {
                unsigned n = 0;

                assert_true(low < 31000);
                for (; n < N_PORTS; n++) {
                        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                        Address a = *loopback;

                        address_set_port(&a, (uint16_t) (low + n));
                        if (bind(fd, &a.sa, a.length) < 0)
                                break;
                }
                if (n == N_PORTS)
                        return low;
        }
}

static uint16_t tcp_low;

static RegistryOptions options; /* what the registry of the test has got */

static int set_up(void **state _unused_) {
        options = (RegistryOptions) {
                .rules = { .domain = "t.example", .reserved = &no_names, .banned = &bad_names, .http_port = 80,
                           .https_port = 443 },
                .grace_usec = GRACE_USEC,
                .park_usec = PARK_USEC,
                .max_clients = 2,
                .max_tunnels_per_client = 3,
        };

        if (address_parse("127.0.0.1:0", &options.tcp_address) < 0 || address_parse("192.0.2.1:1", &peer) < 0)
                return -1;
        tcp_low = options.rules.tcp_low = find_ports(&options.tcp_address);
        options.rules.tcp_high = (uint16_t) (tcp_low + N_PORTS - 1);
        return registry_new(&registry, &options);
}

static int tear_down(void **state _unused_) {
        registry = registry_free(registry);
        return 0;
}

typedef struct Login {
        char id[65];
        SessionName session, replaced; /* the first of those; id 0: none */
        unsigned n_replaced;
} Login;

/* Users live as long as the tests. */
static User *user_named(const char *name) {
        static User *users[8];
        static unsigned n;
        Policy policy = {};
        char *why = NULL;

        for (unsigned i = 0; i < n; i++)
                if (streq(users[i]->name, name))
                        return users[i];
        assert_true(n < ELEMENTSOF(users));
        assert_int_equal(policy_set(&policy, "hosts", "*", &why), 0);
        assert_int_equal(user_new(&users[n], name, &policy), 0);
        return users[n++];
}

/* Session NUMBER of a process, on WORKER. */
static Login join_user(const char *id, User *user, const char *instance, unsigned number, unsigned worker) {
        Login l = { .session = { .worker = worker, .id = ++last_session } };
        RegistryLogin login = { id, user, &peer, instance, number, l.session };
        SessionName replaced[MESSAGE_SESSIONS_MAX];
        _cleanup_free_ char *given = NULL;
        int n = registry_login(registry, &login, &given, replaced);

        assert_true(n >= 0);
        l.n_replaced = (unsigned) n;
        if (n > 0)
                l.replaced = replaced[0];
        strcpy(l.id, given);
        return l;
}

static Login join(const char *id, const char *user, const char *instance, unsigned number, unsigned worker) {
        return join_user(id, user_named(user), instance, number, worker);
}

static Login login(const char *id, const char *user) {
        return join(id, user, "", 0, 1);
}

static int try_join(const char *id, const char *user, const char *instance, unsigned number) {
        RegistryLogin login = { id, user_named(user), &peer, instance, number, { .id = ++last_session } };
        SessionName replaced[MESSAGE_SESSIONS_MAX];
        _cleanup_free_ char *given = NULL;

        return registry_login(registry, &login, &given, replaced);
}

static int try_login(const char *id, const char *user) {
        return try_join(id, user, "", 0);
}

static void logout(const Login *l, uint64_t now) {
        registry_logout(registry, l->id, l->session.id, now);
}

/* Returns the number of tunnels or the error; RET_URL, 64 bytes, is of the first. */
static int request(const Login *l, MessageReqTunnel m, char *ret_url) {
        TunnelGrant grants[TUNNEL_PROTOCOL_MAX];
        _cleanup_free_ char *why = NULL;
        int n = registry_add(registry, l->id, l->session, &m, grants, &why);

        for (int i = 0; i < n; i++) {
                if (i == 0 && ret_url)
                        snprintf(ret_url, 64, "%s", grants[i].tunnel->url);
                assert_true((grants[i].fd >= 0) == (grants[i].tunnel->protocol == TUNNEL_TCP));
                tunnel_unref(grants[i].tunnel);
                safe_close(grants[i].fd);
        }
        assert_true(n > 0 || n == -ESTALE || why);
        return n;
}

#define TEXT(s) ((char*) (s))
#define HTTP(name) ((MessageReqTunnel) { .protocol = TEXT("http"), .subdomain = TEXT(name) })
#define BOTH(name) ((MessageReqTunnel) { .protocol = TEXT("http+https"), .subdomain = TEXT(name) })
#define TCP(name, port) ((MessageReqTunnel) { .protocol = TEXT("tcp"), .subdomain = TEXT(name), .remote_port = (port) })

static RegistryAnswer find(TunnelProtocol p, const char *host) {
        SessionName session;
        Tunnel *t = NULL;
        RegistryAnswer answer = registry_find(registry, p, host, 0, &t, &session);

        assert_true((answer == REGISTRY_FOUND) == (t != NULL));
        tunnel_unref(t);
        return answer;
}

/* The session that is to serve the next visitor of a.t.example, who asks on WORKER; 0: none. */
static uint64_t picked(TunnelProtocol p, unsigned worker) {
        SessionName session = {};
        Tunnel *t = NULL;

        (void) registry_find(registry, p, "a.t.example", worker, &t, &session);
        tunnel_unref(t);
        return session.id;
}

static void test_usable_client_ids_are_kept_and_others_replaced(void **state _unused_) {
        Login ann = login(ANN_ID, "ann"), bob = login("short", "bob");

        assert_string_equal(ann.id, ANN_ID);
        assert_int_equal(ann.replaced.id, 0);
        assert_int_equal(strlen(bob.id), 32);
        assert_string_not_equal(bob.id, "short");
}

static void test_a_client_takes_its_own_session_over(void **state _unused_) {
        Login old = login(ANN_ID, "ann"), new;
        SessionName session;

        assert_int_equal(request(&old, HTTP("a"), NULL), 1);
        new = login(ANN_ID, "ann");
        assert_int_equal(new.replaced.id, old.session.id);
        assert_int_equal(find(TUNNEL_HTTP, "a.t.example"), REGISTRY_AWAY);
        assert_int_equal(request(&old, HTTP("b"), NULL), -ESTALE);
        assert_int_equal(request(&new, HTTP("a"), NULL), 1);
        logout(&old, clock_usec()); /* late: of no effect */
        assert_int_equal(find(TUNNEL_HTTP, "a.t.example"), REGISTRY_FOUND);
        assert_int_equal(registry_find_session(registry, ANN_ID, &session), 0);
        assert_int_equal(session.id, new.session.id);
}

static void test_a_client_id_is_one_user_s(void **state _unused_) {
        Login ann = login(ANN_ID, "ann");

        assert_int_equal(try_login(ANN_ID, "bob"), -EKEYREJECTED);
        logout(&ann, clock_usec());
        assert_int_equal(try_login(ANN_ID, "bob"), -EKEYREJECTED);
}

static void test_clients_are_limited(void **state _unused_) {
        Login ann;

        login(ANN_ID, "ann");
        login(BOB_ID, "bob");
        assert_int_equal(try_login("", "eve"), -ENOBUFS);
        ann = login(ANN_ID, "ann"); /* no further one */
        assert_int_equal(try_login("", "eve"), -ENOBUFS);
        logout(&ann, clock_usec());
        assert_true(registry_sweep(registry, clock_usec()));
        login("", "eve");
}

static void test_many_ids_of_one_user_keep_nobody_out(void **state _unused_) {
        Login ann = login(ANN_ID, "ann"), other;

        assert_int_equal(request(&ann, HTTP("a"), NULL), 1);
        logout(&ann, 1);
        for (uint64_t i = 2; i < 50; i++) {
                other = login("", "ann");
                logout(&other, i);
        }
        login(BOB_ID, "bob");
        assert_int_equal(find(TUNNEL_HTTP, "a.t.example"), REGISTRY_AWAY); /* the name is remembered */
        ann = login(ANN_ID, "ann");
        assert_int_equal(request(&ann, HTTP("a"), NULL), 1);
}

static void test_a_name_is_one_user_s_across_protocols(void **state _unused_) {
        Login ann = login(ANN_ID, "ann"), bob = login(BOB_ID, "bob");

        assert_int_equal(request(&ann, HTTP("a"), NULL), 1);
        assert_int_equal(request(&ann, HTTP("a"), NULL), -EEXIST);
        assert_int_equal(request(&bob, HTTP("a"), NULL), -EEXIST);
        assert_int_equal(request(&bob, (MessageReqTunnel) { .protocol = TEXT("https"), .subdomain = TEXT("a") }, NULL), -EEXIST);
        assert_int_equal(find(TUNNEL_HTTPS, "a.t.example"), REGISTRY_UNKNOWN);
        assert_int_equal(request(&ann, (MessageReqTunnel) { .protocol = TEXT("https"), .subdomain = TEXT("a") }, NULL), 1);
}

static void test_a_taken_name_is_told_by_its_url(void **state _unused_) {
        Login ann = login(ANN_ID, "ann"), bob = login(BOB_ID, "bob");
        MessageReqTunnel m = HTTP("a");
        TunnelGrant grants[TUNNEL_PROTOCOL_MAX];
        _cleanup_free_ char *why = NULL;

        assert_int_equal(request(&ann, HTTP("a"), NULL), 1);
        assert_int_equal(registry_add(registry, bob.id, bob.session, &m, grants, &why), -EEXIST);
        assert_string_equal(why, "The tunnel http://a.t.example is already registered.");
}

static void test_names_stay_reserved_for_the_grace_time(void **state _unused_) {
        Login ann = login(ANN_ID, "ann"), bob = login(BOB_ID, "bob");
        uint64_t now = clock_usec();

        assert_int_equal(request(&ann, BOTH("a"), NULL), 2);
        logout(&ann, now);
        assert_int_equal(find(TUNNEL_HTTP, "a.t.example"), REGISTRY_AWAY);
        assert_int_equal(request(&bob, HTTP("a"), NULL), -EEXIST);
        assert_true(registry_sweep(registry, now + GRACE_USEC - 1));
        assert_int_equal(find(TUNNEL_HTTPS, "a.t.example"), REGISTRY_AWAY);
        assert_false(registry_sweep(registry, now + GRACE_USEC));
        assert_int_equal(find(TUNNEL_HTTP, "a.t.example"), REGISTRY_UNKNOWN);
        assert_int_equal(request(&bob, HTTP("a"), NULL), 1);
}

static void test_new_options_judge_what_is_asked_for_from_now_on(void **state _unused_) {
        ConfigList reserved = { .items = (char *[]){ TEXT("c") }, .n = 1 };
        Login ann = login(ANN_ID, "ann");

        assert_int_equal(request(&ann, HTTP("a"), NULL), 1);
        options.max_tunnels_per_client = 2;
        options.rules.reserved = &reserved;
        options.rules.domain = "u.example";
        registry_set_options(registry, &options);
        assert_int_equal(request(&ann, HTTP("c"), NULL), -EKEYREJECTED);
        assert_int_equal(request(&ann, HTTP("b"), NULL), 1);
        assert_int_equal(request(&ann, HTTP("d"), NULL), -ENOBUFS);
        assert_int_equal(find(TUNNEL_HTTP, "a.t.example"), REGISTRY_FOUND);
        assert_int_equal(find(TUNNEL_HTTP, "b.u.example"), REGISTRY_FOUND);
}

static void test_a_new_rate_is_that_of_tunnels_that_are_there(void **state _unused_) {
        Login ann = login(ANN_ID, "ann");
        SessionName session;
        Tunnel *t = NULL;

        assert_int_equal(request(&ann, HTTP("a"), NULL), 1);
        assert_int_equal(registry_find(registry, TUNNEL_HTTP, "a.t.example", 0, &t, &session), REGISTRY_FOUND);
        assert_false(rate_is_set(&t->rate));
        options.rate_per_tunnel = 1000;
        registry_set_options(registry, &options);
        assert_true(rate_is_set(&t->rate));
        tunnel_unref(t);
}

static void test_ports_are_of_the_new_range(void **state _unused_) {
        MessageReqTunnel tcp = { .protocol = TEXT("tcp") };
        Login ann = login(ANN_ID, "ann");
        char url[64], expected[64];

        assert_int_equal(request(&ann, tcp, NULL), 1);
        options.rules.tcp_low = options.rules.tcp_high = (uint16_t) (tcp_low + N_PORTS - 1);
        registry_set_options(registry, &options);
        assert_int_equal(request(&ann, tcp, url), 1);
        snprintf(expected, sizeof(expected), "tcp://t.example:%u", tcp_low + N_PORTS - 1U);
        assert_string_equal(url, expected);
}

static void test_another_client_of_the_same_user_may_take_a_reserved_name(void **state _unused_) {
        Login first = login(ANN_ID, "ann"), second = login("", "ann");

        assert_int_equal(request(&first, HTTP("a"), NULL), 1);
        assert_int_equal(request(&second, HTTP("a"), NULL), -EEXIST);
        logout(&first, clock_usec());
        assert_int_equal(request(&second, HTTP("a"), NULL), 1);
}

static void test_without_authentication_a_reserved_name_is_one_client_s(void **state _unused_) {
        Login first = login(ANN_ID, ""), second = login(BOB_ID, "");

        assert_int_equal(request(&first, HTTP("a"), NULL), 1);
        logout(&first, clock_usec());
        assert_int_equal(request(&second, HTTP("a"), NULL), -EEXIST);
        first = login(ANN_ID, "");
        assert_int_equal(request(&first, HTTP("a"), NULL), 1);
}

static void test_random_names_come_back_in_order(void **state _unused_) {
        Login ann = login(ANN_ID, "ann");
        char first[64], second[64], again[64];

        assert_int_equal(request(&ann, BOTH(""), first), 2);
        assert_int_equal(request(&ann, HTTP(""), second), 1);
        assert_string_not_equal(first, second);
        ann = login(ANN_ID, "ann");
        assert_int_equal(request(&ann, BOTH(""), again), 2);
        assert_string_equal(again, first);
        assert_int_equal(request(&ann, HTTP(""), again), 1);
        assert_string_equal(again, second);
}

static void test_tunnels_of_a_client_are_limited_and_both_protocols_count_once(void **state _unused_) {
        Login ann = login(ANN_ID, "ann");

        assert_int_equal(request(&ann, BOTH("a"), NULL), 2);
        assert_int_equal(request(&ann, BOTH("b"), NULL), 2);
        assert_int_equal(request(&ann, HTTP("a"), NULL), -EEXIST); /* doesn't count */
        assert_int_equal(request(&ann, BOTH("c"), NULL), 2);
        assert_int_equal(request(&ann, HTTP("d"), NULL), -ENOBUFS);
        ann = login(ANN_ID, "ann");
        assert_int_equal(request(&ann, HTTP("d"), NULL), 1);
}

static void test_a_request_gets_all_or_nothing(void **state _unused_) {
        Login ann = login(ANN_ID, "ann"), bob = login(BOB_ID, "bob");
        MessageReqTunnel all = { .protocol = TEXT("http+https+tcp"), .subdomain = TEXT("b"), .remote_port = tcp_low };
        RegistryCounts counts;

        assert_int_equal(request(&ann, TCP("", tcp_low), NULL), 1);
        assert_int_equal(request(&bob, all, NULL), -EADDRINUSE);
        assert_int_equal(find(TUNNEL_HTTP, "b.t.example"), REGISTRY_UNKNOWN); /* not even reserved */
        registry_count(registry, &counts);
        assert_int_equal(counts.tunnels, 1);
        assert_int_equal(counts.clients, 2);
        all.remote_port = 0;
        assert_int_equal(request(&bob, all, NULL), 3);
}

static void test_ports_are_sticky_by_name(void **state _unused_) {
        Login ann = login(ANN_ID, "ann");
        char ssh[64], db[64], again[64];

        assert_int_equal(request(&ann, TCP("ssh", 0), ssh), 1);
        assert_int_equal(request(&ann, TCP("db", 0), db), 1);
        assert_string_not_equal(ssh, db);
        ann = login(ANN_ID, "ann");
        assert_int_equal(request(&ann, TCP("db", 0), again), 1);
        assert_string_equal(again, db);
        assert_int_equal(request(&ann, TCP("ssh", 0), again), 1);
        assert_string_equal(again, ssh);
}

static void test_ports_stay_reserved_and_run_out(void **state _unused_) {
        Login ann = login(ANN_ID, "ann"), bob = login(BOB_ID, "bob");
        uint64_t now = clock_usec();

        for (unsigned i = 0; i < N_PORTS; i++)
                assert_int_equal(request(&ann, TCP("", 0), NULL), 1);
        assert_int_equal(request(&bob, TCP("", 0), NULL), -EADDRINUSE);
        logout(&ann, now);
        assert_int_equal(request(&bob, TCP("", tcp_low), NULL), -EADDRINUSE);
        assert_false(registry_sweep(registry, now + GRACE_USEC));
        assert_int_equal(request(&bob, TCP("", tcp_low), NULL), 1);
}

static void test_visitors_are_spread_over_the_sessions_of_a_client(void **state _unused_) {
        Login s0 = join(ANN_ID, "ann", "life", 0, 0), s1 = join(ANN_ID, "ann", "life", 1, 1), s2;
        uint64_t first, second;

        assert_int_equal(request(&s0, HTTP("a"), NULL), 1);
        for (int i = 0; i < 4; i++) {
                assert_int_equal(picked(TUNNEL_HTTP, 0), s0.session.id);
                assert_int_equal(picked(TUNNEL_HTTP, 1), s1.session.id);
        }
        first = picked(TUNNEL_HTTP, 7); /* none is there: in turn */
        second = picked(TUNNEL_HTTP, 7);
        assert_int_not_equal(first, second);
        assert_int_equal(picked(TUNNEL_HTTP, 7), first);

        s2 = join(ANN_ID, "ann", "life", 2, 1);
        first = picked(TUNNEL_HTTP, 1);
        second = picked(TUNNEL_HTTP, 1);
        assert_int_equal(MIN(first, second), s1.session.id);
        assert_int_equal(MAX(first, second), s2.session.id);
}

static void test_visitors_of_a_port_are_spread_too(void **state _unused_) {
        Login s0 = join(ANN_ID, "ann", "life", 0, 0), s1 = join(ANN_ID, "ann", "life", 1, 0);
        unsigned n[2] = {};

        assert_int_equal(request(&s0, TCP("", tcp_low), NULL), 1);
        for (int i = 0; i < 10; i++) {
                SessionName session = {};
                Tunnel *t = NULL;

                assert_int_equal(registry_find_port(registry, tcp_low, &t, &session), REGISTRY_FOUND);
                tunnel_unref(t);
                n[session.id == s1.session.id]++;
        }
        assert_int_equal(n[0], 5);
        assert_int_equal(n[1], 5);
}

static void test_tunnels_are_session_0_s(void **state _unused_) {
        Login s0 = join(ANN_ID, "ann", "life", 0, 0), s1 = join(ANN_ID, "ann", "life", 1, 1);

        assert_int_equal(request(&s1, HTTP("a"), NULL), -ESTALE);
        assert_int_equal(request(&s0, HTTP("a"), NULL), 1);
        logout(&s1, clock_usec());
        assert_int_equal(find(TUNNEL_HTTP, "a.t.example"), REGISTRY_FOUND);
        assert_int_equal(picked(TUNNEL_HTTP, 1), s0.session.id);
        s1 = join(ANN_ID, "ann", "life", 1, 1);
        logout(&s0, clock_usec());
        assert_int_equal(find(TUNNEL_HTTP, "a.t.example"), REGISTRY_AWAY);
}

static void test_a_session_replaces_the_one_of_its_number(void **state _unused_) {
        Login s0 = join(ANN_ID, "ann", "life", 0, 0), s1 = join(ANN_ID, "ann", "life", 1, 1), again;

        assert_int_equal(request(&s0, HTTP("a"), NULL), 1);
        again = join(ANN_ID, "ann", "life", 1, 1);
        assert_int_equal(again.n_replaced, 1);
        assert_int_equal(again.replaced.id, s1.session.id);
        assert_int_equal(picked(TUNNEL_HTTP, 1), again.session.id);
        logout(&s1, clock_usec()); /* late: of no effect */
        assert_int_equal(picked(TUNNEL_HTTP, 1), again.session.id);
}

static void test_other_sessions_outlive_the_reconnect_of_session_0(void **state _unused_) {
        Login s0 = join(ANN_ID, "ann", "life", 0, 0), s1 = join(ANN_ID, "ann", "life", 1, 1), again;

        assert_int_equal(request(&s0, HTTP("a"), NULL), 1);
        again = join(ANN_ID, "ann", "life", 0, 0);
        assert_int_equal(again.n_replaced, 1);
        assert_int_equal(again.replaced.id, s0.session.id);
        assert_int_equal(request(&again, HTTP("a"), NULL), 1);
        assert_int_equal(picked(TUNNEL_HTTP, 1), s1.session.id);
}

static void test_another_process_replaces_all_sessions(void **state _unused_) {
        Login s0 = join(ANN_ID, "ann", "life", 0, 0), again;

        join(ANN_ID, "ann", "life", 1, 1);
        join(ANN_ID, "ann", "life", 2, 1);
        assert_int_equal(request(&s0, HTTP("a"), NULL), 1);
        again = join(ANN_ID, "ann", "next", 0, 0);
        assert_int_equal(again.n_replaced, 3);
        assert_int_equal(request(&again, HTTP("a"), NULL), 1);
        assert_int_equal(picked(TUNNEL_HTTP, 1), again.session.id);
        assert_int_equal(try_join(ANN_ID, "ann", "life", 1), -ENOENT);
        assert_int_equal(join(ANN_ID, "ann", "", 0, 0).n_replaced, 1); /* one that doesn't say */
        assert_int_equal(try_join(ANN_ID, "ann", "", 1), -ENOENT);
}

static void test_session_0_is_the_first(void **state _unused_) {
        assert_int_equal(try_join(ANN_ID, "ann", "life", 1), -ENOENT);
        join(ANN_ID, "ann", "life", 0, 0);
        assert_int_equal(try_join(ANN_ID, "bob", "life", 1), -EKEYREJECTED);
        join(ANN_ID, "ann", "life", MESSAGE_SESSIONS_MAX - 1, 0);
}

static void test_a_client_is_there_while_any_of_its_sessions_is(void **state _unused_) {
        Login s0 = join(ANN_ID, "ann", "life", 0, 0), s1 = join(ANN_ID, "ann", "life", 1, 1);
        uint64_t now = clock_usec();
        RegistryCounts counts;

        logout(&s0, now);
        registry_count(registry, &counts);
        assert_int_equal(counts.clients, 1);
        assert_false(registry_sweep(registry, now + 2 * GRACE_USEC));
        assert_int_equal(try_join(ANN_ID, "bob", "", 0), -EKEYREJECTED);
        logout(&s1, now);
        registry_count(registry, &counts);
        assert_int_equal(counts.clients, 0);
        assert_false(registry_sweep(registry, now + 2 * GRACE_USEC));
        assert_int_equal(try_join(ANN_ID, "bob", "", 0), 0);
}

static void test_two_clients_share_a_name_by_protocol_and_each_gets_its_visitors(void **state _unused_) {
        Login first = login(ANN_ID, "ann"), second = login("", "ann");

        assert_int_equal(request(&first, HTTP("a"), NULL), 1);
        assert_int_equal(request(&second, (MessageReqTunnel) { .protocol = TEXT("https"), .subdomain = TEXT("a") }, NULL), 1);
        assert_int_equal(picked(TUNNEL_HTTP, 1), first.session.id);
        assert_int_equal(picked(TUNNEL_HTTPS, 1), second.session.id);
}

static void test_sessions_are_counted_where_they_are(void **state _unused_) {
        join(ANN_ID, "ann", "life", 0, 0);
        join(ANN_ID, "ann", "life", 1, 1);
        join(ANN_ID, "ann", "life", 2, 1);
        assert_int_equal(registry_count_on(registry, ANN_ID, 1, 3), 2);
        assert_int_equal(registry_count_on(registry, ANN_ID, 1, 2), 1); /* a new one takes its place */
        assert_int_equal(registry_count_on(registry, ANN_ID, 0, 2), 1);
        assert_int_equal(registry_count_on(registry, BOB_ID, 0, 0), 0);
}

/* A user of that name with one more key; to be unreferenced. */
static User *user_with(const char *name, const char *key, const char *value) {
        Policy policy = {};
        char *why = NULL;
        User *u;

        assert_int_equal(policy_set(&policy, key, value, &why), 0);
        assert_int_equal(user_new(&u, name, &policy), 0);
        return u;
}

static Login login_user(const char *id, User *user) {
        return join_user(id, user, "", 0, 1);
}

static void test_random_names_follow_the_policy(void **state _unused_) {
        _cleanup_(user_unrefp) User *open = user_with("ann", "subdomains", "x,b-*"),
                                    *exact = user_with("bob", "subdomains", "one,two");
        Login ann = login_user(ANN_ID, open), bob = login_user(BOB_ID, exact);
        char url[64];

        assert_int_equal(request(&ann, HTTP(""), url), 1);
        assert_int_equal(strncmp(url, "http://b-", 9), 0);
        assert_int_equal(request(&bob, HTTP(""), url), 1);
        assert_string_equal(url, "http://one.t.example");
        assert_int_equal(request(&bob, HTTP(""), url), 1);
        assert_string_equal(url, "http://two.t.example");
        assert_int_equal(request(&bob, HTTP(""), url), -EEXIST);
        bob = login_user(BOB_ID, exact);
        assert_int_equal(request(&bob, HTTP(""), url), 1);
        assert_string_equal(url, "http://one.t.example");
}

static void test_random_names_have_no_banned_word(void **state _unused_) {
        _cleanup_(user_unrefp) User *bad = user_with("ann", "subdomains", "bad-*"),
                                    *both = user_with("bob", "subdomains", "bad-*,bad,b-*");
        Login ann = login_user(ANN_ID, bad), bob = login_user(BOB_ID, both);
        char url[64];

        assert_int_equal(request(&ann, HTTP(""), url), -EEXIST);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(request(&bob, HTTP(""), url), 1);
                assert_int_equal(strncmp(url, "http://b-", 9), 0);
        }
}

static void test_what_was_sticky_must_be_allowed_still(void **state _unused_) {
        _cleanup_(user_unrefp) User *narrow = user_with("ann", "subdomains", "b-*"), *ports = NULL;
        Login ann = login(ANN_ID, "ann");
        char url[64], range[8];

        assert_int_equal(request(&ann, HTTP(""), url), 1);
        assert_int_equal(request(&ann, TCP("", 0), url), 1);
        ann = login_user(ANN_ID, narrow);
        assert_int_equal(request(&ann, HTTP(""), url), 1);
        assert_int_equal(strncmp(url, "http://b-", 9), 0);
        snprintf(range, sizeof(range), "%u", tcp_low + 2U);
        ports = user_with("ann", "tcp_ports", range);
        ann = login_user(ANN_ID, ports);
        assert_int_equal(request(&ann, TCP("", 0), url), 1);
        assert_string_equal(strrchr(url, ':') + 1, range);
}

static void test_tunnels_of_a_user_are_limited_over_all_its_clients(void **state _unused_) {
        _cleanup_(user_unrefp) User *user = user_with("ann", "max_tunnels", "2");
        Login first = login_user(ANN_ID, user), second = login_user(BOB_ID, user);

        assert_int_equal(request(&first, BOTH("a"), NULL), 2);
        assert_int_equal(request(&second, BOTH("b"), NULL), 2);
        assert_int_equal(request(&second, HTTP("c"), NULL), -ENOBUFS);
        logout(&first, clock_usec());
        assert_int_equal(request(&second, HTTP("c"), NULL), 1);
        second = login_user(BOB_ID, user);
        assert_int_equal(user->n_tunnels, 0);
}

static void test_revoking_frees_what_a_user_had_and_nothing_else(void **state _unused_) {
        Login ann = login(ANN_ID, "ann"), bob = login(BOB_ID, "bob");
        RegistryCounts counts;

        assert_int_equal(request(&ann, HTTP("a"), NULL), 1);
        assert_int_equal(request(&ann, TCP("", tcp_low), NULL), 1);
        assert_int_equal(request(&bob, HTTP("b"), NULL), 1);
        registry_revoke(registry, "ann", NULL, clock_usec());
        assert_int_equal(find(TUNNEL_HTTP, "a.t.example"), REGISTRY_UNKNOWN);
        assert_int_equal(find(TUNNEL_HTTP, "b.t.example"), REGISTRY_FOUND);
        assert_int_equal(request(&ann, HTTP("c"), NULL), -ESTALE);
        logout(&ann, clock_usec()); /* late: of no effect */
        registry_count(registry, &counts);
        assert_int_equal(counts.clients, 1);
        assert_int_equal(counts.tunnels, 1);
        assert_int_equal(request(&bob, HTTP("a"), NULL), 1);
        assert_int_equal(request(&bob, TCP("", tcp_low), NULL), 1);
}

static void test_with_a_successor_what_it_may_have_stays_reserved(void **state _unused_) {
        _cleanup_(user_unrefp) User *successor = user_with("ann", "subdomains", "a");
        Login ann = login(ANN_ID, "ann"), bob = login(BOB_ID, "bob");

        assert_int_equal(request(&ann, HTTP("a"), NULL), 1);
        assert_int_equal(request(&ann, HTTP("b"), NULL), 1);
        registry_revoke(registry, "ann", successor, clock_usec());
        assert_int_equal(find(TUNNEL_HTTP, "a.t.example"), REGISTRY_AWAY);
        assert_int_equal(find(TUNNEL_HTTP, "b.t.example"), REGISTRY_UNKNOWN);
        assert_int_equal(request(&bob, HTTP("a"), NULL), -EEXIST);
        assert_int_equal(request(&bob, HTTP("b"), NULL), 1);
        ann = login_user(ANN_ID, successor);
        assert_int_equal(request(&ann, HTTP("a"), NULL), 1);
}

static void test_a_successor_that_may_not_come_from_there_keeps_nothing(void **state _unused_) {
        _cleanup_(user_unrefp) User *successor = user_with("ann", "from", "198.51.100.0/24");
        Login ann = login(ANN_ID, "ann");

        assert_int_equal(request(&ann, HTTP("a"), NULL), 1);
        registry_revoke(registry, "ann", successor, clock_usec());
        assert_int_equal(find(TUNNEL_HTTP, "a.t.example"), REGISTRY_UNKNOWN);
}

static void test_whose_time_is_over_is_found_also_while_away(void **state _unused_) {
        _cleanup_(user_unrefp) User *user = user_with("ann", "expires", "2999-12-31"), *found = NULL;
        Login ann = login_user(ANN_ID, user);

        login(BOB_ID, "bob");
        assert_null(registry_find_expired(registry, user->policy.expires_sec - 1));
        found = registry_find_expired(registry, user->policy.expires_sec);
        assert_ptr_equal(found, user);
        logout(&ann, clock_usec());
        user_unref(found);
        found = registry_find_expired(registry, user->policy.expires_sec);
        assert_ptr_equal(found, user);
        registry_revoke(registry, "ann", NULL, clock_usec());
        assert_null(registry_find_expired(registry, user->policy.expires_sec));
}

#define registry_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                registry_test(test_usable_client_ids_are_kept_and_others_replaced),
                registry_test(test_a_client_takes_its_own_session_over),
                registry_test(test_a_client_id_is_one_user_s),
                registry_test(test_clients_are_limited),
                registry_test(test_many_ids_of_one_user_keep_nobody_out),
                registry_test(test_a_name_is_one_user_s_across_protocols),
                registry_test(test_a_taken_name_is_told_by_its_url),
                registry_test(test_names_stay_reserved_for_the_grace_time),
                registry_test(test_new_options_judge_what_is_asked_for_from_now_on),
                registry_test(test_a_new_rate_is_that_of_tunnels_that_are_there),
                registry_test(test_ports_are_of_the_new_range),
                registry_test(test_another_client_of_the_same_user_may_take_a_reserved_name),
                registry_test(test_without_authentication_a_reserved_name_is_one_client_s),
                registry_test(test_random_names_come_back_in_order),
                registry_test(test_tunnels_of_a_client_are_limited_and_both_protocols_count_once),
                registry_test(test_a_request_gets_all_or_nothing),
                registry_test(test_ports_are_sticky_by_name),
                registry_test(test_ports_stay_reserved_and_run_out),
                registry_test(test_visitors_are_spread_over_the_sessions_of_a_client),
                registry_test(test_visitors_of_a_port_are_spread_too),
                registry_test(test_tunnels_are_session_0_s),
                registry_test(test_a_session_replaces_the_one_of_its_number),
                registry_test(test_other_sessions_outlive_the_reconnect_of_session_0),
                registry_test(test_another_process_replaces_all_sessions),
                registry_test(test_session_0_is_the_first),
                registry_test(test_a_client_is_there_while_any_of_its_sessions_is),
                registry_test(test_two_clients_share_a_name_by_protocol_and_each_gets_its_visitors),
                registry_test(test_sessions_are_counted_where_they_are),
                registry_test(test_random_names_follow_the_policy),
                registry_test(test_random_names_have_no_banned_word),
                registry_test(test_what_was_sticky_must_be_allowed_still),
                registry_test(test_tunnels_of_a_user_are_limited_over_all_its_clients),
                registry_test(test_revoking_frees_what_a_user_had_and_nothing_else),
                registry_test(test_with_a_successor_what_it_may_have_stays_reserved),
                registry_test(test_a_successor_that_may_not_come_from_there_keeps_nothing),
                registry_test(test_whose_time_is_over_is_found_also_while_away),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
