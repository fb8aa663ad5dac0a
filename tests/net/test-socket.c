/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <sys/socket.h>

#include "net/stream-fd.h"

/* Whatever is done to sockets, in whatever order and on whichever worker, no event is lost: then bytes would lie
 * until the test's patience ends. Both directions of each pair count upwards. */

#define PAIRS 48
#define SOAK_USEC (2 * USEC_PER_SEC)
#define UNDER_WAY_MAX 4000000 /* bytes in a direction: more than sockets hold */
#define BLOCK 200000

typedef struct Flow {
        size_t sent, received;
        bool has_end;
} Flow;

typedef struct Pair {
        Stream *near; /* owned */
        int far;      /* owned */
        Flow in, out;
        bool writes; /* near has bytes to send */
} Pair;

static Pair pairs[PAIRS];
static Worker *workers[2]; /* the fixture's, and one more */
static uint32_t dice;
static bool is_wild; /* streams may be replaced, and not listened to */
static size_t n_resets;

static unsigned roll(unsigned sides) {
        dice = dice * 1664525u + 1013904223u;
        return (dice >> 8) % sides;
}

static uint8_t byte_at(size_t i) {
        return (uint8_t) (i * 2654435761u >> 13);
}

static size_t fill(const Flow *f, uint8_t *block) {
        size_t n = MIN(UNDER_WAY_MAX - MIN(UNDER_WAY_MAX, f->sent - f->received), 1 + roll(BLOCK));

        for (size_t i = 0; i < n; i++)
                block[i] = byte_at(f->sent + i);
        return n;
}

static void check(Flow *f, const uint8_t *block, ssize_t n) {
        for (ssize_t i = 0; i < n; i++)
                assert_int_equal(block[i], byte_at(f->received + (size_t) i));
        f->received += n > 0 ? (size_t) n : 0;
        f->has_end = f->has_end || n == 0;
}

static void on_near(Stream *s, unsigned events, void *userdata);

static void pair_want(Pair *p, unsigned mask) {
        stream_set_events(p->near, mask & ((p->in.has_end ? 0 : STREAM_READABLE) |
                                           (p->writes ? STREAM_WRITABLE : 0)));
}

static void pair_open(Pair *p) {
        int fd;

        *p = (Pair) { .far = -1 };
        tcp_pair(&p->far, &fd, roll(2) ? 262144 : 0);
        assert_int_equal(stream_fd_new(&p->near, workers[roll(2)], fd), 0);
        stream_set_callback(p->near, on_near, p);
        pair_want(p, STREAM_READABLE);
}

static void pair_close(Pair *p) {
        p->near = roll(2) ? stream_reset(p->near) : stream_free(p->near);
        p->far = safe_close(p->far);
}

static void pair_move(Pair *p) {
        stream_detach(p->near);
        assert_int_equal(stream_attach(p->near, workers[roll(2)]), 0);
        stream_set_callback(p->near, on_near, p);
        pair_want(p, ~0u);
}

static void near_read(Pair *p) {
        static uint8_t block[BLOCK];
        ssize_t k = stream_read(p->near, block, 1 + roll(BLOCK));

        assert_true(k >= 0 || k == -EAGAIN);
        check(&p->in, block, k);
}

static void near_write(Pair *p) {
        static uint8_t block[BLOCK];
        size_t n = fill(&p->out, block);
        ssize_t k = n > 0 ? stream_write(p->near, block, n) : 0;

        assert_true(k >= 0 || k == -EAGAIN);
        p->out.sent += k > 0 ? (size_t) k : 0;
        p->writes = k < (ssize_t) n;
}

static void on_near(Stream *s _unused_, unsigned events, void *userdata) {
        Pair *p = userdata;

        if (is_wild && roll(50) == 0) { /* of another one, too, whose event may be at hand */
                Pair *victim = roll(2) ? p : &pairs[roll(PAIRS)];

                pair_close(victim);
                pair_open(victim);
                n_resets++;
                return;
        }
        if (events & STREAM_READABLE)
                near_read(p);
        if (events & STREAM_WRITABLE)
                near_write(p);
        if (roll(20) == 0)
                pair_move(p);
        else
                pair_want(p, is_wild && roll(20) == 0 ? roll(4) : ~0u);
}

static void far_act(Pair *p) {
        static uint8_t block[BLOCK];

        if (roll(2)) {
                ssize_t k = send(p->far, block, fill(&p->in, block), MSG_NOSIGNAL);

                p->in.sent += k > 0 ? (size_t) k : 0;
        } else
                check(&p->out, block, recv(p->far, block, 1 + roll(BLOCK), 0));
}

static void act(Pair *p) {
        switch (roll(8)) {
        case 0:
                pair_move(p);
                break;
        case 1:
                pair_want(p, roll(4));
                break;
        case 2:
                near_write(p);
                pair_want(p, ~0u);
                break;
        case 3:
                near_read(p);
                break;
        default:
                far_act(p);
        }
}

static void turn_both(void) {
        worker_turn(workers[0], false);
        worker_turn(workers[1], false);
}

/* All that was sent arrives, and the end behind it; nothing but what was told brings it about. */
static void pair_finish(Pair *p) {
        static uint8_t block[BLOCK];

        p->writes = true;
        pair_want(p, ~0u);
        if (roll(2))
                pair_move(p);
        shutdown(p->far, SHUT_WR);
        for (uint64_t end = clock_usec() + PATIENCE_USEC; !p->in.has_end || p->out.received < p->out.sent;) {
                assert_true(clock_usec() < end);
                turn_both();
                check(&p->out, block, recv(p->far, block, sizeof(block), 0));
        }
        assert_int_equal(p->in.received, p->in.sent);
}

static void test_no_event_is_lost_whatever_is_done(void **state _unused_) {
        uint64_t end = clock_usec() + SOAK_USEC;

        dice = (uint32_t) clock_usec();
        print_message("dice begin with %u\n", dice);
        workers[0] = worker;
        assert_int_equal(worker_new(&workers[1], 1), 0);
        for (size_t i = 0; i < PAIRS; i++)
                pair_open(&pairs[i]);
        is_wild = true;
        while (clock_usec() < end) {
                for (unsigned n = roll(2 * PAIRS); n > 0; n--)
                        act(&pairs[roll(PAIRS)]);
                turn_both();
        }
        is_wild = false;
        assert_true(n_resets > 0);
        for (size_t i = 0; i < PAIRS; i++)
                pair_finish(&pairs[i]);
        for (size_t i = 0; i < PAIRS; i++)
                pair_close(&pairs[i]);
        workers[1] = worker_free(workers[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                worker_test(test_no_event_is_lost_whatever_is_done),
        };

        return cmocka_run_group_tests_name("net/socket", tests, NULL, NULL);
}
