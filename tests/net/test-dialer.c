/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/address.h"
#include "net/connect-proxy.h"
#include "net/dialer.h"
#include "net/listener.h"

static Listener *listener;
static uint16_t port; /* where it listens */
static int accepted = -1, connected = -1;
static Dialer *dialer;
static bool done;
static int error;
static char why[512];

static void on_accept(Listener *l _unused_, int fd, const Address *peer _unused_, void *userdata _unused_) {
        safe_close(accepted);
        accepted = fd;
}

static void on_done(Dialer *d, int fd, int outcome, const char *sentence, void *userdata) {
        assert_ptr_equal(d, dialer);
        assert_ptr_equal(userdata, &done);
        assert_false(done);
        done = true;
        connected = fd;
        error = outcome;
        snprintf(why, sizeof(why), "%s", sentence ? sentence : "");
        assert_int_equal(fd < 0, outcome < 0);
        assert_int_equal(outcome < 0, sentence != NULL);
}

static void listen_at(const char *text) {
        Address a;
        int fd;

        assert_int_equal(address_parse(text, &a), 0);
        fd = listener_bind(&a);
        assert_true(fd >= 0);
        assert_int_equal(address_of_socket(fd, &a), 0);
        port = address_port(&a);
        assert_int_equal(listener_new(&listener, worker, fd, on_accept, NULL), 0);
}

static int set_up(void **state) {
        done = false;
        accepted = connected = -1;
        return worker_set_up(state);
}

static int tear_down(void **state) {
        dialer = dialer_free(dialer);
        listener = listener_free(listener);
        accepted = safe_close(accepted);
        connected = safe_close(connected);
        return worker_tear_down(state);
}

#define dialer_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void dial(const char *host, const char *proxy) {
        DialTarget target = { .host = host, .port = port, .proxy = proxy };

        assert_int_equal(dialer_new(&dialer, worker, &target, on_done, &done), 0);
        assert_false(done);
}

static void test_a_connection_is_ready_for_use(void **state _unused_) {
        socklen_t n = sizeof(int);
        int value = 0;

        listen_at("127.0.0.1:0");
        dial("127.0.0.1", NULL);
        turn_while(!done || accepted < 0);
        assert_int_equal(error, 0);
        assert_true(fcntl(connected, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(connected, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(getsockopt(connected, IPPROTO_TCP, TCP_NODELAY, &value, &n), 0);
        assert_int_equal(value, 1);
        far_send(accepted, "x", 1);
        far_expect(connected, "x", 1);
}

static void test_a_name_with_several_addresses_is_tried_in_turn(void **state _unused_) {
        listen_at("127.0.0.1:0"); /* not on ::1, which localhost may mean as well */
        dial("localhost", NULL);
        turn_while(!done);
        assert_int_equal(error, 0);
}

static void test_an_ipv6_address_is_a_name_too(void **state _unused_) {
        listen_at(":0");
        dial("::1", NULL);
        turn_while(!done);
        assert_int_equal(error, 0);
}

static void test_a_refused_connection_is_told_in_words(void **state _unused_) {
        listen_at("127.0.0.1:0");
        listener = listener_free(listener);
        dial("127.0.0.1", NULL);
        turn_while(!done);
        assert_int_equal(error, -ECONNREFUSED);
        assert_non_null(strstr(why, "127.0.0.1"));
        assert_non_null(strstr(why, strerror(ECONNREFUSED)));
}

static void test_a_name_that_does_not_exist_is_told_in_words(void **state _unused_) {
        port = 80;
        dial("pgrok-test.invalid", NULL);
        turn_while(!done);
        assert_true(error < 0);
        assert_non_null(strstr(why, "pgrok-test.invalid"));
}

static void test_a_freed_dialer_says_nothing(void **state _unused_) {
        listen_at("127.0.0.1:0");
        dial("127.0.0.1", NULL);
        dialer = dialer_free(dialer); /* while it looks the name up */
        assert_null(dialer_free(NULL));
        turn_for(5 * TICK_USEC);
        assert_false(done);
        dial("127.0.0.1", "127.0.0.1:1");
        turn_for(TICK_USEC);
        dialer = dialer_free(dialer);
}

static void test_an_unreadable_proxy_url_is_refused(void **state _unused_) {
        DialTarget target = { .host = "a", .port = 80, .proxy = "socks5://proxy:1080" };

        assert_int_equal(dialer_new(&dialer, worker, &target, on_done, &done), -EINVAL);
        assert_null(dialer);
}

/* Dials HOST through the proxy that the test plays, which expects REQUEST. */
static void dial_through_proxy(const char *host, const char *user, const char *request) {
        _cleanup_free_ char *url = NULL;
        uint16_t proxy_port;

        listen_at("127.0.0.1:0");
        proxy_port = port;
        url = str_format("http://%s127.0.0.1:%u/", user, proxy_port);
        port = 4443;
        dial(host, url);
        turn_while(accepted < 0);
        far_expect(accepted, request, strlen(request));
        assert_false(done);
}

static void test_a_proxy_is_asked_for_the_target(void **state _unused_) {
        static const char answer[] = "HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n";

        dial_through_proxy("example.org", "",
                           "CONNECT example.org:4443 HTTP/1.1\r\nHost: example.org:4443\r\n\r\n");
        for (size_t i = 0; i < sizeof(answer) - 1; i++) { /* in pieces */
                assert_false(done);
                far_send(accepted, answer + i, 1);
                turn();
        }
        turn_while(!done);
        assert_int_equal(error, 0);
        far_send(accepted, "inside", 6);
        far_expect(connected, "inside", 6);
}

static void test_a_user_of_the_proxy_is_authorized(void **state _unused_) {
        dial_through_proxy("::1", "us%40er:p%3ass@",
                           "CONNECT [::1]:4443 HTTP/1.1\r\nHost: [::1]:4443\r\n"
                           "Proxy-Authorization: Basic dXNAZXI6cDpzcw==\r\n\r\n");
}

static void test_answers_of_a_proxy_that_are_no_success(void **state _unused_) {
        static const struct {
                const char *answer;
                int error;
                const char *why;
        } cases[] = {
                { "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", -ECONNREFUSED, "407 Proxy Auth" },
                { "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", -ECONNREFUSED, "302" },
                { "HTTP/1.1 403 \033[2J\r\n\r\n", -ECONNREFUSED, "403 \\x1b[2J" },
                { "HTTP/2 200 OK\r\n\r\n", -EPROTO, "not HTTP" },
                { "SSH-2.0-OpenSSH\r\n\r\n", -EPROTO, "not HTTP" },
                { "HTTP/1.1 200 OK\r\n\r\nmore", -EPROTO, "more than the head" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                done = false;
                dial_through_proxy("a", "", "CONNECT a:4443 HTTP/1.1\r\nHost: a:4443\r\n\r\n");
                far_send(accepted, cases[i].answer, strlen(cases[i].answer));
                turn_while(!done);
                if (error != cases[i].error || !strstr(why, cases[i].why))
                        fail_msg("%s: %d, %s", cases[i].answer, error, why);
                dialer = dialer_free(dialer);
                listener = listener_free(listener);
                accepted = safe_close(accepted);
        }
}

static void test_an_endless_answer_of_a_proxy_is_refused(void **state _unused_) {
        char block[1000];

        memset(block, 'x', sizeof(block));
        dial_through_proxy("a", "", "CONNECT a:4443 HTTP/1.1\r\nHost: a:4443\r\n\r\n");
        for (unsigned i = 0; i < 20 && !done; i++) {
                (void) !send(accepted, block, sizeof(block), MSG_NOSIGNAL);
                turn();
        }
        assert_true(done);
        assert_int_equal(error, -EPROTO);
}

static void test_a_proxy_that_closes_is_an_error(void **state _unused_) {
        dial_through_proxy("a", "", "CONNECT a:4443 HTTP/1.1\r\nHost: a:4443\r\n\r\n");
        accepted = safe_close(accepted);
        turn_while(!done);
        assert_true(error < 0);
}

static void test_proxy_urls(void **state _unused_) {
        static const struct {
                const char *url, *host, *user; /* a host of NULL: refused */
                uint16_t port;
        } cases[] = {
                { "http://proxy:3128", "proxy", "", 3128 },
                { "proxy:3128", "proxy", "", 3128 },
                { "proxy", "proxy", "", 80 },
                { "http://proxy/", "proxy", "", 80 },
                { "http://[::1]:3128", "::1", "", 3128 },
                { "http://u:p@proxy:1", "proxy", "u:p", 1 },
                { "http://u@proxy", "proxy", "u:", 80 },
                { "http://u:a@b@proxy", "proxy", "u:a@b", 80 },
                { "http://%75:%2F%25@proxy", "proxy", "u:/%", 80 },
                { "", NULL, NULL, 0 },
                { "http://", NULL, NULL, 0 },
                { "http://:80", NULL, NULL, 0 },
                { "http://u:p@", NULL, NULL, 0 },
                { "https://proxy", NULL, NULL, 0 },
                { "socks5://proxy", NULL, NULL, 0 },
                { "http://proxy:x", NULL, NULL, 0 },
                { "http://u%0d%0a:p@proxy", NULL, NULL, 0 },
                { "http://u%00:p@proxy", NULL, NULL, 0 },
                { "http://u%4@proxy", NULL, NULL, 0 },
                { "http://u%zz@proxy", NULL, NULL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ProxyUrl url = {};
                int r = proxy_url_parse(cases[i].url, &url);

                if (r != (cases[i].host ? 0 : -EINVAL) || url.port != cases[i].port)
                        fail_msg("\"%s\": %d, port %u", cases[i].url, r, url.port);
                assert_string_equal(url.host, cases[i].host ? cases[i].host : "");
                assert_string_equal(url.user, cases[i].user ? cases[i].user : "");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                dialer_test(test_a_connection_is_ready_for_use),
                dialer_test(test_a_name_with_several_addresses_is_tried_in_turn),
                dialer_test(test_an_ipv6_address_is_a_name_too),
                dialer_test(test_a_refused_connection_is_told_in_words),
                dialer_test(test_a_name_that_does_not_exist_is_told_in_words),
                dialer_test(test_a_freed_dialer_says_nothing),
                dialer_test(test_an_unreadable_proxy_url_is_refused),
                dialer_test(test_a_proxy_is_asked_for_the_target),
                dialer_test(test_a_user_of_the_proxy_is_authorized),
                dialer_test(test_answers_of_a_proxy_that_are_no_success),
                dialer_test(test_an_endless_answer_of_a_proxy_is_refused),
                dialer_test(test_a_proxy_that_closes_is_an_error),
                cmocka_unit_test(test_proxy_urls),
        };

        return cmocka_run_group_tests_name("net/dialer", tests, NULL, NULL);
}
