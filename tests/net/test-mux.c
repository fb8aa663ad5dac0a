/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux-fixture.h"

#include <sys/socket.h>

#include "net/stream-fd.h"
#include "net/stream-tls.h"

#define MIB (1 << 20)
#define WINDOW (256 * 1024)

static void test_bytes_go_both_ways(void **state _unused_) {
        _cleanup_free_ uint8_t *there = noise(300000, 1), *back = noise(200000, 2);
        End *ours, *theirs;

        start_muxes(0);
        open_pair(&ours, &theirs);
        end_send(ours, there, 300000);
        end_expect(theirs, there, 300000);
        end_send(theirs, back, 200000);
        end_expect(ours, back, 200000);
        assert_int_equal(mux_count_streams(client.mux), 1);
        assert_int_equal(mux_count_streams(server.mux), 1);
}

static void test_both_sides_may_open(void **state _unused_) {
        End *ours, *theirs;

        start_muxes(0);
        for (unsigned i = 0; i < 3; i++) {
                open_pair_from(i % 2 == 0 ? &server : &client, &ours, &theirs);
                end_send(ours, "question", 8);
                end_expect(theirs, "question", 8);
                end_send(theirs, "answer", 6);
                end_expect(ours, "answer", 6);
        }
}

static void check_half_close(End *first, End *second) {
        end_send(first, "last words", 10);
        end_shut(first);
        end_expect(second, "last words", 10);
        end_expect_result(second, 0);
        end_send(second, "answer", 6);
        end_expect(first, "answer", 6);
        assert_int_equal(first->result, 1);
        end_shut(second);
        end_expect_result(first, 0);
        end_done(first);
        end_done(second);
}

static void test_each_direction_ends_by_itself(void **state _unused_) {
        End *ours, *theirs;

        start_muxes(0);
        open_pair(&ours, &theirs);
        check_half_close(ours, theirs);
        open_pair(&ours, &theirs);
        check_half_close(theirs, ours);
        turn_while(mux_count_streams(client.mux) + mux_count_streams(server.mux) > 0);
}

static void test_a_stream_freed_before_its_end_is_an_abort(void **state _unused_) {
        End *ours, *theirs;

        start_muxes(0);
        open_pair(&ours, &theirs);
        end_done(ours);
        end_expect_result(theirs, -ECONNRESET);
        open_pair(&ours, &theirs);
        end_done(theirs);
        end_expect_result(ours, -ECONNRESET);
        open_pair(&ours, &theirs);
        end_shut(ours);
        end_expect_result(theirs, 0);
        ours->stream = stream_reset(ours->stream); /* half of it was said; the other half never will be */
        turn_while(stream_write(theirs->stream, "x", 1) != -ECONNRESET);
        assert_int_equal(stream_shutdown(theirs->stream), -ECONNRESET);
}

static void on_event_note(Stream *s, unsigned events, void *userdata) {
        *(unsigned *) userdata |= events;
        stream_set_events(s, 0);
}

static void test_an_abort_is_told_to_who_wants_to_know_only_that(void **state _unused_) {
        static unsigned seen;
        End *ours, *theirs;

        seen = 0;
        start_muxes(0);
        open_pair(&ours, &theirs);
        stream_set_callback(theirs->stream, on_event_note, &seen);
        stream_set_events(theirs->stream, STREAM_ABORTED);
        end_send(ours, "x", 1);
        end_shut(ours);
        turn_for(3 * TICK_USEC);
        assert_int_equal(seen, 0);
        end_done(ours);
        turn_while(seen == 0);
        assert_int_equal(seen, STREAM_ABORTED);
}

static void test_a_stream_that_nobody_wants_is_reset(void **state _unused_) {
        static const MuxEvents none = { .ended = on_side_ended };
        End *ours;

        start_muxes(0);
        mux_set_events(server.mux, &none, &server);
        ours = open_stream(&client);
        end_expect_result(ours, -ECONNRESET);
        assert_false(client.ended);
}

/* ---- windows ---- */

static void test_a_reader_that_never_reads_stalls_its_own_stream_only(void **state _unused_) {
        _cleanup_free_ uint8_t *bytes = noise(2 * MIB, 3);
        End *ours, *theirs, *lazy, *never;
        size_t sent;

        start_muxes(0);
        open_pair(&lazy, &never);
        stream_set_events(never->stream, 0);
        sent = stream_flood(lazy, bytes, 2 * MIB);
        assert_int_equal(sent, WINDOW);
        open_pair(&ours, &theirs);
        end_send(ours, bytes, 2 * MIB);
        end_expect(theirs, bytes, 2 * MIB);
        assert_int_equal(stream_flood(lazy, bytes, 1), 0);
        end_listen(never); /* it goes on where it stopped */
        end_expect(never, bytes, sent);
        end_send(lazy, bytes + sent, 2 * MIB - sent);
        end_expect(never, bytes + sent, 2 * MIB - sent);
}

static void test_a_writer_whose_window_is_used_up_is_woken(void **state _unused_) {
        _cleanup_free_ uint8_t *bytes = noise(WINDOW, 4);
        End *ours, *theirs;

        start_muxes(0);
        open_pair(&ours, &theirs);
        stream_set_events(theirs->stream, 0);
        assert_int_equal(stream_flood(ours, bytes, WINDOW), WINDOW);
        ours->writable = false;
        stream_set_events(ours->stream, STREAM_WRITABLE);
        turn_for(3 * TICK_USEC);
        assert_false(ours->writable);
        end_listen(theirs);
        turn_while(!ours->writable);
        assert_true(stream_write(ours->stream, "more", 4) == 4);
}

static void test_a_window_grows_for_a_long_round_trip(void **state _unused_) {
        _cleanup_free_ uint8_t *bytes = noise(8 * MIB, 5);
        End *ours, *theirs;

        start_muxes(0);
        open_pair(&ours, &theirs);
        mux_ping(server.mux); /* who reads measures */
        usleep(50000);
        turn_for(3 * TICK_USEC);
        end_send(ours, bytes, 8 * MIB);
        end_expect(theirs, bytes, 8 * MIB);
        stream_set_events(theirs->stream, 0);
        assert_true(stream_flood(ours, bytes, 8 * MIB) > 4 * WINDOW);
}

/* 256 full windows are the cap. Streams that hold a single byte since long ago don't make enough room. */
static void test_at_the_memory_cap_the_longest_unread_are_reset(void **state _unused_) {
        _cleanup_free_ uint8_t *bytes = noise(WINDOW, 6);
        enum { N_SMALL = 5, N_FULL = MUX_MEMORY_MAX / WINDOW };
        End *small[N_SMALL], *full[N_FULL], *theirs[N_FULL], *other;

        start_muxes(0);
        for (unsigned i = 0; i < N_SMALL; i++) {
                open_pair(&small[i], &other);
                stream_set_events(other->stream, 0);
                end_send(small[i], "x", 1);
        }
        for (unsigned i = 0; i < N_FULL; i++) {
                open_pair(&full[i], &theirs[i]);
                stream_set_events(theirs[i]->stream, 0);
                assert_int_equal(stream_flood(full[i], bytes, WINDOW), WINDOW);
        }
        for (unsigned i = 0; i < N_SMALL; i++)
                end_expect_result(small[i], -ECONNRESET);
        end_expect_result(full[0], -ECONNRESET);
        for (unsigned i = 1; i < N_FULL; i++) {
                assert_int_equal(full[i]->result, 1);
                end_listen(theirs[i]);
                end_expect(theirs[i], bytes, WINDOW);
        }
        assert_false(server.ended);
}

/* ---- sharing ---- */

typedef struct Pump {
        End *end;
        size_t left;
} Pump;

static void on_pump_writable(Stream *s, unsigned events _unused_, void *userdata) {
        static const uint8_t zeros[100000];
        Pump *p = userdata;

        while (p->left > 0) {
                ssize_t k = stream_write(s, zeros, MIN(p->left, sizeof(zeros)));

                if (k == -EAGAIN)
                        return;
                assert_true(k > 0);
                p->left -= (size_t) k;
        }
        stream_set_events(s, 0);
}

static void test_streams_share_the_connection_evenly(void **state _unused_) {
        enum { N = 20, EACH = 2 * MIB };
        Pump pumps[N];
        End *theirs[N];
        size_t least = EACH, most = 0;

        start_muxes(0);
        for (unsigned i = 0; i < N; i++) {
                pumps[i].left = EACH;
                open_pair(&pumps[i].end, &theirs[i]);
        }
        for (unsigned i = 0; i < N; i++) {
                stream_set_callback(pumps[i].end->stream, on_pump_writable, &pumps[i]);
                stream_set_events(pumps[i].end->stream, STREAM_WRITABLE);
        }
        while (most < EACH / 2) {
                turn();
                for (unsigned i = 0; i < N; i++)
                        most = MAX(most, theirs[i]->n);
        }
        for (unsigned i = 0; i < N; i++)
                least = MIN(least, theirs[i]->n);
        assert_true(least > most / 2);
        for (unsigned i = 0; i < N; i++)
                turn_while(theirs[i]->n < EACH);
}

/* ---- a hundred thousand ---- */

enum { CROWD = 100000, CROWD_AT_ONCE = 200, CROWD_BYTES = 100 };

typedef struct Guest {
        uint8_t sent[CROWD_BYTES];
        size_t n_read;
} Guest;

static unsigned n_crowd_opened, n_crowd_done;

static void on_echo_event(Stream *s, unsigned events _unused_, void *userdata _unused_) {
        uint8_t block[CROWD_BYTES];
        ssize_t k;

        while ((k = stream_read(s, block, sizeof(block))) > 0)
                assert_int_equal(stream_write(s, block, (size_t) k), k);
        if (k == -EAGAIN)
                return;
        assert_int_equal(k, 0);
        assert_int_equal(stream_shutdown(s), 0);
        assert_int_equal(stream_flush(s), 0);
        stream_free(s);
}

static void on_echo_opened(Mux *m _unused_, Stream *s, void *userdata _unused_) {
        stream_set_callback(s, on_echo_event, NULL);
        stream_set_events(s, STREAM_READABLE);
}

static void guest_come(Guest *g);

static void on_guest_event(Stream *s, unsigned events _unused_, void *userdata) {
        Guest *g = userdata;
        uint8_t block[CROWD_BYTES];
        ssize_t k;

        while ((k = stream_read(s, block, sizeof(block))) > 0) {
                assert_memory_equal(block, g->sent + g->n_read, (size_t) k);
                g->n_read += (size_t) k;
        }
        if (k == -EAGAIN)
                return;
        assert_int_equal(k, 0);
        assert_int_equal(g->n_read, CROWD_BYTES);
        stream_free(s);
        n_crowd_done++;
        if (n_crowd_opened < CROWD)
                guest_come(g);
}

static void guest_come(Guest *g) {
        Stream *s = NULL;

        n_crowd_opened++;
        g->n_read = 0;
        memset(g->sent, (int) n_crowd_opened, sizeof(g->sent));
        memcpy(g->sent, &n_crowd_opened, sizeof(n_crowd_opened));
        assert_int_equal(mux_open(client.mux, &s), 0);
        stream_set_callback(s, on_guest_event, g);
        stream_set_events(s, STREAM_READABLE);
        assert_int_equal(stream_write(s, g->sent, CROWD_BYTES), CROWD_BYTES);
        assert_int_equal(stream_shutdown(s), 0);
}

static void test_a_hundred_thousand_streams_come_and_go(void **state _unused_) {
        static const MuxEvents echo = { .opened = on_echo_opened, .ended = on_side_ended };
        static Guest guests[CROWD_AT_ONCE];
        unsigned before = 0;

        n_crowd_opened = n_crowd_done = 0;
        start_muxes(0);
        mux_set_events(server.mux, &echo, &server);
        for (unsigned i = 0; i < CROWD_AT_ONCE; i++)
                guest_come(&guests[i]);
        while (n_crowd_done < CROWD) { /* each of them may take its time, but not all of it */
                turn_while(n_crowd_done == before);
                before = n_crowd_done;
        }
        turn_while(mux_count_streams(server.mux) > 0);
        assert_int_equal(mux_count_streams(client.mux), 0);
        assert_false(client.ended || server.ended || mux_is_wearing_out(client.mux));
}

/* ---- over TLS ---- */

static void test_bytes_go_through_tls(void **state _unused_) {
        _cleanup_(tls_server_unrefp) TlsServer *tls_server = make_tls_server();
        _cleanup_(tls_client_unrefp) TlsClient *tls_client = make_tls_client();
        _cleanup_free_ uint8_t *there = noise(3 * MIB, 7), *back = noise(2 * MIB, 8);
        End *ours, *theirs;

        start_muxes_tls(tls_server, tls_client);
        open_pair(&ours, &theirs);
        end_send(ours, there, 3 * MIB);
        end_send(theirs, back, 2 * MIB);
        end_expect(theirs, there, 3 * MIB);
        end_expect(ours, back, 2 * MIB);
        check_half_close(ours, theirs);
}

/* What the last stream has sent may still be inside the transport. */
static void test_a_mux_is_not_emptied_before_all_is_sent(void **state _unused_) {
        static const uint8_t end_of_1[] = { 0, 1, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0 };
        _cleanup_(tls_server_unrefp) TlsServer *tls_server = make_tls_server();
        _cleanup_(tls_client_unrefp) TlsClient *tls_client = make_tls_client();
        _cleanup_free_ uint8_t *bytes = noise(60000, 9);
        End *ours, far = {};

        start_mux_tls_towards(&far, tls_server, tls_client);
        ours = open_stream(&client);
        turn_while(far.n < 12);
        end_send(&far, end_of_1, sizeof(end_of_1));
        end_expect_result(ours, 0);
        stream_set_events(far.stream, 0);
        far.n = 0;
        end_send(ours, bytes, 60000);
        end_shut(ours);
        end_done(ours);
        turn_for(3 * TICK_USEC);
        assert_int_equal(client.n_emptied, 0);
        end_listen(&far);
        turn_while(far.n < 12 + 60000 + 12);
        assert_memory_equal(far.data + 12, bytes, 60000);
        turn_while(client.n_emptied == 0);
        end_done(&far);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                mux_test(test_bytes_go_both_ways),
                mux_test(test_both_sides_may_open),
                mux_test(test_each_direction_ends_by_itself),
                mux_test(test_a_stream_freed_before_its_end_is_an_abort),
                mux_test(test_an_abort_is_told_to_who_wants_to_know_only_that),
                mux_test(test_a_stream_that_nobody_wants_is_reset),
                mux_test(test_a_reader_that_never_reads_stalls_its_own_stream_only),
                mux_test(test_a_writer_whose_window_is_used_up_is_woken),
                mux_test(test_a_window_grows_for_a_long_round_trip),
                mux_test(test_at_the_memory_cap_the_longest_unread_are_reset),
                mux_test(test_streams_share_the_connection_evenly),
                mux_test(test_a_hundred_thousand_streams_come_and_go),
                mux_test(test_bytes_go_through_tls),
                mux_test(test_a_mux_is_not_emptied_before_all_is_sent),
        };

        return cmocka_run_group_tests_name("net/mux", tests, NULL, NULL);
}
