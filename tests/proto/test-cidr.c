/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/str.h"
#include "proto/cidr.h"

static Ip ip(const char *text) {
        Ip ip = {};

        if (ip_parse(text, strlen(text), &ip) < 0)
                fail_msg("\"%s\"", text);
        return ip;
}

static void test_addresses_are_read_and_written(void **state) {
        static const struct {
                const char *text, *written;
        } cases[] = {
                { "192.0.2.1", "192.0.2.1" },
                { "0.0.0.0", "0.0.0.0" },
                { "255.255.255.255", "255.255.255.255" },
                { "::ffff:192.0.2.1", "192.0.2.1" },
                { "::ffff:c000:201", "192.0.2.1" },
                { "0:0:0:0:0:FFFF:192.0.2.1", "192.0.2.1" },
                { "::", "::" },
                { "::1", "::1" },
                { "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
                { "64:ff9b::192.0.2.1", "64:ff9b::c000:201" },
                { "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
                  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Ip a = ip(cases[i].text);
                char text[IP_TEXT_MAX];

                assert_string_equal(ip_format(&a, text), cases[i].written);
        }
}

static void test_what_is_no_address_is_refused(void **state) {
        static const char *const cases[] = {
                "",
                "1",
                "1.2.3",
                "1.2.3.4.5",
                "1.2.3.256",
                "1.2.3.04",
                "0x1.2.3.4",
                " 1.2.3.4",
                "1.2.3.4 ",
                "1.2.3.4:80",
                "[::1]",
                "::1%eth0",
                ":::",
                "1::2::3",
                "12345::",
                "1:2:3:4:5:6:7",
                "a",
                "unknown",
                "0000:0000:0000:0000:0000:0000:255.255.255.2555",
        };
        Ip a;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (ip_parse(cases[i], strlen(cases[i]), &a) != -EINVAL)
                        fail_msg("\"%s\"", cases[i]);
        assert_int_equal(ip_parse("1.2.3.4\0", 8, &a), -EINVAL);
        assert_int_equal(ip_parse("1.2.3.45", 7, &a), 0); /* only N bytes are read */
        assert_true(ip_is_v4(&a));
        assert_int_equal(a.bytes[15], 4);
}

static void test_both_kinds_come_from_bytes(void **state) {
        static const uint8_t v4[] = { 192, 0, 2, 1 }, v6[16] = { 0x20, 1, 0x0d, 0xb8, [15] = 1 };
        char text[IP_TEXT_MAX];
        Ip a = ip_from_v4(v4), b = ip_from_v6(v6), mapped = ip_from_v6(a.bytes);

        (void) state;
        assert_string_equal(ip_format(&a, text), "192.0.2.1");
        assert_string_equal(ip_format(&b, text), "2001:db8::1");
        assert_true(ip_is_v4(&a));
        assert_true(ip_is_v4(&mapped));
        assert_false(ip_is_v4(&b));
}

static void test_a_network_contains_what_has_its_prefix(void **state) {
        static const struct {
                const char *network, *address;
                bool contains;
        } cases[] = {
                { "192.0.2.0/24", "192.0.2.0", true },
                { "192.0.2.0/24", "192.0.2.255", true },
                { "192.0.2.0/24", "192.0.3.0", false },
                { "192.0.2.0/24", "192.0.1.255", false },
                { "192.0.2.77/24", "192.0.2.1", true },
                { "192.0.2.128/25", "192.0.2.127", false },
                { "192.0.2.128/25", "192.0.2.128", true },
                { "10.0.0.0/9", "10.127.255.255", true },
                { "10.0.0.0/9", "10.128.0.0", false },
                { "192.0.2.1", "192.0.2.1", true },
                { "192.0.2.1", "192.0.2.0", false },
                { "192.0.2.1/32", "192.0.2.1", true },
                { "192.0.2.1/31", "192.0.2.0", true },
                { "0.0.0.0/0", "203.0.113.9", true },
                { "0.0.0.0/0", "::1", false },
                { "0.0.0.0/0", "::", false },
                { "192.0.2.0/24", "::ffff:192.0.2.9", true },
                { "::ffff:192.0.2.0/120", "192.0.2.9", true },
                { "::ffff:192.0.2.0/120", "192.0.3.9", false },
                { "::ffff:0:0/96", "203.0.113.9", true },
                { "::ffff:0:0/96", "::1", false },
                { "::ffff:0:0/95", "203.0.113.9", false }, /* a network of IPv6 */
                { "::/0", "203.0.113.9", false },
                { "::/0", "2001:db8::1", true },
                { "::/0", "::", true },
                { "2001:db8::/32", "2001:db8:ffff::1", true },
                { "2001:db8::/32", "2001:db9::", false },
                { "2001:db8::/33", "2001:db8:7fff::1", true },
                { "2001:db8::/33", "2001:db8:8000::", false },
                { "2001:db8::1", "2001:db8::1", true },
                { "2001:db8::1", "2001:db8::2", false },
                { "2001:db8::1/128", "2001:db8::1", true },
                { "::1", "127.0.0.1", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Ip a = ip(cases[i].address);
                Cidr c;

                assert_int_equal(cidr_parse(cases[i].network, strlen(cases[i].network), &c), 0);
                if (cidr_contains(&c, &a) != cases[i].contains)
                        fail_msg("%s in %s", cases[i].address, cases[i].network);
        }
}

static void test_what_is_no_network_is_refused(void **state) {
        static const char *const cases[] = {
                "",
                "/",
                "/24",
                "192.0.2.0/",
                "192.0.2.0/33",
                "192.0.2.0/-1",
                "192.0.2.0/+1",
                "192.0.2.0/024",
                "192.0.2.0/00",
                "192.0.2.0/24 ",
                "192.0.2.0 /24",
                "192.0.2.0/ 24",
                "192.0.2.0/24/24",
                "192.0.2.0/255.255.255.0",
                "192.0.2/24",
                "2001:db8::/129",
                "2001:db8::/1000",
                "[2001:db8::]/32",
                "example.org",
                "*",
                "2001:db8::/4294967296",
                "192.0.2.0/2x",
                "192.0.2.0-192.0.2.9",
        };
        Cidr c = { .bits = 4711 };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (cidr_parse(cases[i], strlen(cases[i]), &c) != -EINVAL || c.bits != 4711)
                        fail_msg("\"%s\"", cases[i]);
}

static void test_a_list_contains_what_one_of_its_networks_does(void **state) {
        const Ip in[] = { ip("192.0.2.9"), ip("10.9.9.9"), ip("2001:db8::7"), ip("::1") };
        const Ip out[] = { ip("192.0.3.9"), ip("2001:db9::"), ip("127.0.0.1") };
        CidrList l = {};

        (void) state;
        assert_false(cidr_list_contains(&l, &in[0]));
        assert_int_equal(cidr_list_add(&l, "192.0.2.0/24"), 0);
        assert_int_equal(cidr_list_add(&l, "10.0.0.0/8,2001:db8::/32,::1"), 0);
        assert_int_equal(l.n, 4);
        for (size_t i = 0; i < ELEMENTSOF(in); i++)
                assert_true(cidr_list_contains(&l, &in[i]));
        for (size_t i = 0; i < ELEMENTSOF(out); i++)
                assert_false(cidr_list_contains(&l, &out[i]));
        cidr_list_done(&l);
        assert_int_equal(l.n, 0);
}

static void test_a_bad_entry_leaves_the_list_as_it_was(void **state) {
        static const char *const cases[] = {
                "", ",", "10.0.0.0/8,", ",10.0.0.0/8", "10.0.0.0/8,,::1", "10.0.0.0/8, ::1", "10.0.0.0/8,x",
        };
        CidrList l = {};

        (void) state;
        assert_int_equal(cidr_list_add(&l, "192.0.2.1"), 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(cidr_list_add(&l, cases[i]), -EINVAL);
                assert_int_equal(l.n, 1);
        }
        cidr_list_done(&l);
}

static void test_a_list_has_a_limit(void **state) {
        CidrList l = {};

        (void) state;
        for (size_t i = 0; i < CIDR_LIST_MAX; i++)
                assert_int_equal(cidr_list_add(&l, "192.0.2.1"), 0);
        assert_int_equal(cidr_list_add(&l, "192.0.2.1"), -ENOBUFS);
        assert_int_equal(l.n, CIDR_LIST_MAX);
        cidr_list_done(&l);
}

static void test_networks_are_written_as_they_are_read(void **state) {
        static const char *const cases[][2] = {
                { "192.0.2.77/24", "192.0.2.0/24" },
                { "192.0.2.1", "192.0.2.1" },
                { "0.0.0.0/0", "0.0.0.0/0" },
                { "::ffff:10.0.0.0/104", "10.0.0.0/8" },
                { "2001:db8::1/32", "2001:db8::/32" },
                { "::1", "::1" },
                { "::/0", "::/0" },
                { "255.255.255.255/31", "255.255.255.254/31" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[CIDR_TEXT_MAX];
                Cidr c;

                assert_int_equal(cidr_parse(cases[i][0], strlen(cases[i][0]), &c), 0);
                assert_string_equal(cidr_format(&c, text), cases[i][1]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_addresses_are_read_and_written),
                cmocka_unit_test(test_what_is_no_address_is_refused),
                cmocka_unit_test(test_both_kinds_come_from_bytes),
                cmocka_unit_test(test_a_network_contains_what_has_its_prefix),
                cmocka_unit_test(test_what_is_no_network_is_refused),
                cmocka_unit_test(test_a_list_contains_what_one_of_its_networks_does),
                cmocka_unit_test(test_a_bad_entry_leaves_the_list_as_it_was),
                cmocka_unit_test(test_a_list_has_a_limit),
                cmocka_unit_test(test_networks_are_written_as_they_are_read),
        };

        return cmocka_run_group_tests_name("proto/cidr", tests, NULL, NULL);
}
