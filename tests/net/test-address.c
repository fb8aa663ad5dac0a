/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <sys/socket.h>

#include "net/address.h"

static void test_addresses_are_read_and_written(void **state _unused_) {
        static const struct {
                const char *text, *formatted, *ip;
                uint16_t port;
        } cases[] = {
                { "192.0.2.1:80", "192.0.2.1:80", "192.0.2.1", 80 },
                { "0.0.0.0:0", "0.0.0.0:0", "0.0.0.0", 0 },
                { "[2001:DB8::1]:65535", "[2001:db8::1]:65535", "2001:db8::1", 65535 },
                { "[::]:443", "[::]:443", "::", 443 },
                { ":80", "[::]:80", "::", 80 },
                { "80", "[::]:80", "::", 80 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[ADDRESS_TEXT_MAX];
                Address a;

                assert_int_equal(address_parse(cases[i].text, &a), 0);
                assert_string_equal(address_format(&a, text), cases[i].formatted);
                assert_string_equal(address_format_ip(&a, text), cases[i].ip);
                assert_int_equal(address_port(&a), cases[i].port);
        }
}

static void test_what_is_no_address_is_refused(void **state _unused_) {
        static const char *const cases[] = {
                "", "a", "a:80", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:x", "::1:80",
                "[::1]", "[::1]80", "[::1:80", "192.0.2.256:80", "65536", "-1", ":", "1.2.3:1",
                "[a]:80", "192.0.2.1:80:1", " 80", "80 ", "[::1]:-1",
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Address a = { .length = 7 };

                if (address_parse(cases[i], &a) != -EINVAL || a.length != 7)
                        fail_msg("\"%s\"", cases[i]);
        }
}

static void test_mapped_addresses_are_ipv4(void **state _unused_) {
        char text[ADDRESS_TEXT_MAX];
        Address mapped, a;

        assert_int_equal(address_parse("[::ffff:192.0.2.1]:80", &mapped), 0);
        address_set(&a, &mapped.sa, mapped.length);
        assert_int_equal(a.sa.sa_family, AF_INET);
        assert_int_equal(a.length, sizeof(struct sockaddr_in));
        assert_string_equal(address_format(&a, text), "192.0.2.1:80");
}

static void test_loopback_is_told(void **state _unused_) {
        static const struct {
                const char *text;
                bool loopback;
        } cases[] = {
                { "127.0.0.1:1", true },
                { "127.255.0.9:1", true },
                { "[::1]:1", true },
                { "128.0.0.1:1", false },
                { "0.0.0.0:1", false },
                { "[::]:1", false },
                { "[::2]:1", false },
                { "10.0.0.1:1", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Address a;

                assert_int_equal(address_parse(cases[i].text, &a), 0);
                if (address_is_loopback(&a) != cases[i].loopback)
                        fail_msg("%s", cases[i].text);
        }
}

static void test_the_port_can_be_set(void **state _unused_) {
        Address a;

        assert_int_equal(address_parse("[::1]:1", &a), 0);
        address_set_port(&a, 4443);
        assert_int_equal(address_port(&a), 4443);
        assert_int_equal(address_parse("127.0.0.1:1", &a), 0);
        address_set_port(&a, 4443);
        assert_int_equal(address_port(&a), 4443);
}

static void test_both_ends_of_a_socket_are_known(void **state _unused_) {
        Address own, peer;
        int a, b;

        tcp_pair(&a, &b, 0);
        assert_int_equal(address_of_socket(a, &own), 0);
        assert_int_equal(address_of_peer(b, &peer), 0);
        assert_int_equal(address_port(&own), address_port(&peer));
        assert_true(address_is_loopback(&peer));
        close(a);
        close(b);
        assert_int_equal(address_of_peer(a, &peer), -EBADF);
}

static void test_an_unnamed_unix_peer_has_a_text(void **state _unused_) {
        char text[ADDRESS_TEXT_MAX];
        Address peer;
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        assert_int_equal(address_of_peer(fds[0], &peer), 0);
        assert_string_equal(address_format_ip(&peer, text), "local");
        assert_int_equal(address_port(&peer), 0);
        close(fds[0]);
        close(fds[1]);
}

static void test_host_and_port_are_split(void **state _unused_) {
        static const struct {
                const char *text;
                uint16_t standard;
                const char *host; /* NULL: refused */
                uint16_t port;
        } cases[] = {
                { "a.b:80", 0, "a.b", 80 },
                { "a.b", 4443, "a.b", 4443 },
                { "a.b:80", 4443, "a.b", 80 },
                { "[::1]:80", 0, "::1", 80 },
                { "[::1]", 4443, "::1", 4443 },
                { ":80", 0, "", 80 },
                { "a.b", 0, NULL, 0 },
                { "a.b:", 4443, NULL, 0 },
                { "a.b:x", 0, NULL, 0 },
                { "a.b:65536", 0, NULL, 0 },
                { "::1", 4443, NULL, 0 },
                { "[::1", 4443, NULL, 0 },
                { "[::1]x", 4443, NULL, 0 },
                { "0123456789012345:1", 0, NULL, 0 }, /* longer than the room */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char host[16] = "";
                uint16_t port = 0;
                int r = host_port_split(cases[i].text, cases[i].standard, host, sizeof(host), &port);

                if (r != (cases[i].host ? 0 : -EINVAL) || port != cases[i].port)
                        fail_msg("%s: %d, %u", cases[i].text, r, port);
                assert_string_equal(host, cases[i].host ? cases[i].host : "");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_addresses_are_read_and_written),
                cmocka_unit_test(test_what_is_no_address_is_refused),
                cmocka_unit_test(test_mapped_addresses_are_ipv4),
                cmocka_unit_test(test_loopback_is_told),
                cmocka_unit_test(test_the_port_can_be_set),
                cmocka_unit_test(test_both_ends_of_a_socket_are_known),
                cmocka_unit_test(test_an_unnamed_unix_peer_has_a_text),
                cmocka_unit_test(test_host_and_port_are_split),
        };

        return cmocka_run_group_tests_name("net/address", tests, NULL, NULL);
}
