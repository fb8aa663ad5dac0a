/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/str.h"
#include "server/pass.h"

typedef struct Channel {
        int fds[2];
        char *packet;
} Channel;

static int set_up(void **state) {
        Channel *c = new0(Channel, 1);

        assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, c->fds), errno);
        c->packet = malloc(PASS_PACKET_MAX);
        *state = c;
        return 0;
}

static int tear_down(void **state) {
        Channel *c = *state;

        safe_close(c->fds[0]);
        safe_close(c->fds[1]);
        free(c->packet);
        free(c);
        return 0;
}

static void test_a_visitor_arrives_as_it_was_sent(void **state) {
        static const char data[] = "GET / HTTP/1.1\r\n\n\0more";
        Channel *c = *state;
        char address[ADDRESS_TEXT_MAX];
        Passed p = { .protocol = TUNNEL_HTTPS, .asked = "a.example.org", .data = data, .n = sizeof(data) }, q;
        int pair[2];

        assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
        assert_int_equal(address_parse("[2001:db8::1]:4711", &p.peer), 0);
        p.fd = pair[0];
        assert_int_equal(pass_send(c->fds[0], &p), 0);
        close(pair[0]);
        assert_int_equal(pass_receive(c->fds[1], c->packet, &q), 1);
        assert_int_equal(q.protocol, TUNNEL_HTTPS);
        assert_string_equal(address_format(&q.peer, address), "[2001:db8::1]:4711");
        assert_string_equal(q.asked, "a.example.org");
        assert_int_equal(q.n, sizeof(data));
        assert_memory_equal(q.data, data, sizeof(data));
        assert_int_equal(write(q.fd, "x", 1), 1);
        assert_int_equal(read(pair[1], address, 1), 1);
        close(q.fd);
        close(pair[1]);
}

static void test_most_that_may_be_read_before_fits(void **state) {
        Channel *c = *state;
        char *data = calloc(1, PASS_BYTES_MAX + 1);
        Passed p = { .protocol = TUNNEL_TCP, .port = 20022, .data = data, .n = PASS_BYTES_MAX, .fd = 0 }, q;

        assert_int_equal(address_parse("192.0.2.1:1", &p.peer), 0);
        assert_int_equal(pass_send(c->fds[0], &p), 0);
        assert_int_equal(pass_receive(c->fds[1], c->packet, &q), 1);
        assert_int_equal(q.port, 20022);
        assert_int_equal(q.n, PASS_BYTES_MAX);
        assert_string_equal(q.asked, "");
        close(q.fd);
        p.n++;
        assert_int_equal(pass_send(c->fds[0], &p), -EMSGSIZE);
        free(data);
}

static void test_what_is_no_visitor_is_refused(void **state) {
        static const char *const packets[] = {
                "x",
                "http 192.0.2.1:80 0 ",
                "http 192.0.2.1:80\n",
                "http 192.0.2.1:80 0\n",
                "gopher 192.0.2.1:80 0 \n",
                "http nobody 0 \n",
                "http 192.0.2.1:80 65536 \n",
                "http 192.0.2.1:80 0 a b\n",
                "http 192.0.2.1:80 0 \n",
        };
        Channel *c = *state;
        Passed p;

        for (size_t i = 0; i < ELEMENTSOF(packets); i++) {
                assert_true(send(c->fds[0], packets[i], strlen(packets[i]), 0) > 0);
                assert_int_equal(pass_receive(c->fds[1], c->packet, &p),
                                 -EBADMSG); /* the last: no descriptor */
        }
        assert_int_equal(pass_receive(c->fds[1], c->packet, &p), -EAGAIN);
        c->fds[0] = safe_close(c->fds[0]);
        assert_int_equal(pass_receive(c->fds[1], c->packet, &p), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_visitor_arrives_as_it_was_sent, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_most_that_may_be_read_before_fits, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_what_is_no_visitor_is_refused, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
