/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Visitors as they go: socket, relay, mux, relay, socket. A relay peeks into a stream of a mux that it reads
 * from, and writes to the place that one reserves. */
#include "mux-fixture.h"

#include <sys/socket.h>

#include "net/relay.h"
#include "net/stream-fd.h"

#define MIB (1 << 20)

/*  far ─── socket ═ relay ═ stream of a mux  */
typedef struct Leg {
        int far;
        Stream *socket, *stream; /* owned */
        Relay *relay;            /* owned */
        RelayResult result;
        bool done;
} Leg;

/*  visitor ═ client's mux ─── server's mux ═ service  */
static Leg visitor, service;
static Stream *arrived;

static void on_leg_done(Relay *r, const RelayResult *result, void *userdata) {
        Leg *leg = userdata;

        assert_false(leg->done);
        leg->done = true;
        leg->result = *result;
        leg->relay = relay_free(r);
        if (result->error < 0) {
                leg->socket = stream_reset(leg->socket);
                leg->stream = stream_reset(leg->stream);
        }
}

static void on_visitor_arrived(Mux *m _unused_, Stream *s, void *userdata _unused_) {
        arrived = s;
}

static const MuxEvents events = { .opened = on_visitor_arrived, .ended = on_side_ended };

/* Owns STREAM. */
static void leg_start(Leg *leg, Stream *stream) {
        int fd;

        *leg = (Leg){ .stream = stream };
        tcp_pair(&leg->far, &fd, 0);
        assert_int_equal(stream_fd_new(&leg->socket, worker, fd), 0);
        assert_int_equal(relay_new(&leg->relay, leg->socket, stream, &(RelayOptions){}, on_leg_done, leg), 0);
}

static void leg_stop(Leg *leg) {
        leg->relay = relay_free(leg->relay);
        leg->socket = stream_free(leg->socket);
        leg->stream = stream_free(leg->stream);
        leg->far = safe_close(leg->far);
}

static void start_visitor(void) {
        Stream *s = NULL;

        if (!client.mux) {
                start_muxes(0);
                mux_set_events(server.mux, &events, &server);
        }
        arrived = NULL;
        assert_int_equal(mux_open(client.mux, &s), 0);
        leg_start(&visitor, s);
        turn_while(!arrived);
        leg_start(&service, arrived);
}

static void stop_visitor(void) {
        leg_stop(&visitor);
        leg_stop(&service);
}

static int tear_down(void **state) {
        stop_visitor();
        return mux_tear_down(state);
}

/* Sends N bytes into one socket and takes them from the other. */
static void carry(int from, int to, const uint8_t *data, size_t n) {
        _cleanup_free_ uint8_t *got = malloc(n + 1);
        size_t sent = 0, received = 0;

        while (received < n) {
                ssize_t k;

                while (sent < n && (k = send(from, data + sent, n - sent, MSG_NOSIGNAL)) > 0)
                        sent += (size_t) k;
                turn_while((k = recv(to, got + received, n - received, 0)) < 0);
                received += (size_t) k;
        }
        assert_memory_equal(got, data, n);
}

static void check_end(Leg *first, Leg *second) {
        shutdown(first->far, SHUT_WR);
        far_expect_end(second->far);
        far_send(second->far, "answer", 6);
        far_expect(first->far, "answer", 6);
        shutdown(second->far, SHUT_WR);
        far_expect_end(first->far);
        turn_while(!first->done || !second->done);
        assert_int_equal(first->result.error, 0);
        assert_int_equal(second->result.error, 0);
}

static void test_large_data_go_both_ways_and_end(void **state _unused_) {
        _cleanup_free_ uint8_t *there = noise(8 * MIB, 1), *back = noise(8 * MIB, 2);

        start_visitor();
        carry(visitor.far, service.far, there, 8 * MIB);
        carry(service.far, visitor.far, back, 8 * MIB);
        check_end(&visitor, &service);
        stop_visitor();
        assert_int_equal(mux_count_streams(client.mux), 0);
        assert_int_equal(mux_count_streams(server.mux), 0);
}

/* However the bytes fall into buffers and shares, the end behind them is seen. */
static void test_an_end_is_seen_behind_any_amount(void **state _unused_) {
        static const size_t units[] = { 1,
                                        16 * 1024,
                                        16 * 1024 + 12,
                                        64 * 1024,
                                        BUFFER_BYTES - 12,
                                        BUFFER_BYTES,
                                        BUFFER_BYTES - 1024,
                                        BUFFER_BYTES - 1024 - 12 };
        _cleanup_free_ uint8_t *bytes = noise(6 * BUFFER_BYTES, 3);

        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                for (size_t n = 0; n <= 6; n++) {
                        Leg *from = n % 2 == 0 ? &visitor : &service, *to = n % 2 == 0 ? &service : &visitor;

                        start_visitor();
                        far_send(from->far, bytes, n * units[i]);
                        shutdown(from->far, SHUT_WR);
                        far_expect(to->far, bytes, n * units[i]);
                        far_expect_end(to->far);
                        stop_visitor();
                }
}

static void test_a_visitor_s_abort_arrives_as_an_abort(void **state _unused_) {
        Leg *legs[] = { &visitor, &service };

        for (unsigned i = 0; i < 2; i++) {
                start_visitor();
                far_send(legs[i]->far, "x", 1);
                far_expect(legs[1 - i]->far, "x", 1);
                far_reset(legs[i]->far);
                legs[i]->far = -1;
                far_expect_reset(legs[1 - i]->far);
                turn_while(!visitor.done || !service.done);
                stop_visitor();
        }
}

/* Nobody waits for the answer any more. */
static void test_an_abort_after_an_end_needs_no_answer_to_be_noticed(void **state _unused_) {
        start_visitor();
        far_send(visitor.far, "question", 8);
        shutdown(visitor.far, SHUT_WR);
        far_expect(service.far, "question", 8);
        far_expect_end(service.far);
        far_reset(visitor.far);
        visitor.far = -1;
        turn_while(!service.done);
        assert_int_equal(service.result.error, -ECONNRESET);
}

static void test_a_lost_mux_aborts_its_visitors(void **state _unused_) {
        start_visitor();
        far_send(visitor.far, "x", 1);
        far_expect(service.far, "x", 1);
        shutdown(visitor.far, SHUT_WR); /* half an end is none */
        far_expect_end(service.far);
        server.mux = mux_free(server.mux);
        far_expect_reset(visitor.far);
        turn_while(send(service.far, "answer", 6, MSG_NOSIGNAL) > 0);
        turn_while(!client.ended);
}

static void test_a_slow_service_stalls_its_visitor_and_loses_nothing(void **state _unused_) {
        _cleanup_free_ uint8_t *zeros = NULL;
        size_t taken;

        start_visitor();
        taken = far_flood(visitor.far);
        zeros = calloc(1, taken);
        far_send(service.far, "other way", 9);
        far_expect(visitor.far, "other way", 9);
        far_expect(service.far, zeros, taken);
        check_end(&visitor, &service);
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, mux_set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_large_data_go_both_ways_and_end),
                TEST(test_an_end_is_seen_behind_any_amount),
                TEST(test_a_visitor_s_abort_arrives_as_an_abort),
                TEST(test_an_abort_after_an_end_needs_no_answer_to_be_noticed),
                TEST(test_a_lost_mux_aborts_its_visitors),
                TEST(test_a_slow_service_stalls_its_visitor_and_loses_nothing),
        };

        visitor.far = service.far = -1;
        return cmocka_run_group_tests_name("net/mux: relays", tests, NULL, NULL);
}
