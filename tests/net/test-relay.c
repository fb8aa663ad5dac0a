/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <sys/socket.h>

#include "net/relay.h"
#include "net/stream-fd.h"
#include "net/stream-tls.h"

#define MIB (1 << 20)
#define SILENCE_USEC (150 * USEC_PER_MSEC)

/*  far_a ─── a ═ relay ═ b ─── far_b  */
static int far_a, far_b;
static Stream *a, *b;
static Relay *relay;
static RelayResult result;
static bool done;
static Buffer *left; /* owned: what a filter has not decided about */

static int set_up(void **state) {
        return worker_set_up(state);
}

static int tear_down(void **state) {
        relay = relay_free(relay);
        left = buffer_put(&worker->buffers, left);
        a = stream_free(a);
        b = stream_free(b);
        far_a = safe_close(far_a);
        far_b = safe_close(far_b);
        return worker_tear_down(state);
}

#define relay_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void on_done(Relay *r, const RelayResult *outcome, void *userdata) {
        assert_ptr_equal(userdata, &result);
        assert_false(done);
        done = true;
        result = *outcome;
        left = relay_take_input(r, RELAY_A);
        relay = relay_free(r);
}

static void start(const RelayOptions *options, int buffer_size) {
        int fd;

        tcp_pair(&far_a, &fd, buffer_size);
        assert_int_equal(stream_fd_new(&a, worker, fd), 0);
        tcp_pair(&far_b, &fd, buffer_size);
        assert_int_equal(stream_fd_new(&b, worker, fd), 0);
        done = false;
        assert_int_equal(relay_new(&relay, a, b, options, on_done, &result), 0);
}

static void start_plain(void) {
        start(&(RelayOptions) {}, 0);
}

static void expect_done(int error, RelaySide failed) {
        turn_while(!done);
        assert_int_equal(result.error, error);
        if (error < 0)
                assert_int_equal(result.failed, failed);
}

static void test_bytes_go_both_ways_and_are_counted(void **state _unused_) {
        _cleanup_free_ uint8_t *there = noise(300000, 1), *back = noise(200000, 2);
        uint64_t a_to_b, b_to_a;

        start_plain();
        far_send(far_a, there, 300000);
        far_expect(far_b, there, 300000);
        far_send(far_b, back, 200000);
        far_expect(far_a, back, 200000);
        relay_get_bytes(relay, &a_to_b, &b_to_a);
        assert_int_equal(a_to_b, 300000);
        assert_int_equal(b_to_a, 200000);
        close(far_a);
        far_expect_end(far_b);
        shutdown(far_b, SHUT_WR);
        far_a = -1;
        expect_done(0, RELAY_A);
        assert_false(result.a_is_unread);
        assert_int_equal(result.a_to_b_bytes, 300000);
        assert_int_equal(result.b_to_a_bytes, 200000);
}

/* ---- a tap ---- */

static Buffer *seen[2];
static bool seen_end[2];

static void on_tap_passed(void *userdata, RelaySide from, const char *data, size_t n) {
        assert_ptr_equal(userdata, &result);
        assert_false(seen_end[from]);
        assert_int_equal(buffer_append(seen[from], data, n), 0);
}

static void on_tap_ended(void *userdata, RelaySide from) {
        assert_ptr_equal(userdata, &result);
        seen_end[from] = true;
}

static void test_a_tap_sees_what_the_other_side_has_taken(void **state _unused_) {
        static const RelayTap tap = { .passed = on_tap_passed, .ended = on_tap_ended };
        _cleanup_free_ uint8_t *there = noise(200000, 1), *back = noise(100000, 2);
        Buffer *head = buffer_get(&worker->buffers);

        for (int i = 0; i < 2; i++) {
                seen[i] = buffer_get(&worker->buffers);
                seen_end[i] = false;
        }
        assert_int_equal(buffer_append(head, there, 1000), 0);
        start(&(RelayOptions) { .a_head = head, .tap = &tap, .tap_userdata = &result }, 0);
        far_send(far_a, there + 1000, 199000);
        far_expect(far_b, there, 200000);
        far_send(far_b, back, 100000);
        shutdown(far_b, SHUT_WR);
        far_expect(far_a, back, 100000);
        far_expect_end(far_a);
        assert_true(seen_end[RELAY_B] && !seen_end[RELAY_A]);
        shutdown(far_a, SHUT_WR);
        expect_done(0, RELAY_A);
        assert_true(seen_end[RELAY_A]);
        assert_int_equal(buffer_length(seen[RELAY_A]), 200000);
        assert_memory_equal(buffer_head(seen[RELAY_A]), there, 200000);
        assert_int_equal(buffer_length(seen[RELAY_B]), 100000);
        assert_memory_equal(buffer_head(seen[RELAY_B]), back, 100000);
        for (int i = 0; i < 2; i++)
                seen[i] = buffer_put(&worker->buffers, seen[i]);
}

static void test_each_direction_ends_by_itself(void **state _unused_) {
        start_plain();
        far_send(far_a, "question", 8);
        shutdown(far_a, SHUT_WR);
        far_expect(far_b, "question", 8);
        far_expect_end(far_b);
        turn_for(3 * TICK_USEC);
        assert_false(done);
        far_send(far_b, "answer", 6);
        far_expect(far_a, "answer", 6);
        shutdown(far_b, SHUT_WR);
        far_expect_end(far_a);
        expect_done(0, RELAY_A);
}

static void test_b_may_end_first(void **state _unused_) {
        start_plain();
        shutdown(far_b, SHUT_WR);
        far_expect_end(far_a);
        far_send(far_a, "still", 5);
        far_expect(far_b, "still", 5);
        shutdown(far_a, SHUT_WR);
        far_expect_end(far_b);
        expect_done(0, RELAY_A);
}

static void test_an_end_comes_after_all_bytes(void **state _unused_) {
        _cleanup_free_ uint8_t *data = noise(200000, 3);
        size_t sent = 0;

        start(&(RelayOptions) {}, 16384);
        while (sent < 200000) {
                ssize_t k = send(far_a, data + sent, 200000 - sent, MSG_NOSIGNAL);

                if (k < 0)
                        break;
                sent += (size_t) k;
                turn();
        }
        shutdown(far_a, SHUT_WR);
        turn_for(5 * TICK_USEC);
        far_expect(far_b, data, sent);
        far_expect_end(far_b);
}

/* However many reads one event does, the end may come with the last of them. */
static void test_an_end_is_seen_behind_any_number_of_full_reads(void **state) {
        _cleanup_free_ uint8_t *bytes = noise(6 * BUFFER_BYTES, 7);

        for (size_t n = 1; n <= 6; n++) {
                start(&(RelayOptions) {}, 2 * MIB);
                far_send(far_a, bytes, n * BUFFER_BYTES);
                shutdown(far_a, SHUT_WR);
                far_expect(far_b, bytes, n * BUFFER_BYTES);
                far_expect_end(far_b);
                assert_int_equal(tear_down(state), 0);
                assert_int_equal(set_up(state), 0);
        }
}

static void test_an_abort_of_a_ends_both_as_an_abort(void **state _unused_) {
        start_plain();
        far_send(far_a, "x", 1);
        far_expect(far_b, "x", 1);
        far_reset(far_a);
        far_a = -1;
        expect_done(-ECONNRESET, RELAY_A);
        b = stream_reset(b);
        far_expect_reset(far_b);
}

static void test_an_abort_of_b_ends_both_as_an_abort(void **state _unused_) {
        start_plain();
        far_send(far_b, "x", 1);
        far_expect(far_a, "x", 1);
        far_reset(far_b);
        far_b = -1;
        expect_done(-ECONNRESET, RELAY_B);
        a = stream_reset(a);
        far_expect_reset(far_a);
}

static void test_an_abort_after_half_an_end_is_one(void **state _unused_) {
        start_plain();
        shutdown(far_a, SHUT_WR);
        far_expect_end(far_b);
        far_reset(far_b);
        far_b = -1;
        expect_done(-ECONNRESET, RELAY_B);
}

static void test_a_visitor_that_is_gone_is_noticed_when_the_answer_comes(void **state _unused_) {
        start_plain();
        shutdown(far_a, SHUT_WR);
        far_expect_end(far_b);
        far_reset(far_a);
        far_a = -1;
        for (unsigned i = 0; !done && i < 500; i++) {
                (void) !send(far_b, "answer", 6, MSG_NOSIGNAL);
                turn();
        }
        assert_true(done);
        assert_true(result.error < 0);
}

static void test_an_abort_after_an_end_needs_no_answer_to_be_noticed(void **state _unused_) {
        start_plain();
        shutdown(far_a, SHUT_WR);
        far_expect_end(far_b);
        far_reset(far_a);
        far_a = -1;
        expect_done(-ECONNRESET, RELAY_A);
}

static void test_an_abort_is_noticed_though_the_sink_takes_nothing(void **state _unused_) {
        start(&(RelayOptions) {}, 16384);
        far_flood(far_a);
        far_reset(far_a);
        far_a = -1;
        expect_done(-ECONNRESET, RELAY_A);
}

static Buffer *head_of(const char *text) {
        Buffer *head = buffer_get(&worker->buffers);

        assert_int_equal(buffer_append(head, text, strlen(text)), 0);
        return head;
}

static void test_what_was_read_before_goes_first(void **state _unused_) {
        start(&(RelayOptions) { .a_head = head_of("from a, "), .b_head = head_of("from b, ") }, 0);
        far_send(far_a, "and more", 8);
        far_expect(far_b, "from a, and more", 16);
        far_send(far_b, "and more", 8);
        far_expect(far_a, "from b, and more", 16);
        assert_false(done);
}

static void test_a_head_goes_out_before_anything_else_happens(void **state _unused_) {
        start(&(RelayOptions) { .a_head = head_of("head") }, 0);
        far_expect(far_b, "head", 4);
}

static void test_a_peer_that_does_not_read_stops_its_own_direction_only(void **state _unused_) {
        uint64_t a_to_b, b_to_a;
        size_t taken;

        start(&(RelayOptions) {}, 16384);
        taken = far_flood(far_a);
        relay_get_bytes(relay, &a_to_b, &b_to_a);
        assert_true(taken < MIB); /* the kernel's buffers and one of ours */
        assert_true(taken - a_to_b <= BUFFER_BYTES + 4 * 65536);
        far_send(far_b, "other way", 9);
        far_expect(far_a, "other way", 9);
        assert_false(done);
}

static void test_a_stalled_direction_goes_on(void **state _unused_) {
        _cleanup_free_ uint8_t *zeros = NULL;
        size_t taken;

        start(&(RelayOptions) {}, 16384);
        taken = far_flood(far_a);
        zeros = calloc(1, taken);
        far_expect(far_b, zeros, taken);
        far_send(far_a, "on", 2);
        far_expect(far_b, "on", 2);
}

static void test_a_freed_relay_says_nothing_and_leaves_the_streams(void **state _unused_) {
        End e;

        start_plain();
        far_send(far_a, "x", 1);
        far_expect(far_b, "x", 1);
        relay = relay_free(relay);
        assert_null(relay_free(NULL));
        far_send(far_a, "rest", 4);
        turn_for(3 * TICK_USEC);
        assert_false(done);
        end_init(&e, a);
        end_expect(&e, "rest", 4);
        stream_set_callback(a, NULL, NULL);
        free(e.data);
}

/* The peer behind B closes both directions at the first end. */
static void start_withholding(void) {
        start(&(RelayOptions) { .withhold_a_end_usec = SILENCE_USEC }, 0);
}

static void test_an_end_is_withheld_until_the_answer_is_complete(void **state _unused_) {
        uint64_t answered;

        start_withholding();
        far_send(far_a, "question", 8);
        shutdown(far_a, SHUT_WR);
        far_expect(far_b, "question", 8);
        turn_for(2 * SILENCE_USEC); /* no answer yet: patience */
        assert_int_equal(recv(far_b, (char[1]) {}, 1, 0), -1);
        for (unsigned i = 0; i < 4; i++) { /* it goes on longer than the silence may last */
                far_send(far_b, "part", 4);
                far_expect(far_a, "part", 4);
                turn_for(SILENCE_USEC / 2);
                assert_int_equal(recv(far_b, (char[1]) {}, 1, 0), -1);
        }
        answered = clock_usec();
        far_expect_end(far_b);
        assert_true(clock_usec() - answered < 20 * SILENCE_USEC);
        assert_false(done);
        shutdown(far_b, SHUT_WR);
        expect_done(0, RELAY_A);
}

static void test_the_end_of_such_a_peer_ends_all(void **state _unused_) {
        start_withholding();
        far_send(far_a, "question", 8);
        far_expect(far_b, "question", 8);
        far_send(far_b, "answer", 6);
        shutdown(far_b, SHUT_WR);
        expect_done(0, RELAY_A);
        assert_true(result.a_is_unread);
        far_expect(far_a, "answer", 6);
        far_expect_end(far_a);
}

static void test_an_abort_is_not_withheld(void **state _unused_) {
        start_withholding();
        far_reset(far_a);
        far_a = -1;
        expect_done(-ECONNRESET, RELAY_A);
}

/* The far end of A is a TLS peer of ours. */
static void start_tls(End *far, TlsServer *server, TlsClient *client) {
        Stream *s = NULL;
        int fd, far_fd;

        tcp_pair(&far_fd, &fd, 0);
        assert_int_equal(stream_tls_new_server(&a, worker, fd, server, 0), 0);
        assert_int_equal(stream_tls_new_client(&s, worker, far_fd, client, "a.test", NULL, 0), 0);
        end_init(far, s);
        tcp_pair(&far_b, &fd, 0);
        assert_int_equal(stream_fd_new(&b, worker, fd), 0);
        far_a = -1;
        done = false;
        assert_int_equal(relay_new(&relay, a, b, &(RelayOptions) {}, on_done, &result), 0);
}

static void test_tls_on_one_side(void **state _unused_) {
        _cleanup_(tls_server_unrefp) TlsServer *server = make_tls_server();
        _cleanup_(tls_client_unrefp) TlsClient *client = make_tls_client();
        _cleanup_free_ uint8_t *there = noise(MIB, 5), *back = noise(MIB, 6);
        End far;

        start_tls(&far, server, client);
        end_send(&far, there, 100000);
        far_expect(far_b, there, 100000);
        far_send(far_b, back, MIB);
        end_expect(&far, back, MIB);
        assert_int_equal(stream_shutdown(far.stream), 0);
        assert_int_equal(stream_flush(far.stream), 0);
        far_expect_end(far_b); /* close_notify became FIN */
        far_send(far_b, "answer", 6);
        shutdown(far_b, SHUT_WR);
        end_expect(&far, "answer", 6);
        end_expect_result(&far, 0); /* FIN became close_notify */
        expect_done(0, RELAY_A);
        end_done(&far);
}

static void test_a_lost_tls_leg_is_an_abort(void **state _unused_) {
        _cleanup_(tls_server_unrefp) TlsServer *server = make_tls_server();
        _cleanup_(tls_client_unrefp) TlsClient *client = make_tls_client();
        End far;

        start_tls(&far, server, client);
        end_send(&far, "x", 1);
        far_expect(far_b, "x", 1);
        far.stream = stream_free(far.stream); /* without close_notify */
        expect_done(-ECONNRESET, RELAY_A);
        end_done(&far);
}

/* ---- rates ---- */

#define RATE 400000
#define RATED_BYTES 200000

static void test_a_rate_holds_both_directions_together(void **state _unused_) {
        _cleanup_free_ uint8_t *there = noise(RATED_BYTES, 7), *back = noise(RATED_BYTES, 8);
        static Rate rate, unlimited;
        uint64_t begin = clock_usec();

        rate_set(&rate, RATE);
        start(&(RelayOptions) { .rates = { &rate, &unlimited } }, 0);
        far_send(far_a, there, RATED_BYTES);
        far_send(far_b, back, RATED_BYTES);
        far_expect(far_b, there, RATED_BYTES);
        far_expect(far_a, back, RATED_BYTES);
        /* at most what nobody had used before came for nothing, and the last two shares */
        assert_true(clock_usec() - begin >= USEC_PER_SEC * (2 * RATED_BYTES - 2 * rate_share(&rate)) / RATE -
                                                    200 * USEC_PER_MSEC);
        shutdown(far_a, SHUT_WR);
        far_expect_end(far_b);
        shutdown(far_b, SHUT_WR);
        expect_done(0, RELAY_A);
}

static void test_a_share_is_queued_for_once(void **state _unused_) {
        uint64_t now = clock_usec();
        static Rate rate;

        rate_set(&rate, 1);
        start(&(RelayOptions) { .rates = { &rate } }, 0);
        far_send(far_a, "xy", 2);
        far_expect(far_b, "xy", 2);
        assert_true(rate_queue(&rate, 1, now) <= now + rate_share(&rate) * USEC_PER_SEC);
}

static void test_the_lowest_rate_counts(void **state _unused_) {
        _cleanup_free_ uint8_t *there = noise(RATED_BYTES / 2, 9);
        static Rate low, high; /* outlive the relay */
        uint64_t begin = clock_usec();

        rate_set(&low, RATE);
        rate_set(&high, 100 * RATE);
        start(&(RelayOptions) { .rates = { &high, &low } }, 0);
        far_send(far_a, there, RATED_BYTES / 2);
        far_expect(far_b, there, RATED_BYTES / 2);
        assert_true(clock_usec() - begin >= USEC_PER_SEC * (RATED_BYTES / 2 - rate_share(&low)) / RATE -
                                                    200 * USEC_PER_MSEC);
}

static void expect_at_another_rate(uint64_t bytes_per_sec) {
        _cleanup_free_ uint8_t *there = noise(RATED_BYTES, 11);
        static Rate rate;

        rate_set(&rate, 1);
        start(&(RelayOptions) { .rates = { &rate } }, 0);
        far_send(far_a, there, RATED_BYTES);
        turn_for(5 * TICK_USEC);
        rate_set(&rate, bytes_per_sec);
        far_expect(far_b, there, RATED_BYTES);
}

static void test_who_waits_for_a_rate_goes_on_when_it_is_raised(void **state _unused_) {
        expect_at_another_rate(100 * RATE);
}

static void test_who_waits_for_a_rate_goes_on_when_it_is_lifted(void **state _unused_) {
        expect_at_another_rate(0);
}

/* A sink that takes nothing for five seconds would end it; this one may take nothing. */
static void test_what_was_sent_before_an_abort_waits_for_its_rate(void **state _unused_) {
        _cleanup_free_ uint8_t *there = noise(3 * 512, 12);
        static Rate rate;

        rate_set(&rate, 95); /* a share is due each five seconds and a half */
        start(&(RelayOptions) { .rates = { &rate } }, 0);
        far_send(far_a, there, 3 * 512);
        far_expect(far_b, there, 512);
        far_reset(far_a);
        far_a = -1;
        far_expect(far_b, there + 512, 2 * 512);
        expect_done(-ECONNRESET, RELAY_A);
}

static void test_an_abort_does_not_wait_for_a_rate(void **state _unused_) {
        uint64_t begin = clock_usec();
        static Rate rate;

        rate_set(&rate, 1);
        start(&(RelayOptions) { .rates = { &rate } }, 0);
        far_send(far_a, "xy", 2);
        far_expect(far_b, "xy", 2);
        rate_queue(&rate, 1 << 20, begin);
        far_reset(far_b);
        far_b = -1;
        expect_done(-ECONNRESET, RELAY_B);
        assert_true(clock_usec() - begin < 2 * USEC_PER_SEC);
}

static void test_an_end_is_withheld_while_the_answer_waits_for_its_rate(void **state _unused_) {
        static Rate rate;

        rate_set(&rate, 512);
        start(&(RelayOptions) { .rates = { &rate }, .withhold_a_end_usec = SILENCE_USEC }, 0);
        far_send(far_a, "question", 8);
        far_expect(far_b, "question", 8);
        shutdown(far_a, SHUT_WR);
        far_flood(far_b);
        turn_for(4 * SILENCE_USEC); /* a share a second */
        assert_int_equal(recv(far_b, (char[1]) {}, 1, 0), -1);
        rate_set(&rate, 0);
        turn_for(USEC_PER_SEC);
        assert_int_equal(recv(far_b, (char[1]) {}, 1, 0), -1); /* now the visitor takes no more */
}

static void test_a_relay_that_waits_for_its_rate_can_be_freed_and_aborted(void **state _unused_) {
        _cleanup_free_ uint8_t *there = noise(RATED_BYTES, 10);
        static Rate rate;

        rate_set(&rate, 100);
        start(&(RelayOptions) { .rates = { &rate } }, 0);
        far_send(far_a, there, RATED_BYTES);
        turn_for(5 * TICK_USEC);
        far_reset(far_b);
        far_b = -1;
        turn_while(!done);
        assert_int_equal(result.failed, RELAY_B);
        assert_true(result.a_to_b_bytes < RATED_BYTES);
}

/* A protocol of lines: "N" lets N bytes behind it pass, "=TEXT" becomes TEXT, "!" ends all, "." holds. What B says
 * always passes. */
static unsigned n_passed;

static int64_t judge_line(void *userdata, RelaySide from, const char *data, size_t n, Buffer *instead,
                          size_t *ret_taken) {
        const char *end = memchr(data, '\n', n);

        assert_ptr_equal(userdata, &n_passed);
        if (from == RELAY_B)
                return INT64_MAX;
        if (*data >= '0' && *data <= '9')
                return 1 + (*data - '0');
        if (*data == '!')
                return -ECANCELED;
        if (*data == '.')
                return n_passed < 2 ? -EBUSY : 1;
        if (!end)
                return -EAGAIN;
        assert_int_equal(buffer_append(instead, data + 1, (size_t) (end - data - 1)), 0);
        *ret_taken = (size_t) (end - data + 1);
        return 0;
}

static int line_passed(void *userdata _unused_, RelaySide from) {
        n_passed += from == RELAY_A;
        return 0;
}

static int line_ended(void *userdata _unused_, RelaySide from _unused_) {
        return 0;
}

static const RelayFilter line_filter = { .judge = judge_line, .passed = line_passed, .ended = line_ended };

static void start_filtered(const char *head) {
        Buffer *first = buffer_get(&worker->buffers);

        n_passed = 0;
        assert_int_equal(buffer_append(first, head, strlen(head)), 0);
        start(&(RelayOptions){ .a_head = first, .filter = &line_filter, .filter_userdata = &n_passed }, 0);
        relay_start(relay);
}

static void test_a_filter_replaces_and_lets_pass(void **state _unused_) {
        start_filtered("=hel");
        far_send(far_a, "lo\n3ab", 6);
        far_expect(far_b, "hello3ab", 8);
        far_send(far_a, "c=!\n", 4);
        far_expect(far_b, "c!", 2);
        far_send(far_b, "answer", 6);
        far_expect(far_a, "answer", 6);
        shutdown(far_a, SHUT_WR);
        far_expect_end(far_b);
        shutdown(far_b, SHUT_WR);
        expect_done(0, RELAY_A);
}

static void test_what_a_filter_holds_waits_for_it(void **state _unused_) {
        start_filtered("0.");
        far_expect(far_b, "0", 1);
        turn_for(3 * TICK_USEC);
        n_passed = 2;
        relay_resume(relay, RELAY_A);
        far_send(far_b, "x", 1); /* any event */
        far_expect(far_a, "x", 1);
        far_expect(far_b, ".", 1);
        close(far_a);
        far_a = -1;
        far_expect_end(far_b);
}

static void test_a_filter_ends_the_relay_and_the_rest_is_left(void **state _unused_) {
        start_filtered("=a\n2bc");
        far_expect(far_b, "a2bc", 4);
        far_send(far_a, "!rest", 5);
        turn_while(!done);
        assert_int_equal(result.error, -ECANCELED);
        assert_int_equal(buffer_length(left), 5);
        assert_memory_equal(buffer_head(left), "!rest", 5);
        left = buffer_put(&worker->buffers, left);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                relay_test(test_bytes_go_both_ways_and_are_counted),
                relay_test(test_a_tap_sees_what_the_other_side_has_taken),
                relay_test(test_each_direction_ends_by_itself),
                relay_test(test_b_may_end_first),
                relay_test(test_an_end_comes_after_all_bytes),
                relay_test(test_an_end_is_seen_behind_any_number_of_full_reads),
                relay_test(test_an_abort_of_a_ends_both_as_an_abort),
                relay_test(test_an_abort_of_b_ends_both_as_an_abort),
                relay_test(test_an_abort_after_an_end_needs_no_answer_to_be_noticed),
                relay_test(test_an_abort_is_noticed_though_the_sink_takes_nothing),
                relay_test(test_an_abort_after_half_an_end_is_one),
                relay_test(test_a_visitor_that_is_gone_is_noticed_when_the_answer_comes),
                relay_test(test_what_was_read_before_goes_first),
                relay_test(test_a_head_goes_out_before_anything_else_happens),
                relay_test(test_a_peer_that_does_not_read_stops_its_own_direction_only),
                relay_test(test_a_stalled_direction_goes_on),
                relay_test(test_a_freed_relay_says_nothing_and_leaves_the_streams),
                relay_test(test_an_end_is_withheld_until_the_answer_is_complete),
                relay_test(test_the_end_of_such_a_peer_ends_all),
                relay_test(test_an_abort_is_not_withheld),
                relay_test(test_tls_on_one_side),
                relay_test(test_a_lost_tls_leg_is_an_abort),
                relay_test(test_a_rate_holds_both_directions_together),
                relay_test(test_a_share_is_queued_for_once),
                relay_test(test_the_lowest_rate_counts),
                relay_test(test_who_waits_for_a_rate_goes_on_when_it_is_raised),
                relay_test(test_who_waits_for_a_rate_goes_on_when_it_is_lifted),
                relay_test(test_what_was_sent_before_an_abort_waits_for_its_rate),
                relay_test(test_an_abort_does_not_wait_for_a_rate),
                relay_test(test_an_end_is_withheld_while_the_answer_waits_for_its_rate),
                relay_test(test_a_relay_that_waits_for_its_rate_can_be_freed_and_aborted),
                relay_test(test_a_filter_replaces_and_lets_pass),
                relay_test(test_what_a_filter_holds_waits_for_it),
                relay_test(test_a_filter_ends_the_relay_and_the_rest_is_left),
        };

        return cmocka_run_group_tests_name("net/relay", tests, NULL, NULL);
}
