/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Two muxes with a loopback connection in between, on one worker. Streams that the other side opens are
 * accepted as Ends, which belong to the fixture. */

#include "fixture.h"
#include "net/mux.h"

typedef struct Side {
        Mux *mux; /* owned; freed when it has ended */
        bool ended;
        int error; /* with that */
        unsigned n_go_away, n_emptied;
        End *arrived; /* the latest stream that the other side opened */
} Side;

extern Side client, server;

int mux_set_up(void **state);
int mux_tear_down(void **state);
#define mux_test(test) cmocka_unit_test_setup_teardown(test, mux_set_up, mux_tear_down)

/* What sides do by default. */
extern const MuxEvents side_events;
void on_side_opened(Mux *m, Stream *s, void *userdata);
void on_side_ended(Mux *m, int error, void *userdata);

/* BUFFER_SIZE: of the connection's sockets, 0 for the system's. */
void start_muxes(int buffer_size);
void start_muxes_tls(TlsServer *tls_server, TlsClient *tls_client);

/* One side is a mux. The other is a socket, or a TLS connection with small buffers, for the test to speak by
 * hand. */
void start_mux_towards(Side *side, int *ret_far);
void start_mux_tls_towards(End *far, TlsServer *tls_server, TlsClient *tls_client);

End *new_end(Stream *s);
End *open_stream(Side *side);
void open_pair_from(Side *opener, End **ret_ours, End **ret_theirs);
void open_pair(End **ret_ours, End **ret_theirs); /* opened by the client */

void end_shut(End *e);

/* Writes of N bytes what there is room for, until there is no more for a while; returns how much. */
size_t stream_flood(End *e, const uint8_t *data, size_t n);
