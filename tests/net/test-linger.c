/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <sys/socket.h>

#include "net/linger.h"
#include "net/stream-fd.h"
#include "net/stream-tls.h"

#define ANSWER "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

static int far;
static Linger *linger;
static bool done;

static void on_done(Linger *l, void *userdata) {
        assert_false(done);
        assert_ptr_equal(userdata, &done);
        done = true;
        assert_ptr_equal(l, linger);
        linger = linger_free(l);
}

static void start(const void *answer, size_t n) {
        Stream *s = NULL;
        int fd;

        done = false;
        tcp_pair(&far, &fd, 0);
        assert_int_equal(stream_fd_new(&s, worker, fd), 0);
        assert_int_equal(linger_new(&linger, s, answer, n, on_done, &done), 0);
        assert_false(done);
}

static int tear_down(void **state) {
        linger = linger_free(linger);
        far = safe_close(far);
        return worker_tear_down(state);
}

#define linger_test(test) cmocka_unit_test_setup_teardown(test, worker_set_up, tear_down)

static void test_the_answer_and_the_end_arrive(void **state _unused_) {
        start(ANSWER, strlen(ANSWER));
        far_expect(far, ANSWER, strlen(ANSWER));
        far_expect_end(far);
        assert_false(done); /* the peer may be sending */
        close(far);
        far = -1;
        turn_while(!done);
}

static void test_what_the_peer_is_still_sending_does_not_reset_it(void **state _unused_) {
        _cleanup_free_ uint8_t *body = noise(1 << 20, 1);

        start(ANSWER, strlen(ANSWER));
        far_send(far, body, 1 << 20);
        far_expect(far, ANSWER, strlen(ANSWER));
        far_expect_end(far);
        shutdown(far, SHUT_WR);
        turn_while(!done);
}

static void test_an_answer_may_be_empty(void **state _unused_) {
        start(NULL, 0);
        far_expect_end(far);
        shutdown(far, SHUT_WR);
        turn_while(!done);
}

static void test_the_longest_answer_arrives(void **state _unused_) {
        _cleanup_free_ uint8_t *answer = noise(BUFFER_BYTES, 2);

        start(answer, BUFFER_BYTES);
        far_expect(far, answer, BUFFER_BYTES);
        far_expect_end(far);
}

static void test_a_peer_that_never_ends_is_left_after_a_while(void **state _unused_) {
        uint64_t begin = clock_usec();

        start(ANSWER, strlen(ANSWER));
        turn_while(!done);
        assert_true(clock_usec() - begin >= LINGER_TIMEOUT_USEC - 50 * USEC_PER_MSEC);
}

static void test_a_peer_that_resets_is_left_at_once(void **state _unused_) {
        uint64_t begin = clock_usec();

        start(ANSWER, strlen(ANSWER));
        far_reset(far);
        far = -1;
        turn_while(!done);
        assert_true(clock_usec() - begin < LINGER_TIMEOUT_USEC / 2);
}

static void test_a_freed_linger_says_nothing(void **state _unused_) {
        start(ANSWER, strlen(ANSWER));
        linger = linger_free(linger);
        assert_null(linger_free(NULL));
        turn_for(3 * TICK_USEC);
        assert_false(done);
}

static void test_over_tls_the_end_is_a_close_notify(void **state _unused_) {
        _cleanup_(tls_server_unrefp) TlsServer *server = make_tls_server();
        _cleanup_(tls_client_unrefp) TlsClient *client = make_tls_client();
        Stream *s = NULL;
        int fd, far_fd;
        End peer;

        done = false;
        tcp_pair(&far_fd, &fd, 0);
        assert_int_equal(stream_tls_new_client(&s, worker, far_fd, client, "a.test", NULL, 0), 0);
        end_init(&peer, s);
        assert_int_equal(stream_tls_new_server(&s, worker, fd, server, 0), 0);
        assert_int_equal(linger_new(&linger, s, ANSWER, strlen(ANSWER), on_done, &done), 0);
        end_expect(&peer, ANSWER, strlen(ANSWER));
        end_expect_result(&peer, 0);
        end_done(&peer);
        turn_while(!done);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                linger_test(test_the_answer_and_the_end_arrive),
                linger_test(test_what_the_peer_is_still_sending_does_not_reset_it),
                linger_test(test_an_answer_may_be_empty),
                linger_test(test_the_longest_answer_arrives),
                linger_test(test_a_peer_that_never_ends_is_left_after_a_while),
                linger_test(test_a_peer_that_resets_is_left_at_once),
                linger_test(test_a_freed_linger_says_nothing),
                linger_test(test_over_tls_the_end_is_a_close_notify),
        };

        return cmocka_run_group_tests_name("net/linger", tests, NULL, NULL);
}
