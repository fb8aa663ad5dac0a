/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How streams end: in order, by reset, by a breach of the rules, with the session. */
#include "yamux-fixture.h"

#include <errno.h>
#include <string.h>

/* ---- the end ---- */

static void test_each_direction_ends_by_itself(void **state _unused_) {
        YamuxStream *s = accepted(1);

        feed_text(FIN, 1, "last");
        expect_trace("data 1 last; end 1; ");
        expect_data(s, 5, "00 00 0000 00000001 00000005; ");
        expect_end(s, "00 01 0004 00000001 00000000; ");
        feed(UPDATE, 0, 1, 10); /* late, and fine */
        yamux_close(s);
        expect_trace("released 1; ");
        expect_output(""); /* both ends were said: no RST */
}

static void test_a_stream_goes_on_receiving_after_its_own_end(void **state _unused_) {
        YamuxStream *s = accepted(1);

        expect_end(s, "00 01 0004 00000001 00000000; ");
        feed_text(0, 1, "more");
        feed(UPDATE, FIN, 1, 0);
        expect_trace("data 1 more; end 1; ");
}

typedef struct Violation {
        const char *what;
        uint8_t version, type;
        uint16_t flags;
        uint32_t id, length;
} Violation;

/* Towards a server with streams 1 (live), 3 (ended by the peer), 2 (ours, live), 5 (closed, its RST not
 * sent). */
static void set_up_violation(void) {
        restart(false);
        accepted(1);
        accepted(3);
        feed(UPDATE, FIN, 3, 0);
        opened();
        yamux_close(accepted(5));
        (void) take_trace();
}

static void test_a_peer_that_breaks_the_rules_ends_the_session(void **state _unused_) {
        static const Violation violations[] = {
                { "version 1", 1, UPDATE, 0, 1, 0 },
                { "version 255", 255, DATA, 0, 1, 0 },
                { "type 4", 0, 4, 0, 1, 0 },
                { "type 255", 0, 255, 0, 0, 0 },
                { "an unknown flag", 0, UPDATE, 16, 1, 0 },
                { "a flag of the high byte", 0, DATA, 0x100 | FIN, 1, 0 },
                { "data for id 0", 0, DATA, 0, 0, 5 },
                { "a window for id 0", 0, UPDATE, 0, 0, 5 },
                { "SYN for id 0", 0, UPDATE, SYN, 0, 5 },
                { "a ping with an id", 0, PING, SYN, 1, 5 },
                { "a pong with an id", 0, PING, ACK, 1, 5 },
                { "go away with an id", 0, GO_AWAY, 0, 1, 0 },
                { "SYN with our parity", 0, UPDATE, SYN, 8, 0 },
                { "SYN of our live stream", 0, DATA, SYN, 2, 0 },
                { "SYN of a live stream", 0, UPDATE, SYN, 1, 0 },
                { "SYN of an ended stream", 0, DATA, SYN, 3, 1 },
                { "SYN of a closed stream whose RST is not sent", 0, UPDATE, SYN, 5, 0 },
                { "data of a stream never opened", 0, DATA, 0, 7, 1 },
                { "a window of a stream never opened", 0, UPDATE, 0, 7, 1 },
                { "RST of a stream never opened", 0, UPDATE, RST, 9, 0 },
                { "a frame of a stream that we have not opened", 0, UPDATE, ACK, 4, 0 },
                { "data after FIN", 0, DATA, 0, 3, 1 },
                { "a second FIN", 0, UPDATE, FIN, 3, 0 },
                { "a second FIN on data", 0, DATA, FIN, 3, 0 },
                { "more than the window", 0, DATA, 0, 1, WINDOW + 1 },
                { "far more than the window", 0, DATA, RST, 1, UINT32_MAX },
                { "a window above 32 bits", 0, UPDATE, 0, 1, UINT32_MAX - WINDOW + 1 },
                { "a window above 32 bits with SYN", 0, UPDATE, SYN, 11, UINT32_MAX },
        };

        for (size_t i = 0; i < ELEMENTSOF(violations); i++) {
                const Violation *v = &violations[i];
                uint8_t header[YAMUX_HEADER_BYTES];
                const char *seen;

                set_up_violation();
                make_header(header, v->type, v->flags, v->id, v->length);
                header[0] = v->version;
                if (yamux_input(&y, header, sizeof(header)) != -EPROTO)
                        fail_msg("%s is accepted", v->what);
                seen = take_trace();
                if (*seen && !(v->flags & SYN))
                        fail_msg("%s has an effect: %s", v->what, seen);
        }
}

static void test_empty_data_after_the_end_does_no_harm(void **state _unused_) {
        accepted(1);
        feed(UPDATE, FIN, 1, 0);
        feed(DATA, 0, 1, 0);
        feed(UPDATE, 0, 1, 10);
        expect_trace("end 1; ");
}

static void test_frames_of_a_stream_once_open_are_skipped(void **state _unused_) {
        YamuxStream *theirs = accepted(1), *ours = opened();

        yamux_close(theirs);
        yamux_close(ours);
        expect_output("00 01 0008 00000001 00000000; 00 01 0008 00000002 00000000; ");
        expect_trace("released 1; released 2; ");
        for (uint32_t id = 1; id <= 2; id++) {
                feed_text(0, id, "late");
                feed_zeros(id, 3 * WINDOW); /* whose window nobody counts any more */
                feed(UPDATE, 0, id, UINT32_MAX);
                feed(UPDATE, 0, id, UINT32_MAX);
                feed_text(FIN, id, "end");
                feed(UPDATE, FIN, id, 0);
                feed(UPDATE, RST, id, 0);
                feed(UPDATE, ACK, id, 0);
        }
        expect_trace("");
        feed_text(SYN, 3, "live");
        expect_trace("opened 3; data 3 live; ");
}

/* ---- reset and close ---- */

static void test_the_peer_s_reset_closes(void **state _unused_) {
        accepted(1);
        opened();
        feed(UPDATE, RST, 1, 0);
        feed(DATA, RST, 2, 3);
        assert_int_equal(yamux_input(&y, (const uint8_t *) "abc", 3), 0); /* nobody's */
        expect_trace("reset 1; released 1; reset 2; released 2; ");
        expect_output("");
}

static void test_a_refusal_of_our_stream_is_a_reset(void **state _unused_) {
        YamuxStream *s = new_stream();

        assert_int_equal(yamux_open(&y, s), 0);
        expect_data(s, 5, "00 00 0001 00000002 00000005; ");
        feed(UPDATE, RST, 2, 0);
        expect_trace("reset 2; released 2; ");
        expect_output("");
}

static void test_a_stream_that_opens_with_reset_is_over_at_once(void **state _unused_) {
        feed(UPDATE, SYN | RST, 1, 0);
        expect_trace("opened 1; reset 1; released 1; ");
        expect_output("");
}

static void test_a_reset_outweighs_an_end(void **state _unused_) {
        accepted(1);
        feed(UPDATE, FIN | RST, 1, 0);
        expect_trace("reset 1; released 1; ");
}

static void test_close_says_rst_unless_both_ends_were_said(void **state _unused_) {
        static const struct {
                bool end, peer_ends;
                const char *expected;
        } cases[] = {
                { false, false, "00 01 0008 00000001 00000000; " },
                { true, false, "00 01 0008 00000001 00000000; " },
                { false, true, "00 01 0008 00000001 00000000; " },
                { true, true, "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                YamuxStream *s;

                restart(false);
                s = accepted(1);
                if (cases[i].end)
                        yamux_end(s, (uint8_t[YAMUX_HEADER_BYTES]){});
                if (cases[i].peer_ends)
                        feed(UPDATE, FIN, 1, 0);
                (void) take_trace();
                yamux_close(s);
                expect_trace(cases[i].expected[0] ? "" : "released 1; ");
                if (cases[i].expected[0])
                        yamux_close(s); /* still there: once is enough */
                expect_output(cases[i].expected);
                expect_trace(cases[i].expected[0] ? "released 1; " : "");
        }
}

/* Its SYN is with data that are still to be sent: control frames go in front of those, this one behind. */
static void test_the_last_frame_of_a_stream_is_not_a_control_frame(void **state _unused_) {
        YamuxStream *s = new_stream();
        uint8_t frame[YAMUX_HEADER_BYTES];

        assert_int_equal(yamux_open(&y, s), 0);
        expect_data(s, 5, "00 00 0001 00000002 00000005; ");
        yamux_close(s);
        assert_true(yamux_has_output(&y));
        assert_int_equal(yamux_output(&y, frame, sizeof(frame)), 0);
        assert_int_equal(yamux_output_last(&y, frame, sizeof(frame)), YAMUX_HEADER_BYTES);
        assert_memory_equal(frame, "\0\1\0\10\0\0\0\2\0\0\0", sizeof(frame));
        expect_trace("released 2; ");
}

static void test_a_closed_stream_hears_nothing_any_more(void **state _unused_) {
        YamuxStream *s = accepted(1);

        yamux_begin_data(s, WINDOW, (uint8_t[YAMUX_HEADER_BYTES]){});
        yamux_close(s); /* its RST is not written yet */
        assert_int_equal(yamux_may_send(s), 0);
        yamux_consumed(s, WINDOW, 1);
        feed_text(0, 1, "late");
        feed(UPDATE, 0, 1, 10);
        feed(UPDATE, FIN, 1, 0);
        feed(UPDATE, RST, 1, 0);
        expect_trace("");
        expect_output("00 01 0008 00000001 00000000; ");
        expect_trace("released 1; ");
}

static void test_a_stream_closed_in_the_middle_of_its_frame_gets_no_more_of_it(void **state _unused_) {
        YamuxStream *s = accepted(1);

        feed(DATA, FIN, 1, 6);
        assert_int_equal(yamux_input(&y, (const uint8_t *) "abc", 3), 0);
        yamux_close(s);
        assert_int_equal(yamux_input(&y, (const uint8_t *) "def", 3), 0);
        expect_trace("data 1 abc; ");
        feed_text(SYN, 3, "ghi");
        expect_trace("opened 3; data 3 ghi; ");
        expect_output("00 01 0002 00000003 00000000; 00 01 0008 00000001 00000000; ");
}

static void test_streams_may_be_closed_inside_events(void **state _unused_) {
        static const struct {
                const char *at, *expected, *output;
        } cases[] = {
                { "opened", "opened 1; ", "00 01 000a 00000001 00000000; " },
                { "data", "opened 1; data 1 a; ", "00 01 000a 00000001 00000000; " },
                { "end", "opened 1; data 1 abc; end 1; ", "00 01 000a 00000001 00000000; " },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                restart(false);
                close_at = cases[i].at;
                feed(DATA, SYN | FIN, 1, 3);
                for (unsigned k = 0; k < 3; k++)
                        assert_int_equal(yamux_input(&y, (const uint8_t *) "abc" + k, 1), 0);
                expect_trace(cases[i].expected);
                expect_output(cases[i].output);
                expect_trace("released 1; ");
        }
}

static void test_a_stream_may_be_closed_when_it_is_writable(void **state _unused_) {
        YamuxStream *s = accepted(1);

        yamux_begin_data(s, WINDOW, (uint8_t[YAMUX_HEADER_BYTES]){});
        close_at = "writable";
        feed(UPDATE, FIN, 1, 10); /* its end is nobody's then */
        expect_trace("writable 1; ");
        expect_output("00 01 0008 00000001 00000000; ");
        expect_trace("released 1; ");
}

static void test_a_stream_may_be_released_inside_its_last_event(void **state _unused_) {
        YamuxStream *s = accepted(1);

        yamux_end(s, (uint8_t[YAMUX_HEADER_BYTES]){});
        close_at = "end";
        feed_text(FIN, 1, "x");
        expect_trace("data 1 x; end 1; released 1; ");
        expect_output("");
}

static void test_open_streams_are_released_with_the_session(void **state _unused_) {
        accepted(1);
        opened();
        yamux_close(accepted(3));
        expect_trace("");
        yamux_done(&y);
        expect_trace("released 1; released 2; released 3; ");
}

/* A session may be over in the middle of its input; what is left of that has no effect. */
static void on_opened_done(YamuxStream *s _unused_, void *userdata _unused_) {
        yamux_done(&y);
        refuse_streams = true;
}

static void test_a_session_may_be_done_inside_opened(void **state _unused_) {
        YamuxEvents other = yamux_test_events;

        other.opened = on_opened_done;
        y.events = &other;
        feed_text(SYN | FIN, 1, "abc");
        feed_text(SYN, 3, "abc");
        expect_trace("released 1; ");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                yamux_test(test_each_direction_ends_by_itself),
                yamux_test(test_a_stream_goes_on_receiving_after_its_own_end),
                yamux_test(test_a_peer_that_breaks_the_rules_ends_the_session),
                yamux_test(test_empty_data_after_the_end_does_no_harm),
                yamux_test(test_frames_of_a_stream_once_open_are_skipped),
                yamux_test(test_the_peer_s_reset_closes),
                yamux_test(test_a_refusal_of_our_stream_is_a_reset),
                yamux_test(test_a_stream_that_opens_with_reset_is_over_at_once),
                yamux_test(test_a_reset_outweighs_an_end),
                yamux_test(test_close_says_rst_unless_both_ends_were_said),
                yamux_test(test_the_last_frame_of_a_stream_is_not_a_control_frame),
                yamux_test(test_a_closed_stream_hears_nothing_any_more),
                yamux_test(test_a_stream_closed_in_the_middle_of_its_frame_gets_no_more_of_it),
                yamux_test(test_streams_may_be_closed_inside_events),
                yamux_test(test_a_stream_may_be_closed_when_it_is_writable),
                yamux_test(test_a_stream_may_be_released_inside_its_last_event),
                yamux_test(test_open_streams_are_released_with_the_session),
                yamux_test(test_a_session_may_be_done_inside_opened),
        };

        return cmocka_run_group_tests_name("proto/yamux: ends", tests, NULL, NULL);
}
