/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux-fixture.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/stream-fd.h"
#include "net/stream-tls.h"

#define SMALL_BUFFER 16384

Side client, server;
static End ends[1024];
static unsigned n_ends;

int mux_set_up(void **state) {
        client = server = (Side){};
        n_ends = 0;
        return worker_set_up(state);
}

int mux_tear_down(void **state) {
        for (unsigned i = 0; i < n_ends; i++)
                end_done(&ends[i]);
        client.mux = mux_free(client.mux);
        server.mux = mux_free(server.mux);
        return worker_tear_down(state);
}

End *new_end(Stream *s) {
        assert_true(n_ends < ELEMENTSOF(ends));
        end_init(&ends[n_ends], s);
        return &ends[n_ends++];
}

void on_side_opened(Mux *m, Stream *s, void *userdata) {
        Side *side = userdata;

        assert_ptr_equal(m, side->mux);
        side->arrived = new_end(s);
}

void on_side_ended(Mux *m, int error, void *userdata) {
        Side *side = userdata;

        assert_ptr_equal(m, side->mux);
        assert_false(side->ended);
        assert_true(mux_is_over(m));
        side->ended = true;
        side->error = error;
        side->mux = mux_free(m);
}

static void on_side_go_away(Mux *m _unused_, void *userdata) {
        ((Side *) userdata)->n_go_away++;
}

static void on_side_emptied(Mux *m, void *userdata) {
        assert_int_equal(mux_count_streams(m), 0);
        ((Side *) userdata)->n_emptied++;
}

const MuxEvents side_events = {
        .opened = on_side_opened,
        .ended = on_side_ended,
        .go_away = on_side_go_away,
        .emptied = on_side_emptied,
};

static void start_side(Side *side, Stream *transport) {
        assert_int_equal(mux_new(&side->mux, transport, side == &client, &side_events, side), 0);
}

/* Without Nagle's delay. */
static Stream *fd_transport(int fd) {
        Stream *s = NULL;

        assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)), 0);
        assert_int_equal(stream_fd_new(&s, worker, fd), 0);
        return s;
}

void start_muxes(int buffer_size) {
        int a, b;

        tcp_pair(&a, &b, buffer_size);
        start_side(&client, fd_transport(a));
        start_side(&server, fd_transport(b));
}

void start_mux_towards(Side *side, int *ret_far) {
        int fd;

        tcp_pair(&fd, ret_far, 0);
        start_side(side, fd_transport(fd));
}

static void on_handshaken(Stream *s, unsigned events _unused_, void *userdata) {
        *(bool *) userdata = true;
        stream_set_events(s, 0);
}

static void wait_for_handshake(Stream *s) {
        static bool done;

        done = false;
        stream_set_callback(s, on_handshaken, &done);
        stream_set_events(s, STREAM_WRITABLE);
        turn_while(!done);
}

static void tls_pair(Stream **ret_client, Stream **ret_server, TlsServer *tls_server, TlsClient *tls_client,
                     int buffer_size) {
        int a, b;

        tcp_pair(&a, &b, buffer_size);
        assert_int_equal(stream_tls_new_client(ret_client, worker, a, tls_client, "a.test", NULL, 0), 0);
        assert_int_equal(stream_tls_new_server(ret_server, worker, b, tls_server, 0), 0);
        wait_for_handshake(*ret_client);
        wait_for_handshake(*ret_server);
}

void start_muxes_tls(TlsServer *tls_server, TlsClient *tls_client) {
        Stream *a = NULL, *b = NULL;

        tls_pair(&a, &b, tls_server, tls_client, 0);
        start_side(&client, a);
        start_side(&server, b);
}

void start_mux_tls_towards(End *far, TlsServer *tls_server, TlsClient *tls_client) {
        Stream *a = NULL, *b = NULL;

        tls_pair(&a, &b, tls_server, tls_client, SMALL_BUFFER);
        start_side(&client, a);
        end_init(far, b);
}

End *open_stream(Side *side) {
        Stream *s = NULL;

        assert_int_equal(mux_open(side->mux, &s), 0);
        return new_end(s);
}

void open_pair_from(Side *opener, End **ret_ours, End **ret_theirs) {
        Side *other = opener == &client ? &server : &client;

        other->arrived = NULL;
        *ret_ours = open_stream(opener);
        turn_while(!other->arrived);
        *ret_theirs = other->arrived;
}

void open_pair(End **ret_ours, End **ret_theirs) {
        open_pair_from(&client, ret_ours, ret_theirs);
}

void end_shut(End *e) {
        assert_int_equal(stream_shutdown(e->stream), 0);
        assert_true(stream_flush(e->stream) <= 0);
}

size_t stream_flood(End *e, const uint8_t *data, size_t n) {
        size_t sent = 0;

        for (unsigned quiet = 0; quiet < 10 && sent < n; turn()) {
                ssize_t k = stream_write(e->stream, data + sent, n - sent);

                assert_true(k > 0 || k == -EAGAIN);
                if (k > 0)
                        sent += (size_t) k;
                quiet = k > 0 ? 0 : quiet + 1;
        }
        return sent;
}
