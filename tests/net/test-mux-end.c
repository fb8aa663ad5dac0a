/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a mux ends, and what may happen in the middle of its events; what it says byte for byte; its moves
 * between workers. */
#include "mux-fixture.h"

#include <sys/socket.h>

static void test_a_lost_transport_aborts_every_stream(void **state _unused_) {
        End *open, *theirs, *half, *shut;
        int far;

        start_mux_towards(&client, &far);
        open = open_stream(&client);
        half = open_stream(&client);
        end_shut(half);
        turn_for(TICK_USEC);
        far_reset(far);
        turn_while(!client.ended);
        assert_int_equal(client.error, -ECONNRESET);
        end_expect_result(open, -ECONNRESET);
        end_expect_result(half, -ECONNRESET);
        assert_int_equal(stream_write(open->stream, "x", 1), -ECONNRESET);

        start_muxes(0); /* the same for an end that the other side asked for */
        client.ended = false;
        open_pair(&open, &theirs);
        open_pair(&half, &shut);
        end_shut(half);
        mux_end(server.mux);
        turn_while(!client.ended);
        assert_int_equal(client.error, 0);
        end_expect_result(open, -ECONNRESET);
        end_expect_result(half, -ECONNRESET);
}

static void test_what_has_ended_both_ways_is_read_without_the_mux(void **state _unused_) {
        _cleanup_free_ uint8_t *bytes = noise(100000, 1);
        End *ours, *theirs;

        start_muxes(0);
        open_pair(&ours, &theirs);
        stream_set_events(ours->stream, 0);
        end_shut(ours);
        end_expect_result(theirs, 0);
        end_send(theirs, bytes, 100000);
        end_shut(theirs);
        end_done(theirs);
        turn_while(server.n_emptied == 0);
        server.mux = mux_free(server.mux);
        turn_while(!client.ended);
        end_listen(ours);
        end_expect(ours, bytes, 100000);
        end_expect_result(ours, 0);
}

static void test_go_away_is_told_and_streams_go_on(void **state _unused_) {
        End *ours, *theirs;

        start_muxes(0);
        open_pair(&ours, &theirs);
        mux_go_away(server.mux);
        turn_while(client.n_go_away == 0);
        end_send(ours, "still", 5);
        end_expect(theirs, "still", 5);
        open_pair_from(&server, &ours, &theirs);
        end_send(ours, "here", 4);
        end_expect(theirs, "here", 4);
        assert_int_equal(client.n_go_away, 1);
        assert_int_equal(server.n_go_away, 0);
}

static void test_a_mux_is_emptied_by_the_last_stream(void **state _unused_) {
        End *ours, *theirs, *other, *others;
        unsigned before;

        start_muxes(0);
        open_pair(&ours, &theirs);
        open_pair(&other, &others);
        before = client.n_emptied;
        end_shut(ours);
        end_expect_result(theirs, 0);
        end_shut(theirs);
        end_expect_result(ours, 0);
        end_done(ours);
        turn_for(2 * TICK_USEC);
        assert_int_equal(client.n_emptied, before);
        end_done(other); /* aborted by us */
        turn_while(client.n_emptied == before);
}

static void test_a_mux_is_emptied_also_after_the_peer_s_reset(void **state _unused_) {
        End *ours, *theirs;
        unsigned before;

        start_muxes(0);
        open_pair(&ours, &theirs);
        end_done(theirs);
        end_expect_result(ours, -ECONNRESET);
        turn_for(2 * TICK_USEC);
        before = client.n_emptied;
        end_done(ours);
        turn_while(client.n_emptied == before);
}

/* ---- freed inside events ---- */

static void on_event_free_mux(Stream *s _unused_, unsigned events _unused_, void *userdata) {
        Side *side = userdata;

        side->mux = mux_free(side->mux);
}

static void test_a_mux_may_be_freed_in_a_stream_s_callback(void **state _unused_) {
        End *ours, *theirs, *other, *others;

        start_muxes(0);
        open_pair(&ours, &theirs);
        open_pair(&other, &others);
        stream_set_callback(theirs->stream, on_event_free_mux, &server);
        end_send(ours, "x", 1);
        end_send(other, "y", 1);
        turn_while(server.mux);
        turn_while(!client.ended);
        end_listen(others);
        end_expect_result(others, -ECONNRESET);
}

static void on_opened_free_all(Mux *m, Stream *s, void *userdata) {
        Side *side = userdata;

        side->mux = mux_free(m);
        stream_free(s);
}

static void on_opened_free_mux(Mux *m, Stream *s, void *userdata) {
        Side *side = userdata;

        side->arrived = new_end(s);
        side->mux = mux_free(m);
}

static void on_opened_free_stream(Mux *m _unused_, Stream *s, void *userdata) {
        ((Side *) userdata)->n_go_away++; /* as a mark */
        stream_free(s);
}

/* More of the peer's input follows in the same read. */
static void open_with_bytes(unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                End *e = open_stream(&client);

                assert_int_equal(stream_write(e->stream, "bytes", 5), 5);
                end_shut(e);
        }
}

static void test_a_mux_may_be_freed_inside_opened(void **state _unused_) {
        static const MuxEvents free_all = { .opened = on_opened_free_all, .ended = on_side_ended };
        static const MuxEvents free_mux = { .opened = on_opened_free_mux, .ended = on_side_ended };

        start_muxes(0);
        mux_set_events(server.mux, &free_all, &server);
        open_with_bytes(3);
        turn_while(server.mux);
        turn_while(!client.ended);

        start_muxes(0);
        client.ended = false;
        mux_set_events(server.mux, &free_mux, &server);
        open_with_bytes(3);
        turn_while(server.mux);
        turn_while(!client.ended);
        end_expect_result(server.arrived, -ECONNRESET);
}

static void test_a_stream_may_be_freed_inside_opened(void **state _unused_) {
        static const MuxEvents free_stream = { .opened = on_opened_free_stream, .ended = on_side_ended };

        start_muxes(0);
        mux_set_events(server.mux, &free_stream, &server);
        open_with_bytes(3);
        turn_while(server.n_go_away < 3);
        turn_while(mux_count_streams(server.mux) > 0);
        assert_false(client.ended);
}

static void on_direct_event(Stream *s, unsigned events _unused_, void *userdata) {
        End **ends = userdata;

        assert_ptr_equal(s, ends[0]->stream);
        ends[0]->stream = stream_free(s);
        ends[1]->stream = stream_free(ends[1]->stream);
}

static void test_a_direct_callback_may_free_streams(void **state _unused_) {
        End *ours, *theirs, *other, *others, *both[2];

        start_muxes(0);
        open_pair(&ours, &theirs);
        open_pair(&other, &others);
        both[0] = theirs;
        both[1] = others;
        stream_set_callback(theirs->stream, on_direct_event, both);
        stream_set_direct(theirs->stream);
        assert_int_equal(stream_write(ours->stream, "a", 1), 1);
        assert_int_equal(stream_write(other->stream, "b", 1), 1);
        end_expect_result(ours, -ECONNRESET);
        end_expect_result(other, -ECONNRESET);
}

static void on_emptied_free(Mux *m, void *userdata) {
        ((Side *) userdata)->mux = mux_free(m);
}

static void test_a_mux_may_be_freed_when_it_is_emptied(void **state _unused_) {
        static const MuxEvents events = { .ended = on_side_ended, .emptied = on_emptied_free };
        End *ours, *theirs;

        start_muxes(0);
        open_pair(&ours, &theirs);
        mux_set_events(client.mux, &events, &client);
        end_done(ours);
        turn_while(client.mux);
        end_expect_result(theirs, -ECONNRESET);
        turn_while(!server.ended); /* at an end, or at a reset if its ACK came too late to be read */
}

/* ---- byte for byte ---- */

static const uint8_t ping[] = { 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1 };
static const uint8_t go_away[] = { 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };

static void test_control_frames_overtake_data_of_the_same_turn(void **state _unused_) {
        static const uint8_t syn[] = { 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0xc3, 0x50 };
        _cleanup_free_ uint8_t *bytes = noise(50000, 2);
        int far;

        start_mux_towards(&client, &far);
        assert_int_equal(stream_write(open_stream(&client)->stream, bytes, 50000), 50000);
        mux_ping(client.mux);
        mux_go_away(client.mux);
        far_expect(far, ping, 12);
        far_expect(far, go_away, 12);
        far_expect(far, syn, 12);
        far_expect(far, bytes, 50000);
        close(far);
}

static void test_a_ping_is_answered_though_streams_are_stalled(void **state _unused_) {
        static const uint8_t question[] = { 0, 2, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4 };
        static const uint8_t answer[] = { 0, 2, 0, 2, 0, 0, 0, 0, 1, 2, 3, 4 };
        static const uint8_t first[] = { 0, 0, 0, 1, 0, 0, 0, 1 };
        _cleanup_free_ uint8_t *bytes = noise(256 * 1024, 3);
        End *ours;
        int far;

        start_mux_towards(&client, &far);
        ours = open_stream(&client);
        assert_int_equal(stream_flood(ours, bytes, 256 * 1024), 256 * 1024);
        far_expect(far, first, sizeof(first));
        for (uint8_t c[65536]; recv(far, c, sizeof(c), 0) > 0;)
                turn();
        far_send(far, question, 12);
        far_expect(far, answer, 12);
        close(far);
}

/* One buffer at most is written ahead of the connection; the streams wait for their turn. */
static void test_a_stalled_connection_costs_one_buffer(void **state _unused_) {
        _cleanup_free_ uint8_t *bytes = noise(256 * 1024, 4);
        size_t more = 0;
        int far;

        start_mux_towards(&client, &far);
        for (size_t sent = 1; sent > 0;) /* until the kernel's buffers and ours are full */
                sent = stream_flood(open_stream(&client), bytes, 256 * 1024);
        for (unsigned i = 0; i < 20; i++) {
                ssize_t k = stream_write(open_stream(&client)->stream, bytes, 256 * 1024);

                assert_true(k > 0 || k == -EAGAIN);
                more += k > 0 ? (size_t) k : 0;
        }
        assert_true(more <= BUFFER_BYTES);
        close(far);
}

static void test_a_breach_of_the_rules_ends_with_go_away(void **state _unused_) {
        static const uint8_t nonsense[] = { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
        static const uint8_t protocol_error[] = { 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
        int far;

        start_mux_towards(&server, &far);
        far_send(far, nonsense, sizeof(nonsense));
        turn_while(!server.ended);
        assert_int_equal(server.error, -EPROTO);
        far_expect(far, protocol_error, 12);
        far_expect_end(far);
        close(far);
}

/* Cut in the middle of a frame, and with nothing to come that would announce it. */
static void test_bytes_that_were_read_before_the_mux_come_first(void **state _unused_) {
        static const uint8_t data[] = { 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o' };
        static const uint8_t ack[] = { 0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0 };
        Buffer *head = buffer_get(NULL);
        int far;

        start_mux_towards(&server, &far);
        assert_int_equal(buffer_append(head, "xx", 2), 0);
        assert_int_equal(buffer_append(head, data, 14), 0);
        buffer_consume(head, 2);
        mux_set_head(server.mux, head);
        turn_while(!server.arrived);
        far_expect(far, ack, 12);
        far_send(far, data + 14, 3);
        end_expect(server.arrived, "hello", 5);
        close(far);
}

static void test_a_head_that_breaks_the_rules_ends_the_mux(void **state _unused_) {
        Buffer *head = buffer_get(NULL);
        int far;

        start_mux_towards(&server, &far);
        assert_int_equal(buffer_append(head, "GET / HTTP/1.1\r\n", 16), 0);
        mux_set_head(server.mux, head);
        turn_while(!server.ended);
        assert_int_equal(server.error, -EPROTO);
        close(far);
}

static void test_a_flood_of_pings_that_reads_no_answer_is_cut_off(void **state _unused_) {
        static uint8_t pings[100000 * 12];
        int far;

        for (size_t i = 0; i < sizeof(pings); i += 12) {
                pings[i + 1] = 2;
                pings[i + 3] = 1;
        }
        start_mux_towards(&server, &far);
        for (unsigned i = 0; i < 1000 && !server.ended; i++) {
                (void) !send(far, pings, sizeof(pings), MSG_NOSIGNAL);
                turn();
        }
        assert_true(server.ended);
        assert_int_equal(server.error, -ENOBUFS);
        close(far);
}

static void test_a_farewell_is_sent_before_the_end(void **state _unused_) {
        static const uint8_t data[] = { 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3, 'b', 'y', 'e' };
        int far;

        start_mux_towards(&client, &far);
        assert_int_equal(stream_write(open_stream(&client)->stream, "bye", 3), 3);
        mux_go_away(client.mux);
        mux_end(client.mux);
        client.mux = mux_free(client.mux);
        far_expect(far, go_away, 12);
        far_expect(far, data, sizeof(data));
        far_expect_end(far);
        close(far);
}

/* ---- moves ---- */

static Worker *other_worker;

static void turn_both(void) {
        turn();
        worker_turn(other_worker, false);
}

#define turn_both_while(condition)                                          \
        for (uint64_t _end_ = clock_usec() + PATIENCE_USEC; (condition);) { \
                assert_true(clock_usec() < _end_);                          \
                turn_both();                                                \
        }

/* The server's mux goes to another worker with its stream, which holds N unread bytes and has something to
 * send. */
static void test_a_mux_moves_to_another_worker_with_all_that_waits(void **state _unused_) {
        _cleanup_free_ uint8_t *bytes = noise(200000, 5);
        End *ours, *theirs;

        assert_int_equal(worker_new(&other_worker, 1), 0);
        start_muxes(0);
        open_pair(&ours, &theirs);
        stream_set_events(theirs->stream, 0);
        end_send(ours, bytes, 200000);
        turn_for(3 * TICK_USEC);
        assert_int_equal(stream_write(theirs->stream, "under way", 9), 9);
        stream_detach(theirs->stream);
        mux_detach(server.mux);
        end_send(ours, "later", 5);
        turn_for(3 * TICK_USEC);
        assert_int_equal(ours->n, 0);
        assert_int_equal(mux_attach(server.mux, other_worker), 0);
        assert_int_equal(stream_attach(theirs->stream, other_worker), 0);
        end_listen(theirs);
        turn_both_while(theirs->n < 200005);
        assert_memory_equal(theirs->data, bytes, 200000);
        assert_memory_equal(theirs->data + 200000, "later", 5);
        turn_both_while(ours->n < 9);
        assert_memory_equal(ours->data, "under way", 9);
        end_done(theirs);
        server.mux = mux_free(server.mux);
        turn_while(!client.ended);
        other_worker = worker_free(other_worker);
}

static void test_a_detached_mux_and_its_stream_may_be_freed(void **state _unused_) {
        End *ours, *theirs;

        start_muxes(0);
        open_pair(&ours, &theirs);
        end_send(ours, "unread", 6);
        turn_for(2 * TICK_USEC);
        stream_detach(theirs->stream);
        mux_detach(server.mux);
        end_done(theirs);
        server.mux = mux_free(server.mux);
        turn_while(!client.ended);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                mux_test(test_a_lost_transport_aborts_every_stream),
                mux_test(test_what_has_ended_both_ways_is_read_without_the_mux),
                mux_test(test_go_away_is_told_and_streams_go_on),
                mux_test(test_a_mux_is_emptied_by_the_last_stream),
                mux_test(test_a_mux_is_emptied_also_after_the_peer_s_reset),
                mux_test(test_a_mux_may_be_freed_in_a_stream_s_callback),
                mux_test(test_a_mux_may_be_freed_inside_opened),
                mux_test(test_a_stream_may_be_freed_inside_opened),
                mux_test(test_a_direct_callback_may_free_streams),
                mux_test(test_a_mux_may_be_freed_when_it_is_emptied),
                mux_test(test_control_frames_overtake_data_of_the_same_turn),
                mux_test(test_a_ping_is_answered_though_streams_are_stalled),
                mux_test(test_a_stalled_connection_costs_one_buffer),
                mux_test(test_a_breach_of_the_rules_ends_with_go_away),
                mux_test(test_bytes_that_were_read_before_the_mux_come_first),
                mux_test(test_a_head_that_breaks_the_rules_ends_the_mux),
                mux_test(test_a_flood_of_pings_that_reads_no_answer_is_cut_off),
                mux_test(test_a_farewell_is_sent_before_the_end),
                mux_test(test_a_mux_moves_to_another_worker_with_all_that_waits),
                mux_test(test_a_detached_mux_and_its_stream_may_be_freed),
        };

        return cmocka_run_group_tests_name("net/mux: ends", tests, NULL, NULL);
}
