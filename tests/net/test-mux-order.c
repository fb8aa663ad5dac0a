/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include "net/mux.h"
#include "net/stream-fd.h"

/* What a stream says must arrive in the order in which it was said, whatever else is urgent. */

static Mux *near, *far;
static unsigned n_opened;
static int ended;

static Stream *kept; /* the last one that was opened, if it is wanted */
static bool keep;

static void on_opened(Mux *m _unused_, Stream *s, void *userdata _unused_) {
        n_opened++;
        if (keep)
                kept = s;
        else
                stream_free(s);
}

static void on_ended(Mux *m _unused_, int error, void *userdata _unused_) {
        ended = error;
}

static const MuxEvents events = { .opened = on_opened, .ended = on_ended };

static int set_up(void **state) {
        Stream *a = NULL, *b = NULL;
        int fd, far_fd;

        worker_set_up(state);
        tcp_pair(&fd, &far_fd, 0);
        assert_int_equal(stream_fd_new(&a, worker, fd), 0);
        assert_int_equal(stream_fd_new(&b, worker, far_fd), 0);
        assert_int_equal(mux_new(&near, a, true, &events, NULL), 0);
        assert_int_equal(mux_new(&far, b, false, &events, NULL), 0);
        n_opened = 0;
        ended = 1;
        keep = false;
        return 0;
}

static int tear_down(void **state) {
        near = mux_free(near);
        far = mux_free(far);
        return worker_tear_down(state);
}

/* Its SYN is still with the data when it is reset: the reset of a stream that was never opened would end the session. */
static void test_a_reset_comes_behind_what_the_stream_has_said(void **state _unused_) {
        for (unsigned i = 1; i <= 3; i++) {
                Stream *s = NULL;

                assert_int_equal(mux_open(near, &s), 0);
                assert_int_equal(stream_write(s, "hello", 5), 5);
                stream_reset(s);
                turn_while(n_opened < i && ended == 1);
        }
        assert_int_equal(ended, 1);
        assert_int_equal(n_opened, 3);
}

/* As with a socket: what came before the end is whole, whatever becomes of the other direction. */
static void test_a_reset_behind_the_end_takes_nothing_back(void **state _unused_) {
        Stream *s = NULL;
        char got[16];

        keep = true;
        assert_int_equal(mux_open(near, &s), 0);
        assert_int_equal(stream_write(s, "hello", 5), 5);
        assert_int_equal(stream_shutdown(s), 0);
        turn_while(!kept);
        stream_reset(s);
        turn_while(stream_write(kept, "x", 1) != -ECONNRESET);
        assert_int_equal(stream_read(kept, got, sizeof(got)), 5);
        assert_memory_equal(got, "hello", 5);
        assert_int_equal(stream_read(kept, got, sizeof(got)), 0);
        kept = stream_free(kept);
        assert_int_equal(ended, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_reset_comes_behind_what_the_stream_has_said, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_reset_behind_the_end_takes_nothing_back, set_up, tear_down),
        };

        return cmocka_run_group_tests_name("net/mux-order", tests, NULL, NULL);
}
