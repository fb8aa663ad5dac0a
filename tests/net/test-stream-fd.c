/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <sys/socket.h>

#include "net/stream-fd.h"

static int far;
static End near;

static int set_up(void **state) {
        Stream *s = NULL;
        int fd;

        if (worker_set_up(state) < 0)
                return -1;
        tcp_pair(&far, &fd, 0);
        if (stream_fd_new(&s, worker, fd) < 0)
                return -1;
        end_init(&near, s);
        return 0;
}

static int tear_down(void **state) {
        end_done(&near);
        far = safe_close(far);
        return worker_tear_down(state);
}

#define stream_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void test_bytes_go_both_ways(void **state _unused_) {
        _cleanup_free_ uint8_t *there = noise(300000, 1), *back = noise(200000, 2);

        far_send(far, there, 300000);
        end_expect(&near, there, 300000);
        far_send(far, "x", 1);
        end_expect(&near, "x", 1);
        end_send(&near, back, 1000);
        far_expect(far, back, 1000);
}

static void test_the_peers_end_leaves_the_way_back_open(void **state _unused_) {
        far_send(far, "last", 4);
        assert_int_equal(shutdown(far, SHUT_WR), 0);
        end_expect(&near, "last", 4);
        end_expect_result(&near, 0);
        assert_int_equal(stream_read(near.stream, (char[1]) {}, 1), 0); /* again at each call */
        end_send(&near, "answer", 6);
        far_expect(far, "answer", 6);
}

static void test_our_end_leaves_the_way_here_open(void **state _unused_) {
        end_send(&near, "question", 8);
        assert_int_equal(stream_shutdown(near.stream), 0);
        assert_int_equal(stream_flush(near.stream), 0);
        far_expect(far, "question", 8);
        far_expect_end(far);
        far_send(far, "answer", 6);
        end_expect(&near, "answer", 6);
        assert_int_equal(near.result, 1);
}

static void test_the_peers_reset_is_an_error_at_each_call(void **state _unused_) {
        far_reset(far);
        far = -1;
        end_expect_result(&near, -ECONNRESET);
        assert_int_equal(stream_read(near.stream, (char[1]) {}, 1), -ECONNRESET);
        assert_int_equal(stream_read(near.stream, (char[1]) {}, 1), -ECONNRESET); /* no orderly end */
        assert_true(stream_write(near.stream, "x", 1) < 0);
        assert_true(stream_write(near.stream, "x", 1) < 0);
        assert_true(stream_flush(near.stream) < 0);
}

static void test_an_error_that_a_write_finds_is_told_to_readers_too(void **state _unused_) {
        uint64_t end = clock_usec() + PATIENCE_USEC;
        ssize_t k;

        stream_set_events(near.stream, 0);
        far_reset(far);
        far = -1;
        while ((k = stream_write(near.stream, "x", 1)) >= 0)
                assert_true(clock_usec() < end);
        assert_int_equal(k, -ECONNRESET);
        assert_int_equal(stream_read(near.stream, (char[1]) {}, 1), -ECONNRESET); /* no orderly end */
}

static void test_reset_is_seen_as_an_abort_by_the_peer(void **state _unused_) {
        end_send(&near, "x", 1);
        near.stream = stream_reset(near.stream);
        far_expect_reset(far);
}

static void test_a_full_peer_is_told_and_writable_comes_back(void **state _unused_) {
        _cleanup_free_ uint8_t *data = noise(1 << 20, 3);
        _cleanup_free_ uint8_t *all = malloc(64 << 20);
        size_t taken = 0;
        ssize_t k;

        while ((k = stream_write(near.stream, data, 1 << 20)) > 0) {
                memcpy(all + taken, data, (size_t) k);
                taken += (size_t) k;
                assert_true(taken < (62 << 20));
        }
        assert_int_equal(k, -EAGAIN);
        near.writable = false;
        stream_set_events(near.stream, STREAM_READABLE | STREAM_WRITABLE);
        turn_for(2 * TICK_USEC);
        assert_false(near.writable);
        far_expect(far, all, taken);
        turn_while(!near.writable);
}

static void test_events_that_are_not_wanted_do_not_come(void **state _unused_) {
        stream_set_events(near.stream, 0);
        far_send(far, "x", 1);
        turn_for(3 * TICK_USEC);
        assert_int_equal(near.n, 0);
        stream_set_events(near.stream, STREAM_READABLE);
        end_expect(&near, "x", 1);
}

static void on_event_free(Stream *s, unsigned events _unused_, void *userdata) {
        near.stream = stream_free(s);
        *(bool*) userdata = true;
}

static void test_a_stream_may_be_freed_by_what_it_calls(void **state _unused_) {
        bool called = false;

        stream_set_callback(near.stream, on_event_free, &called);
        stream_set_events(near.stream, STREAM_READABLE | STREAM_WRITABLE);
        far_send(far, "x", 1);
        turn_while(!called);
        turn_for(2 * TICK_USEC);
}

static void on_events(Stream *s _unused_, unsigned events, void *userdata) {
        *(unsigned*) userdata |= events;
}

static void test_an_abort_is_told_and_both_ends_are_none(void **state _unused_) {
        unsigned n_turns = 0, events = 0;
        Stream *s = NULL;
        int fd, peer;

        tcp_pair(&fd, &peer, 0);
        assert_int_equal(stream_fd_new(&s, worker, fd), 0);
        stream_set_callback(s, on_events, &events);
        stream_set_events(s, STREAM_ABORTED);
        assert_int_equal(stream_shutdown(s), 0);
        shutdown(peer, SHUT_WR);
        for (uint64_t end = clock_usec() + 5 * TICK_USEC; clock_usec() < end; n_turns++)
                turn();
        assert_true(n_turns < 20); /* the kernel's news that both directions have ended comes once */
        assert_int_equal(events, 0);
        stream_free(s);
        close(peer);

        tcp_pair(&fd, &peer, 0);
        assert_int_equal(stream_fd_new(&s, worker, fd), 0);
        stream_set_callback(s, on_events, &events);
        stream_set_events(s, STREAM_ABORTED);
        far_send(peer, "unread", 6);
        far_reset(peer);
        turn_while(!(events & STREAM_ABORTED));
        stream_free(s);
}

/* The kernel ends a read before the urgent byte, which is not told apart from a read that took all. */
static void test_what_comes_behind_an_urgent_byte_is_read_without_more_news(void **state _unused_) {
        stream_set_events(near.stream, 0);
        far_send(far, "before", 6);
        assert_int_equal(send(far, "!", 1, MSG_OOB), 1);
        far_send(far, "behind", 6);
        turn_for(3 * TICK_USEC);
        stream_set_events(near.stream, STREAM_READABLE);
        end_expect(&near, "beforebehind", 12);
}

static void on_poll_never(PollItem *item _unused_, uint32_t events _unused_) {
}

static void test_a_socket_that_cannot_be_polled_is_an_error(void **state _unused_) {
        PollItem item = { .run = on_poll_never };
        Stream *s = NULL;
        int fd, peer;
        End e;

        tcp_pair(&fd, &peer, 0);
        assert_int_equal(worker_poll(worker, &item, fd, 0), 0); /* epoll refuses it now, as without memory */
        assert_int_equal(stream_fd_new(&s, worker, fd), 0);
        end_init(&e, s);
        turn_while(e.result == 1);
        assert_int_equal(e.result, -EEXIST);
        worker_unpoll(worker, &item, fd);
        end_done(&e);
        close(peer);
}

static void test_its_socket_may_outlive_it(void **state _unused_) {
        char text[6] = "";
        Stream *s;
        int a, b;

        tcp_pair(&a, &b, 0);
        assert_int_equal(stream_fd_new(&s, worker, a), 0);
        stream_set_events(s, STREAM_READABLE);
        turn();
        assert_int_equal(stream_fd_release(s), a);
        far_send(b, "hello", 5);
        turn_while(recv(a, text, 5, 0) < 0);
        assert_string_equal(text, "hello");
        close(a);
        close(b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                stream_test(test_bytes_go_both_ways),
                stream_test(test_the_peers_end_leaves_the_way_back_open),
                stream_test(test_our_end_leaves_the_way_here_open),
                stream_test(test_the_peers_reset_is_an_error_at_each_call),
                stream_test(test_an_error_that_a_write_finds_is_told_to_readers_too),
                stream_test(test_reset_is_seen_as_an_abort_by_the_peer),
                stream_test(test_a_full_peer_is_told_and_writable_comes_back),
                stream_test(test_events_that_are_not_wanted_do_not_come),
                stream_test(test_a_stream_may_be_freed_by_what_it_calls),
                stream_test(test_an_abort_is_told_and_both_ends_are_none),
                stream_test(test_what_comes_behind_an_urgent_byte_is_read_without_more_news),
                stream_test(test_a_socket_that_cannot_be_polled_is_an_error),
                worker_test(test_its_socket_may_outlive_it),
        };

        return cmocka_run_group_tests_name("net/stream-fd", tests, NULL, NULL);
}
