/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "net/listener.h"

#define VISITORS 40

static Listener *listener;
static Address address; /* where it listens */
static int accepted[VISITORS], visitors[VISITORS];
static unsigned n_accepted, n_visitors;
static char peer_text[ADDRESS_TEXT_MAX];

static void on_accept(Listener *l, int fd, const Address *peer, void *userdata) {
        assert_ptr_equal(l, listener);
        assert_ptr_equal(userdata, &n_accepted);
        assert_true(n_accepted < VISITORS);
        address_format(peer, peer_text);
        accepted[n_accepted++] = fd;
}

static void listen_with(const char *text, ListenerAcceptFn fn) {
        int fd;

        assert_int_equal(address_parse(text, &address), 0);
        fd = listener_bind(&address);
        assert_true(fd >= 0);
        assert_int_equal(address_of_socket(fd, &address), 0);
        assert_int_not_equal(address_port(&address), 0);
        assert_int_equal(listener_new(&listener, worker, fd, fn, &n_accepted), 0);
}

static void listen_at(const char *text) {
        listen_with(text, on_accept);
}

static void visit(void) {
        int fd = socket(address.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(connect(fd, &address.sa, address.length), 0);
        visitors[n_visitors++] = fd;
}

static int tear_down(void **state) {
        listener = listener_free(listener);
        while (n_accepted > 0)
                close(accepted[--n_accepted]);
        while (n_visitors > 0)
                close(visitors[--n_visitors]);
        return worker_tear_down(state);
}

#define listener_test(test) cmocka_unit_test_setup_teardown(test, worker_set_up, tear_down)

static void test_visitors_are_accepted_ready_for_use(void **state _unused_) {
        char text[ADDRESS_TEXT_MAX];
        socklen_t n = sizeof(int);
        Address visitor;
        int value = 0;

        listen_at("127.0.0.1:0");
        visit();
        turn_while(n_accepted < 1);
        assert_int_equal(address_of_socket(visitors[0], &visitor), 0);
        assert_string_equal(peer_text, address_format(&visitor, text));
        assert_true(fcntl(accepted[0], F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(accepted[0], F_GETFD) & FD_CLOEXEC);
        assert_int_equal(getsockopt(accepted[0], IPPROTO_TCP, TCP_NODELAY, &value, &n), 0);
        assert_int_equal(value, 1);
}

static void test_an_ipv6_socket_takes_ipv4_visitors_as_such(void **state _unused_) {
        uint16_t port;

        listen_at(":0");
        assert_int_equal(address.sa.sa_family, AF_INET6);
        port = address_port(&address);
        assert_int_equal(address_parse("127.0.0.1:0", &address), 0);
        address_set_port(&address, port);
        visit();
        turn_while(n_accepted < 1);
        assert_memory_equal(peer_text, "127.0.0.1:", 10);
}

static void test_many_visitors_take_several_turns(void **state _unused_) {
        listen_at("127.0.0.1:0");
        for (unsigned i = 0; i < VISITORS; i++)
                visit();
        while (n_accepted < VISITORS) {
                unsigned before = n_accepted;

                turn();
                assert_in_range(n_accepted - before, 0, LISTENER_BATCH_MAX);
        }
}

static void test_a_paused_listener_lets_visitors_wait(void **state _unused_) {
        listen_at("127.0.0.1:0");
        listener_pause(listener);
        visit();
        turn_for(5 * TICK_USEC);
        assert_int_equal(n_accepted, 0);
        listener_resume(listener);
        turn_while(n_accepted < 1);
}

static void on_accept_pause(Listener *l, int fd, const Address *peer _unused_, void *userdata _unused_) {
        accepted[n_accepted++] = fd;
        listener_pause(l);
}

static void test_a_pause_holds_from_the_next_visitor_on(void **state _unused_) {
        listen_with("127.0.0.1:0", on_accept_pause);
        visit();
        visit();
        turn_while(n_accepted < 1);
        turn_for(5 * TICK_USEC);
        assert_int_equal(n_accepted, 1);
        listener_resume(listener);
        turn_while(n_accepted < 2);
}

static void test_without_descriptors_it_rests_and_goes_on(void **state _unused_) {
        struct rlimit before, few;
        unsigned n_turns = 0;
        uint64_t end;
        int lowest;

        listen_at("127.0.0.1:0");
        visit();
        lowest = dup(0); /* what accept() would get */
        close(lowest);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        few = (struct rlimit) { .rlim_cur = (rlim_t) lowest, .rlim_max = before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        for (end = clock_usec() + 80 * USEC_PER_MSEC; clock_usec() < end; n_turns++)
                turn();
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(n_accepted, 0);
        assert_in_range(n_turns, 1, 40); /* it didn't spin */
        turn_while(n_accepted < 1);
}

static void test_a_port_in_use_is_told(void **state _unused_) {
        listen_at("127.0.0.1:0");
        assert_int_equal(listener_bind(&address), -EADDRINUSE);
}

static void test_a_freed_listener_closes_its_port(void **state _unused_) {
        int fd;

        listen_at("127.0.0.1:0");
        listener = listener_free(listener);
        assert_null(listener_free(NULL));
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, &address.sa, address.length), -1);
        assert_int_equal(errno, ECONNREFUSED);
        close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                listener_test(test_visitors_are_accepted_ready_for_use),
                listener_test(test_an_ipv6_socket_takes_ipv4_visitors_as_such),
                listener_test(test_many_visitors_take_several_turns),
                listener_test(test_a_paused_listener_lets_visitors_wait),
                listener_test(test_a_pause_holds_from_the_next_visitor_on),
                listener_test(test_without_descriptors_it_rests_and_goes_on),
                listener_test(test_a_port_in_use_is_told),
                listener_test(test_a_freed_listener_closes_its_port),
        };

        return cmocka_run_group_tests_name("net/listener", tests, NULL, NULL);
}
