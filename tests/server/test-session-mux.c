/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/session-mux.h"

#include "../net/mux-fixture.h"
#include "net/mux-private.h"
#include "server/server.h"

#define CLIENT_ID "0123456789abcdef"

static const ServerConfig config = {};
static Snapshot snapshot = { .config = &config };
static Worker *main_worker;
static Server pgrokd;
static Shard shard;
static Session *session;

static int set_up(void **state) {
        if (mux_set_up(state) < 0 || worker_new(&main_worker, UINT_MAX) < 0)
                return -1;
        pgrokd = (Server) { .snapshot = &snapshot, .main = main_worker, .shards = &shard, .n_shards = 1 };
        if (crowd_new(&pgrokd.crowd) < 0)
                return -1;
        shard = (Shard) { .worker = worker, .server = &pgrokd, .snapshot = &snapshot };
        worker->userdata = &shard;
        return 0;
}

static int tear_down(void **state) {
        while (shard.sessions)
                session_destroy(shard.sessions);
        mux_tail_free_all(&shard);
        main_worker = worker_free(main_worker);
        pgrokd.crowd = crowd_free(pgrokd.crowd);
        return mux_tear_down(state);
}

/* Of the fixture's server side. */
static Mux *start_session(void) {
        SessionSpec spec = { .id = 1, .half_close = true };
        Mux *m;
        End *ours, *theirs;

        start_muxes(0);
        open_pair(&ours, &theirs); /* the control stream */
        spec.client_id = strdup(CLIENT_ID);
        assert_int_equal(user_new(&spec.user, "", NULL), 0);
        m = TAKE_PTR(server.mux);
        assert_int_equal(mux_session_new(&shard, &spec, m, TAKE_PTR(theirs->stream), NULL), 0);
        session = shard_find_session(&shard, 1);
        return m;
}

static void on_opened(Opening *o _unused_, Stream *stream) {
        assert_non_null(stream);
        new_end(stream);
}

/* A visitor's stream, as the client sees it. */
static End *visit(void) {
        static const Address nobody = {};
        static Tunnel tunnel = { .url = (char*) "tcp://t.example:20000" };
        Opening opening = {};

        client.arrived = NULL;
        session_open_stream(session, &opening, &tunnel, &nobody, on_opened);
        turn_while(!client.arrived);
        return client.arrived;
}

static void test_a_session_whose_ids_run_out_is_to_be_replaced(void **state _unused_) {
        Mux *mux = start_session();

        visit();
        assert_int_equal(client.n_go_away, 0);
        mux->yamux.next_id = UINT32_MAX - (1U << 20) - 3;
        visit();
        assert_int_equal(client.n_go_away, 0);
        visit();
        turn_while(client.n_go_away == 0);
        for (int i = 0; i < 10; i++) /* the new one is not here yet */
                visit();
        assert_int_equal(client.n_go_away, 1);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_session_whose_ids_run_out_is_to_be_replaced, set_up,
                                                tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
