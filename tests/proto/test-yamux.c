/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "yamux-fixture.h"

#include <errno.h>
#include <string.h>

/* ---- opening ---- */

static void test_a_client_s_ids_are_odd_and_a_server_s_even(void **state _unused_) {
        for (unsigned i = 0; i < 2; i++) {
                restart(i == 0);
                for (unsigned k = 0; k < 3; k++)
                        assert_int_equal(yamux_open(&y, new_stream()), 0);
                expect_output(i == 0 ? "00 01 0001 00000001 00000000; 00 01 0001 00000003 00000000; "
                                       "00 01 0001 00000005 00000000; "
                                     : "00 01 0001 00000002 00000000; 00 01 0001 00000004 00000000; "
                                       "00 01 0001 00000006 00000000; ");
        }
}

static void test_syn_goes_with_the_first_data(void **state _unused_) {
        YamuxStream *s = new_stream();

        assert_int_equal(yamux_open(&y, s), 0);
        assert_int_equal(yamux_may_send(s), WINDOW); /* at once, without an answer */
        expect_data(s, 5, "00 00 0001 00000002 00000005; ");
        expect_data(s, 0x123456 & 0xffff, "00 00 0000 00000002 00003456; ");
        assert_int_equal(yamux_output(&y, (uint8_t[64]){}, 64), 0);
}

static void test_syn_goes_with_the_end_of_a_stream_without_data(void **state _unused_) {
        YamuxStream *s = new_stream();

        assert_int_equal(yamux_open(&y, s), 0);
        expect_end(s, "00 01 0005 00000002 00000000; ");
        assert_int_equal(yamux_may_send(s), 0);
        assert_int_equal(yamux_output(&y, (uint8_t[64]){}, 64), 0);
}

static void test_a_stream_closed_before_its_syn_says_both(void **state _unused_) {
        YamuxStream *s = new_stream();

        assert_int_equal(yamux_open(&y, s), 0);
        yamux_close(s);
        expect_trace("");
        expect_output("00 01 0009 00000002 00000000; ");
        expect_trace("released 2; ");
}

static void test_ack_is_sent_once_with_whatever_comes_first(void **state _unused_) {
        feed(UPDATE, SYN, 1, 0);
        expect_output("00 01 0002 00000001 00000000; ");
        feed(UPDATE, SYN, 3, 0);
        expect_data(nth(1), 7, "00 00 0002 00000003 00000007; ");
        expect_data(nth(1), 7, "00 00 0000 00000003 00000007; ");
        feed(UPDATE, SYN, 5, 0);
        expect_end(nth(2), "00 01 0006 00000005 00000000; ");
        feed(UPDATE, SYN, 7, 0);
        yamux_close(nth(3));
        expect_output("00 01 000a 00000007 00000000; ");
        feed(UPDATE, SYN, 9, 0);
        expect_output("00 01 0002 00000009 00000000; ");
        expect_data(nth(4), 1, "00 00 0000 00000009 00000001; ");
        expect_trace("opened 1; opened 3; opened 5; opened 7; released 7; opened 9; ");
}

static void test_a_stream_opens_with_data_or_with_a_window_update(void **state _unused_) {
        feed_text(SYN, 1, "hello");
        feed(UPDATE, SYN, 3, 0);
        feed_text(0, 3, "there");
        feed_text(SYN | FIN, 5, "all");
        feed(DATA, SYN, 7, 0);
        feed(UPDATE, SYN | FIN, 9, 0);
        expect_trace("opened 1; data 1 hello; opened 3; data 3 there; opened 5; data 5 all; end 5; opened 7; "
                     "opened 9; end 9; ");
}

static void test_the_peer_s_ids_may_leave_gaps(void **state _unused_) {
        feed(UPDATE, SYN, 101, 0);
        feed(UPDATE, 0, 99, 5); /* counts as once open */
        feed(UPDATE, SYN, UINT32_MAX, 0);
        expect_trace("opened 101; opened 4294967295; ");
}

/* Go programs open streams in several threads. */
static void test_the_peer_s_ids_may_come_in_any_order(void **state _unused_) {
        feed_text(SYN, 5, "abc");
        feed(UPDATE, 0, 3, 1); /* counts as once open */
        feed_text(SYN, 3, "def");
        feed_text(0, 5, "ghi");
        feed_text(0, 3, "jkl");
        assert_int_equal(try_frame(UPDATE, 0, 7, 1), -EPROTO);
        expect_trace("opened 5; data 5 abc; opened 3; data 3 def; data 5 ghi; data 3 jkl; ");
}

static void test_a_stream_that_is_not_wanted_is_reset(void **state _unused_) {
        refuse_streams = true;
        feed_text(SYN, 1, "abc");
        feed_text(0, 1, "never read");
        feed(UPDATE, FIN, 1, 0);
        expect_trace("");
        expect_output("00 01 0008 00000001 00000000; ");
        refuse_streams = false;
        feed_text(SYN, 3, "abc");
        expect_trace("opened 3; data 3 abc; ");
}

static void test_too_many_refusals_unread_end_the_session(void **state _unused_) {
        uint32_t id = 1;

        refuse_streams = true;
        for (unsigned i = 0; i < YAMUX_PINGS_MAX; i++, id += 2)
                feed(UPDATE, SYN, id, 0);
        (void) yamux_output(&y, (uint8_t[YAMUX_HEADER_BYTES]){}, YAMUX_HEADER_BYTES);
        feed(UPDATE, SYN, id, 0);
        assert_int_equal(try_frame(UPDATE, SYN, id + 2, 0), -ENOBUFS);
}

static void test_ids_are_used_up_some_time(void **state _unused_) {
        YamuxStream none = {};

        assert_false(yamux_is_wearing_out(&y));
        y.next_id = UINT32_MAX - (1U << 20) - 1;
        assert_false(yamux_is_wearing_out(&y));
        opened();
        assert_true(yamux_is_wearing_out(&y));
        y.next_id = UINT32_MAX - 3; /* the last but one even number */
        opened();
        assert_int_equal(nth(1)->id, UINT32_MAX - 3);
        assert_int_equal(yamux_open(&y, &none), -ENOBUFS);
        assert_null(none.yamux);
        assert_int_equal(try_frame(UPDATE, 0, UINT32_MAX - 3, 1), 0);
        restart(true);
        y.next_id = UINT32_MAX - 2;
        opened();
        assert_int_equal(yamux_open(&y, &none), -ENOBUFS);
}

/* ---- sending ---- */

static void test_only_data_uses_the_send_window_up(void **state _unused_) {
        YamuxStream *s = accepted(1);

        assert_int_equal(yamux_may_send(s), WINDOW);
        expect_data(s, WINDOW - 1, "00 00 0000 00000001 0003ffff; ");
        assert_int_equal(yamux_may_send(s), 1);
        expect_data(s, 1, "00 00 0000 00000001 00000001; ");
        assert_int_equal(yamux_may_send(s), 0);
}

static void test_an_update_makes_an_exhausted_stream_writable_once(void **state _unused_) {
        YamuxStream *s = accepted(1);
        uint8_t header[YAMUX_HEADER_BYTES];

        feed(UPDATE, 0, 1, 7);
        expect_trace(""); /* it could send all the time */
        yamux_begin_data(s, WINDOW + 7, header);
        feed(UPDATE, 0, 1, 0);
        expect_trace("");
        feed(UPDATE, 0, 1, 10);
        feed(UPDATE, 0, 1, 20);
        expect_trace("writable 1; ");
        assert_int_equal(yamux_may_send(s), 30);
}

static void test_an_ended_stream_is_not_told_that_it_may_send(void **state _unused_) {
        YamuxStream *s = accepted(1);
        uint8_t header[YAMUX_HEADER_BYTES];

        yamux_begin_data(s, WINDOW, header);
        yamux_end(s, header);
        feed(UPDATE, 0, 1, 10);
        expect_trace("");
        assert_int_equal(yamux_may_send(s), 0);
}

static void test_an_update_with_syn_or_ack_raises_the_window_at_once(void **state _unused_) {
        YamuxStream *ours = opened();

        feed(UPDATE, SYN, 1, 1000);
        assert_int_equal(yamux_may_send(nth(1)), WINDOW + 1000);
        feed(UPDATE, ACK, 2, 2000);
        assert_int_equal(yamux_may_send(ours), WINDOW + 2000);
        feed_text(ACK, 2, "abc"); /* no window in it; a second ACK means nothing */
        assert_int_equal(yamux_may_send(ours), WINDOW + 2000);
        expect_trace("opened 1; data 2 abc; ");
}

static void test_a_send_window_may_not_exceed_32_bits(void **state _unused_) {
        YamuxStream *s = accepted(1);

        feed(UPDATE, 0, 1, UINT32_MAX - WINDOW);
        assert_int_equal(yamux_may_send(s), UINT32_MAX);
        assert_int_equal(try_frame(UPDATE, 0, 1, 1), -EPROTO);
}

/* ---- receiving ---- */

static void test_a_full_window_is_taken_and_one_byte_more_is_not(void **state _unused_) {
        for (unsigned i = 0; i < 2; i++) {
                restart(false);
                accepted(1);
                feed(UPDATE, 0, 1, 100); /* of the other direction */
                feed_zeros(1, i == 0 ? WINDOW : 1);
                if (i == 1)
                        feed_zeros(1, WINDOW - 1);
                feed(DATA, 0, 1, 0);
                assert_int_equal(try_frame(DATA, 0, 1, 1), -EPROTO);
        }
        restart(false);
        assert_int_equal(try_frame(DATA, SYN, 1, WINDOW + 1), -EPROTO);
}

static void test_the_peer_may_send_more_when_half_the_window_is_read(void **state _unused_) {
        YamuxStream *s = accepted(1);

        feed_zeros(1, WINDOW);
        yamux_consumed(s, WINDOW / 2 - 1, 1);
        expect_output("");
        yamux_consumed(s, 1, 1);
        expect_output("00 01 0000 00000001 00020000; ");
        feed_zeros(1, WINDOW / 2);
        assert_int_equal(try_frame(DATA, 0, 1, 1), -EPROTO);
}

static void test_what_is_read_before_the_answer_goes_with_it(void **state _unused_) {
        feed_text(SYN, 1, "abcde");
        yamux_consumed(nth(0), 5, 1);
        expect_output("00 01 0002 00000001 00000005; ");
        expect_trace("opened 1; data 1 abcde; ");
}

static void test_who_sends_no_more_gets_no_window(void **state _unused_) {
        YamuxStream *s = accepted(1);

        feed_zeros(1, WINDOW);
        feed(DATA, FIN, 1, 0);
        yamux_consumed(s, WINDOW, 1);
        expect_output("");
        expect_trace("end 1; ");
}

/* A window is read up in ELAPSED, twice; what the second update grants. */
static void check_growth(uint32_t round_trip, uint64_t elapsed, bool may_grow, const char *expected) {
        YamuxStream *s;

        restart(false);
        s = accepted(1);
        y.round_trip_usec = round_trip;
        y.may_grow = may_grow;
        feed_zeros(1, WINDOW / 2);
        yamux_consumed(s, WINDOW / 2, 1000000);
        expect_output("00 01 0000 00000001 00020000; "); /* nothing to compare the first one with */
        feed_zeros(1, WINDOW / 2);
        yamux_consumed(s, WINDOW / 2, 1000000 + elapsed);
        expect_output(expected);
}

static void test_a_window_doubles_while_the_round_trip_limits_it(void **state _unused_) {
        static const char plain[] = "00 01 0000 00000001 00020000; ",
                          grown[] = "00 01 0000 00000001 00060000; ";

        check_growth(50000, 0, true, grown);
        check_growth(50000, 99999, true, grown);
        check_growth(50000, 100000, true, plain);
        check_growth(50000, 10, false, plain);
        check_growth(0, 10, true, plain); /* unknown */
        check_growth(UINT32_MAX, UINT64_C(2) * UINT32_MAX - 1, true, grown);
        check_growth(UINT32_MAX, UINT64_C(2) * UINT32_MAX, true, plain);
}

static void test_a_window_grows_up_to_16_mib(void **state _unused_) {
        YamuxStream *s = accepted(1);
        uint32_t window = WINDOW;

        y.round_trip_usec = 1000;
        for (uint64_t now = 1; now < 12; now++) {
                feed_zeros(1, window / 2);
                yamux_consumed(s, window / 2, now);
                if (now > 1 && window < YAMUX_WINDOW_MAX)
                        window *= 2;
                assert_int_equal(yamux_output(&y, (uint8_t[64]){}, 64), YAMUX_HEADER_BYTES);
                assert_int_equal(s->receive_window, window);
        }
        assert_int_equal(window, YAMUX_WINDOW_MAX);
        feed_zeros(1, window);
        assert_int_equal(try_frame(DATA, 0, 1, 1), -EPROTO);
}

/* ---- ping and go away ---- */

static void test_a_ping_is_answered_with_its_value(void **state _unused_) {
        feed(PING, SYN, 0, 0x01020304);
        feed(PING, SYN, 0, UINT32_MAX);
        expect_output("00 02 0002 00000000 01020304; 00 02 0002 00000000 ffffffff; ");
        expect_trace("");
}

static void test_our_ping_is_answered_by_a_pong(void **state _unused_) {
        yamux_ping(&y, 42);
        expect_output("00 02 0001 00000000 0000002a; ");
        feed(PING, ACK, 0, 42);
        expect_trace("pong 42; ");
        expect_output("");
}

static void test_too_many_pings_unanswered_end_the_session(void **state _unused_) {
        for (uint32_t i = 0; i < YAMUX_PINGS_MAX; i++)
                feed(PING, SYN, 0, i);
        feed(PING, ACK, 0, 1); /* costs nothing */
        assert_int_equal(try_frame(PING, SYN, 0, 99), -ENOBUFS);
        (void) yamux_output(&y, (uint8_t[YAMUX_HEADER_BYTES]){}, YAMUX_HEADER_BYTES);
        feed(PING, SYN, 0, 99);
}

static void test_go_away_is_told_with_its_code(void **state _unused_) {
        feed(GO_AWAY, 0, 0, 0);
        feed(GO_AWAY, 0, 0, 2);
        expect_trace("go away 0; go away 2; ");
        feed_text(SYN, 1, "open ones go on, and so do crossing ones");
        yamux_go_away(&y, YAMUX_NORMAL);
        expect_data(nth(0), 1, "00 00 0002 00000001 00000001; ");
        expect_output("00 03 0000 00000000 00000000; ");
        yamux_go_away(&y, YAMUX_PROTOCOL_ERROR);
        expect_output("00 03 0000 00000000 00000001; ");
        yamux_go_away(&y, YAMUX_INTERNAL_ERROR);
        expect_output("00 03 0000 00000000 00000002; ");
}

static void test_output_comes_in_whole_frames_however_little_room_there_is(void **state _unused_) {
        uint8_t frame[2 * YAMUX_HEADER_BYTES];
        unsigned n = 0;

        yamux_close(accepted(5));
        feed(PING, SYN, 0, 7);
        refuse_streams = true;
        feed(UPDATE, SYN, 1, 0);
        refuse_streams = false;
        feed(UPDATE, SYN, 3, 0);
        yamux_ping(&y, 1);
        yamux_go_away(&y, YAMUX_NORMAL);
        assert_int_equal(yamux_output(&y, frame, YAMUX_HEADER_BYTES - 1), 0);
        assert_int_equal(yamux_output_last(&y, frame, YAMUX_HEADER_BYTES - 1), 0);
        for (; yamux_output(&y, frame, YAMUX_HEADER_BYTES + n) > 0; n++)
                ;
        assert_int_equal(n, 5);
        assert_int_equal(yamux_output_last(&y, frame, sizeof(frame) - 1), YAMUX_HEADER_BYTES);
        assert_false(yamux_has_output(&y));
}

/* ---- input ---- */

static size_t add_frame(uint8_t *p, uint8_t type, uint16_t flags, uint32_t id, const char *text) {
        size_t n = strlen(text);

        make_header(p, type, flags, id, type == DATA ? (uint32_t) n : 1000);
        memcpy(p + YAMUX_HEADER_BYTES, text, type == DATA ? n : 0);
        return YAMUX_HEADER_BYTES + (type == DATA ? n : 0);
}

static size_t make_session(uint8_t *p) {
        size_t n = add_frame(p, DATA, SYN, 1, "abcdef");

        n += add_frame(p + n, UPDATE, SYN, 3, "");
        n += add_frame(p + n, PING, ACK, 0, "");
        n += add_frame(p + n, DATA, 0, 3, "ghi");
        n += add_frame(p + n, DATA, FIN, 1, "jkl");
        n += add_frame(p + n, DATA, 0, 3, "");
        n += add_frame(p + n, UPDATE, RST, 3, "");
        n += add_frame(p + n, DATA, 0, 3, "skipped");
        n += add_frame(p + n, DATA, SYN | FIN, 5, "");
        return n + add_frame(p + n, GO_AWAY, 0, 0, "");
}

static void test_input_cut_anywhere_gives_the_same_events(void **state _unused_) {
        static const char expected[] =
                "opened 1; data 1 abcdef; opened 3; pong 1000; data 3 ghi; data 1 jkl; end 1; "
                "reset 3; released 3; opened 5; end 5; go away 1000; ";
        uint8_t session[512];
        size_t n = make_session(session);

        for (size_t i = 0; i < n; i++) {
                restart(false);
                assert_int_equal(yamux_input(&y, session, i), 0);
                assert_int_equal(yamux_input(&y, session + i, n - i), 0);
                expect_trace(expected);
        }
        restart(false);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(yamux_input(&y, session + i, 1), 0);
        expect_trace(expected);
}

static void test_two_sessions_understand_each_other_byte_for_byte(void **state _unused_) {
        YamuxStream *s;
        uint8_t frames[4 * YAMUX_HEADER_BYTES];
        size_t n;

        restart(true);
        s = new_stream();
        assert_int_equal(yamux_open(&y, s), 0);
        yamux_ping(&y, 5);
        n = yamux_output(&y, frames, sizeof(frames));
        yamux_end(s, frames + n);
        n += YAMUX_HEADER_BYTES;
        restart(false);
        assert_int_equal(yamux_input(&y, frames, n), 0);
        expect_trace("opened 1; end 1; ");
        expect_output("00 02 0002 00000000 00000005; 00 01 0002 00000001 00000000; ");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                yamux_test(test_a_client_s_ids_are_odd_and_a_server_s_even),
                yamux_test(test_syn_goes_with_the_first_data),
                yamux_test(test_syn_goes_with_the_end_of_a_stream_without_data),
                yamux_test(test_a_stream_closed_before_its_syn_says_both),
                yamux_test(test_ack_is_sent_once_with_whatever_comes_first),
                yamux_test(test_a_stream_opens_with_data_or_with_a_window_update),
                yamux_test(test_the_peer_s_ids_may_leave_gaps),
                yamux_test(test_the_peer_s_ids_may_come_in_any_order),
                yamux_test(test_a_stream_that_is_not_wanted_is_reset),
                yamux_test(test_too_many_refusals_unread_end_the_session),
                yamux_test(test_ids_are_used_up_some_time),
                yamux_test(test_only_data_uses_the_send_window_up),
                yamux_test(test_an_update_makes_an_exhausted_stream_writable_once),
                yamux_test(test_an_ended_stream_is_not_told_that_it_may_send),
                yamux_test(test_an_update_with_syn_or_ack_raises_the_window_at_once),
                yamux_test(test_a_send_window_may_not_exceed_32_bits),
                yamux_test(test_a_full_window_is_taken_and_one_byte_more_is_not),
                yamux_test(test_the_peer_may_send_more_when_half_the_window_is_read),
                yamux_test(test_what_is_read_before_the_answer_goes_with_it),
                yamux_test(test_who_sends_no_more_gets_no_window),
                yamux_test(test_a_window_doubles_while_the_round_trip_limits_it),
                yamux_test(test_a_window_grows_up_to_16_mib),
                yamux_test(test_a_ping_is_answered_with_its_value),
                yamux_test(test_our_ping_is_answered_by_a_pong),
                yamux_test(test_too_many_pings_unanswered_end_the_session),
                yamux_test(test_go_away_is_told_with_its_code),
                yamux_test(test_output_comes_in_whole_frames_however_little_room_there_is),
                yamux_test(test_input_cut_anywhere_gives_the_same_events),
                yamux_test(test_two_sessions_understand_each_other_byte_for_byte),
        };

        return cmocka_run_group_tests_name("proto/yamux", tests, NULL, NULL);
}
