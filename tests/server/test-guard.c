/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/guard.h"

#include <crypt.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/str.h"
#include "net/tls.h"
#include "server/attempts.h"

static Guard *guard;
static Worker *worker; /* never runs, so nobody is told */

static int set_up(void **state) {
        (void) state;
        return worker_new(&worker, 0) < 0 || guard_new(&guard) < 0 ? -1 : 0;
}

static int tear_down(void **state) {
        (void) state;
        guard = guard_free(guard);
        worker = worker_free(worker);
        return 0;
}

static Tunnel *tunnel_of(User *owner, const char *visitor) {
        _cleanup_(tunnel_options_unrefp) TunnelOptions *options = tunnel_options_new();
        Tunnel *t = NULL;

        assert_non_null(options);
        assert_int_equal(config_list_add(&options->http_auth, visitor), 0);
        assert_int_equal(tunnel_new(&t, TUNNEL_HTTP, "http://a.example.org", "a.example.org", 0, "", options, owner), 0);
        return t;
}

static Ip ip_of(const char *text) {
        Ip ip;

        assert_int_equal(ip_parse(text, strlen(text), &ip), 0);
        return ip;
}

/* As the visitor's program writes them; RET is theirs. */
static HttpSlice credentials(const char *user, char ret[static HTTP_CREDENTIALS_BYTES_MAX]) {
        base64_encode((const uint8_t*) user, strlen(user), ret);
        return http_slice_of(ret);
}

static GuardAnswer ask(const Tunnel *t, const char *user, const char *visitor) {
        char text[HTTP_CREDENTIALS_BYTES_MAX];
        Ip ip = ip_of(visitor);

        return guard_ask(guard, t, credentials(user, text), &ip);
}

static void fail_often(const Tunnel *t, const char *visitor) {
        for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
                char guess[16];

                snprintf(guess, sizeof(guess), "u:guess%u", i);
                assert_int_equal(ask(t, guess, visitor), GUARD_WRONG);
        }
}

static void test_who_was_let_in_stays_so_while_others_guess_from_there(void **state) {
        _cleanup_(user_unrefp) User *owner = NULL;
        _cleanup_(tunnel_unrefp) Tunnel *t = NULL;

        (void) state;
        assert_int_equal(user_new(&owner, "owner", NULL), 0);
        t = tunnel_of(owner, "u:right");
        assert_int_equal(ask(t, "u:right", "192.0.2.1"), GUARD_ADMITTED);
        fail_often(t, "192.0.2.1");
        assert_int_equal(ask(t, "u:right", "192.0.2.1"), GUARD_ADMITTED);
        assert_int_equal(ask(t, "u:other", "192.0.2.1"), GUARD_LIMITED);
        assert_int_equal(ask(t, "u:guess1", "192.0.2.1"), GUARD_WRONG);
}

static void test_who_guesses_learns_nothing_from_then_on(void **state) {
        _cleanup_(user_unrefp) User *owner = NULL;
        _cleanup_(tunnel_unrefp) Tunnel *t = NULL;

        (void) state;
        assert_int_equal(user_new(&owner, "owner", NULL), 0);
        t = tunnel_of(owner, "u:right");
        fail_often(t, "2001:db8::1");
        assert_int_equal(ask(t, "u:right", "2001:db8::1"), GUARD_LIMITED);
        assert_int_equal(ask(t, "u:right", "2001:db8::2"), GUARD_LIMITED); /* of the same network */
        assert_int_equal(ask(t, "u:right", "2001:db8:0:1::1"), GUARD_ADMITTED);
}

static void on_checked(void *userdata) {
        (void) userdata;
        fail(); /* the worker doesn't run */
}

/* Returns how many checks were taken, of MAX. */
static unsigned check_many(Tunnel *t, unsigned max) {
        for (unsigned i = 0; i < max; i++) {
                char text[HTTP_CREDENTIALS_BYTES_MAX], user[16], visitor[24];
                GuardCheck *check;
                Ip ip;

                snprintf(user, sizeof(user), "u:%u", i);
                snprintf(visitor, sizeof(visitor), "192.0.2.%u", i);
                ip = ip_of(visitor);
                if (guard_check(&check, guard, worker, t, credentials(user, text), &ip, on_checked, NULL) == -ENOBUFS)
                        return i;
        }
        return max;
}

static void test_one_user_s_tunnels_leave_room_for_those_of_others(void **state) {
        static const char slow[] = "u:$2y$12$abcdefghijklmnopqrstuu54EclbqC8XdYRuCbBt8OvCHFmI3jWFC";
        _cleanup_(user_unrefp) User *many = NULL, *other = NULL;
        _cleanup_(tunnel_unrefp) Tunnel *a = NULL, *b = NULL, *c = NULL;
        unsigned n;

        (void) state;
        assert_int_equal(user_new(&many, "many", NULL), 0);
        assert_int_equal(user_new(&other, "other", NULL), 0);
        a = tunnel_of(many, slow);
        b = tunnel_of(many, slow);
        c = tunnel_of(other, slow);
        n = check_many(a, 200);
        n += check_many(b, 200);
        assert_in_range(n, GUARD_WAITING_OF_USER_MAX, GUARD_WAITING_OF_USER_MAX + 4 * GUARD_THREADS);
        assert_int_equal(check_many(c, GUARD_THREADS), GUARD_THREADS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_who_was_let_in_stays_so_while_others_guess_from_there, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_who_guesses_learns_nothing_from_then_on, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_one_user_s_tunnels_leave_room_for_those_of_others, set_up,
                                                tear_down),
        };

        return cmocka_run_group_tests_name("server/guard", tests, NULL, NULL);
}
