/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/visitor-address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/str.h"

/* What the service gets to read first. */
static void introduce(const VisitorAddress *a, const char *version, char ret[static 128]) {
        TunnelConfig config = { .proxy_protocol = (char*) version };
        int fds[2];
        ssize_t n;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(visitor_address_introduce(a, &config, fds[0]), 0);
        safe_close(fds[0]);
        n = recv(fds[1], ret, 127, 0);
        assert_in_range(n, 0, 127);
        ret[n] = '\0';
        safe_close(fds[1]);
}

static void test_the_service_is_told_only_if_it_wants_to_know(void **state) {
        VisitorAddress a = { "http://a.example", "192.0.2.7:4711", "192.0.2.1:80" };
        char text[128];

        (void) state;
        introduce(&a, NULL, text);
        assert_string_equal(text, "");
        introduce(&a, "v1", text);
        assert_string_equal(text, "PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n");
        introduce(&a, "v2", text);
        assert_memory_equal(text, "\r\n\r\n\0\r\nQUIT\n\x21\x11", 14);
}

static void test_an_unknown_destination_has_the_port_of_the_url(void **state) {
        static const struct {
                VisitorAddress address;
                const char *line;
        } cases[] = {
                { { "http://a.example", "192.0.2.7:1", "" }, "PROXY TCP4 192.0.2.7 0.0.0.0 1 80\r\n" },
                { { "https://a.example", "192.0.2.7:1", "" }, "PROXY TCP4 192.0.2.7 0.0.0.0 1 443\r\n" },
                { { "tcp://a.example:20022", "[2001:db8::7]:1", "?" }, "PROXY TCP6 2001:db8::7 :: 1 20022\r\n" },
                { { "http://a.example", "[2001:db8::7]:1", "192.0.2.1:80" },
                  "PROXY TCP6 2001:db8::7 ::ffff:192.0.2.1 1 80\r\n" },
                { { "http://a.example", "nobody", "192.0.2.1:80" }, "PROXY UNKNOWN\r\n" },
                { { "", "192.0.2.7:1", "" }, "PROXY TCP4 192.0.2.7 0.0.0.0 1 0\r\n" },
        };
        char text[128];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                introduce(&cases[i].address, "v1", text);
                assert_string_equal(text, cases[i].line);
        }
}

static void test_only_what_the_server_leaves_is_judged(void **state) {
        TunnelConfig config = { .options = tunnel_options_new() };
        VisitorAddress in = { "", "10.1.2.3:4711", "" }, out = { "", "192.0.2.7:4711", "" }, none = { "", "", "" };

        (void) state;
        assert_int_equal(cidr_list_add(&config.options->allow, "10.0.0.0/8"), 0);
        assert_true(visitor_address_may_come(&out, &config, 0));
        assert_true(visitor_address_may_come(&in, &config, TUNNEL_OPTION_ALLOW));
        assert_false(visitor_address_may_come(&out, &config, TUNNEL_OPTION_ALLOW));
        assert_false(visitor_address_may_come(&none, &config, TUNNEL_OPTION_ALLOW));
        tunnel_options_unref(config.options);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_service_is_told_only_if_it_wants_to_know),
                cmocka_unit_test(test_an_unknown_destination_has_the_port_of_the_url),
                cmocka_unit_test(test_only_what_the_server_leaves_is_judged),
        };

        return cmocka_run_group_tests_name("client/visitor-address", tests, NULL, NULL);
}
