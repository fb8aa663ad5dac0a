/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/registry-state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/parse.h"
#include "base/str.h"
#include "net/listener.h"

#define ANN_ID "ann-0123456789abcdef"
#define BOB_ID "bob-0123456789abcdef"
#define NOW (1000 * USEC_PER_SEC)
#define GRACE (600 * USEC_PER_SEC)

static const ConfigList no_names;
static const Address peer;
static Registry *registry;
static User *ann, *bob;
static uint16_t port;
static uint64_t last_session;

static void make_registry(void) {
        RegistryOptions options = {
                .rules = { .domain = "t.example", .reserved = &no_names, .banned = &no_names, .http_port = 80, .tcp_low = port, .tcp_high = port },
                .grace_usec = GRACE,
                .max_clients = 9,
                .max_tunnels_per_client = 9,
        };

        assert_int_equal(address_parse("127.0.0.1:0", &options.tcp_address), 0);
        assert_int_equal(registry_new(&registry, &options), 0);
}

/* One that is free now. */
static uint16_t free_port(void) {
        _cleanup_close_ int fd = -1;
        Address a;

        assert_int_equal(address_parse("127.0.0.1:0", &a), 0);
        fd = listener_bind(&a);
        assert_true(fd >= 0);
        assert_int_equal(address_of_socket(fd, &a), 0);
        return address_port(&a);
}

static int set_up(void **state _unused_) {
        port = free_port();
        make_registry();
        return user_new(&ann, "ann", NULL) < 0 || user_new(&bob, "bob", NULL) < 0 ? -1 : 0;
}

static int tear_down(void **state _unused_) {
        registry = registry_free(registry);
        ann = user_unref(ann);
        bob = user_unref(bob);
        return 0;
}

static SessionName log_in(const char *id, User *user) {
        SessionName session = { .id = ++last_session }, replaced[MESSAGE_SESSIONS_MAX];
        RegistryLogin login = { id, user, &peer, "", 0, session };
        _cleanup_free_ char *given = NULL;

        assert_true(registry_login(registry, &login, &given, replaced) >= 0);
        assert_string_equal(given, id);
        return session;
}

/* Returns the URL, or NULL; of static storage. */
static const char *ask(const char *id, SessionName session, const char *protocol, const char *name) {
        static char url[128];
        MessageReqTunnel m = { .protocol = (char*) protocol, .subdomain = (char*) name };
        TunnelGrant grants[TUNNEL_PROTOCOL_MAX];
        _cleanup_free_ char *why = NULL;
        int n = registry_add(registry, id, session, &m, grants, &why);

        if (n < 0)
                return NULL;
        snprintf(url, sizeof(url), "%s", grants[0].tunnel->url);
        for (int i = 0; i < n; i++) {
                tunnel_unref(grants[i].tunnel);
                safe_close(grants[i].fd);
        }
        return url;
}

static void restart_with(RegistrySocketFn socket_of, void *userdata) {
        size_t n;
        _cleanup_free_ char *text = registry_save(registry, &n);

        assert_non_null(text);
        registry = registry_free(registry);
        make_registry();
        assert_int_equal(registry_restore(registry, text, n, socket_of, userdata, NOW), 0);
}

static void restart(void) {
        restart_with(NULL, NULL);
}

static RegistryAnswer look_for(const char *host) {
        SessionName session;
        Tunnel *t = NULL;
        RegistryAnswer answer = registry_find(registry, TUNNEL_HTTP, host, 0, &t, &session);

        tunnel_unref(t);
        return answer;
}

static void test_a_name_stays_its_user_s(void **state _unused_) {
        assert_non_null(ask(ANN_ID, log_in(ANN_ID, ann), "http", "shop"));
        restart();
        assert_int_equal(look_for("shop.t.example"), REGISTRY_AWAY);
        assert_null(ask(BOB_ID, log_in(BOB_ID, bob), "http", "shop"));
        assert_string_equal(ask(ANN_ID, log_in(ANN_ID, ann), "http", "shop"), "http://shop.t.example");
}

static void test_what_was_given_at_random_comes_again(void **state _unused_) {
        SessionName s = log_in(ANN_ID, ann);
        char first[128], second[128];

        strcpy(first, ask(ANN_ID, s, "http", ""));
        strcpy(second, ask(ANN_ID, s, "http", ""));
        restart();
        s = log_in(ANN_ID, ann);
        assert_string_equal(ask(ANN_ID, s, "http", ""), first);
        assert_string_equal(ask(ANN_ID, s, "http", ""), second);
}

static void test_a_client_id_stays_its_user_s(void **state _unused_) {
        SessionName session = { .id = 99 }, replaced[MESSAGE_SESSIONS_MAX];
        RegistryLogin login = { ANN_ID, bob, &peer, "", 0, session };
        _cleanup_free_ char *given = NULL;

        log_in(ANN_ID, ann);
        restart();
        assert_int_equal(registry_login(registry, &login, &given, replaced), -EKEYREJECTED);
}

static void test_a_port_listens_again_before_its_client_is_there(void **state _unused_) {
        _cleanup_close_ int visitor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        Address a;

        assert_non_null(ask(ANN_ID, log_in(ANN_ID, ann), "tcp", "ssh"));
        restart();
        assert_int_equal(address_parse("127.0.0.1:0", &a), 0);
        address_set_port(&a, port);
        assert_int_equal(connect(visitor, &a.sa, a.length), 0);
        assert_null(ask(BOB_ID, log_in(BOB_ID, bob), "tcp", "ssh"));
        assert_non_null(ask(ANN_ID, log_in(ANN_ID, ann), "tcp", "ssh"));
}

static int take_socket(uint16_t of, void *userdata) {
        int *fd = userdata;

        assert_int_equal(of, port);
        return TAKE_FD(*fd);
}

static void test_a_socket_that_was_kept_goes_on_with_who_waits_in_it(void **state _unused_) {
        _cleanup_close_ int visitor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        TunnelGrant grants[TUNNEL_PROTOCOL_MAX];
        MessageReqTunnel m = { .protocol = (char*) "tcp" };
        _cleanup_free_ char *why = NULL;
        int kept, accepted;
        Address a;

        assert_int_equal(registry_add(registry, ANN_ID, log_in(ANN_ID, ann), &m, grants, &why), 1);
        kept = grants[0].fd; /* a duplicate of the registry's */
        tunnel_unref(grants[0].tunnel);
        assert_int_equal(address_parse("127.0.0.1:0", &a), 0);
        address_set_port(&a, port);
        assert_int_equal(connect(visitor, &a.sa, a.length), 0);
        restart_with(take_socket, &kept);
        assert_int_equal(registry_add(registry, ANN_ID, log_in(ANN_ID, ann), &m, grants, &why), 1);
        accepted = accept4(grants[0].fd, NULL, NULL, SOCK_CLOEXEC);
        assert_true(accepted >= 0);
        close(accepted);
        tunnel_unref(grants[0].tunnel);
        close(grants[0].fd);
}

static void test_a_host_that_was_added_stays_added(void **state _unused_) {
        assert_int_equal(registry_host_add(registry, "a.example.org", "ann"), 0);
        assert_int_equal(registry_host_add(registry, "b.example.org:8080", "ann"), 0);
        restart();
        assert_int_equal(look_for("a.example.org"), REGISTRY_ABSENT);
        assert_int_equal(look_for("b.example.org:8080"), REGISTRY_ABSENT);
        assert_int_equal(registry_host_remove(registry, "b.example.org:8080", "ann"), 0);
}

static void test_the_grace_time_begins_at_the_restart(void **state _unused_) {
        assert_non_null(ask(ANN_ID, log_in(ANN_ID, ann), "http", "shop"));
        restart();
        assert_true(registry_sweep(registry, NOW + GRACE - 1));
        assert_int_equal(look_for("shop.t.example"), REGISTRY_AWAY);
        assert_false(registry_sweep(registry, NOW + GRACE));
        assert_int_equal(look_for("shop.t.example"), REGISTRY_UNKNOWN);
}

static void test_another_text_is_refused_and_strange_parts_are_left_out(void **state _unused_) {
        static const char *const refused[] = { "", "{}", "[]", "{\"version\":2}", "{\"version\":1}x" };
        static const char strange[] =
                "{\"version\":1,\"clients\":[1,{},{\"id\":\"x\"},{\"id\":\"" ANN_ID "\",\"user\":\"ann\",\"sticky\":"
                "[7,{\"key\":\"k\"},{\"key\":\"k\",\"port\":99999},{\"key\":\"k\",\"host\":\"-\"}]}],"
                "\"names\":[{\"host\":\"..\",\"user\":\"ann\",\"client\":\"\"},{\"host\":\"ok.t.example\","
                "\"user\":\"ann\",\"client\":\"" ANN_ID "\"}],\"ports\":{\"port\":1}}";

        for (size_t i = 0; i < ELEMENTSOF(refused); i++)
                assert_int_equal(registry_restore(registry, refused[i], strlen(refused[i]), NULL, NULL, NOW), -EBADMSG);
        assert_int_equal(registry_restore(registry, strange, strlen(strange), NULL, NULL, NOW), 0);
        assert_int_equal(look_for("ok.t.example"), REGISTRY_AWAY);
        assert_int_equal(look_for(".."), REGISTRY_UNKNOWN);
}

static void on_change(void *userdata) {
        ++*(unsigned*) userdata;
}

static void test_each_change_is_told(void **state _unused_) {
        unsigned n = 0;
        SessionName s;

        registry_set_change_fn(registry, on_change, &n);
        s = log_in(ANN_ID, ann);
        assert_int_equal(n, 1);
        ask(ANN_ID, s, "http", "shop");
        assert_int_equal(n, 2);
        registry_logout(registry, ANN_ID, s.id, NOW);
        assert_int_equal(n, 3);
        registry_sweep(registry, NOW + 1);
        assert_int_equal(n, 3); /* nothing is over yet */
        registry_sweep(registry, NOW + GRACE);
        assert_int_equal(n, 4);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                test(test_a_name_stays_its_user_s),
                test(test_what_was_given_at_random_comes_again),
                test(test_a_client_id_stays_its_user_s),
                test(test_a_port_listens_again_before_its_client_is_there),
                test(test_a_socket_that_was_kept_goes_on_with_who_waits_in_it),
                test(test_a_host_that_was_added_stays_added),
                test(test_the_grace_time_begins_at_the_restart),
                test(test_another_text_is_refused_and_strange_parts_are_left_out),
                test(test_each_change_is_told),
        };

        return cmocka_run_group_tests_name("server/registry-state", tests, NULL, NULL);
}
