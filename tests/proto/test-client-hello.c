/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/str.h"
#include "proto/client-hello.h"

#define RANDOM "0123456789abcdef0123456789abcdef"
#define START "\x03\x03" RANDOM "\0" "\0\2\x13\x01" "\1\0"
#define SNI(length_all, length_list, length, name) "\0\0\0" length_all "\0" length_list "\0\0" length name
#define SNI_A SNI("\x06", "\x04", "\x01", "a")
#define L63 "a23456789-123456789-123456789-123456789-123456789-123456789-123"
#define HOST_253 L63 "." L63 "." L63 "." "a23456789-123456789-123456789-123456789-123456789-123456789-1"

static ClientHello hello;

/* Parses N bytes that lie alone in memory, so that a sanitizer sees a read behind them. */
static int parse(const void *data, size_t n) {
        _cleanup_free_ char *copy = malloc(n);

        memcpy(copy, data, n);
        return client_hello_parse(&hello, copy, n);
}

/* Writes the handshake message with that BODY in records of SIZE bytes; returns their length. */
static size_t wrap(const char *body, size_t n, size_t size, char *ret) {
        _cleanup_free_ char *message = malloc(n + 4);
        char *p = ret;

        memcpy(message, (char[]) { 1, (char) (n >> 16), (char) (n >> 8), (char) n }, 4);
        memcpy(message + 4, body, n);
        for (size_t i = 0; i < n + 4; i += size) {
                size_t k = MIN(size, n + 4 - i);

                memcpy(p, (char[]) { 22, 3, 1, (char) (k >> 8), (char) k }, 5);
                memcpy(p + 5, message + i, k);
                p += 5 + k;
        }
        return (size_t) (p - ret);
}

/* The hello with that BODY gives RESULT, however its bytes are cut, and however it is cut into records. */
static void check(const char *body, size_t n, int result) {
        static const size_t sizes[] = { 1, 2, 3, 7, 50, 16384 };

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_free_ char *bytes = malloc((n + 4) * 6);
                size_t n_bytes = wrap(body, n, sizes[i], bytes);

                for (size_t k = 0; k < n_bytes; k++)
                        assert_int_equal(parse(bytes, k), -EAGAIN);
                hello = (ClientHello){};
                assert_int_equal(parse(bytes, n_bytes), result);
        }
}

#define CHECK(body, result) check((body), sizeof(body) - 1, (result))

static void test_a_name_and_protocols_are_found(void **state) {
        (void) state;
        CHECK(START "\0\x33" "\0\x2b\0\3\2\3\4" SNI("\x10", "\x0e", "\x0b", "Example.org")
              "\0\x10\0\x14\0\x12" "\x02h2" "\x0bpgrok-mux/1" "\x02xy", 0);
        assert_string_equal(hello.server_name, "example.org");
        assert_true(client_hello_offers(&hello, "h2"));
        assert_true(client_hello_offers(&hello, "pgrok-mux/1"));
        assert_true(client_hello_offers(&hello, "xy"));
        assert_false(client_hello_offers(&hello, "pgrok-mux/"));
        assert_false(client_hello_offers(&hello, "pgrok-mux/11"));
        assert_false(client_hello_offers(&hello, ""));
}

/* As browsers do, so that nobody gets used to what there is (GREASE, RFC 8701). */
static void test_what_is_not_known_is_passed_over(void **state _unused_) {
        CHECK("\x03\x03" RANDOM "\0" "\0\4\x0a\x0a\x13\x01" "\1\0" "\0\x13" "\x0a\x0a\0\0" SNI_A "\x1a\x1a\0\1\0", 0);
        assert_string_equal(hello.server_name, "a");
}

static void test_a_hello_may_be_silent(void **state) {
        (void) state;
        CHECK(START, 0);
        assert_string_equal(hello.server_name, "");
        assert_false(client_hello_offers(&hello, "h2"));
        CHECK(START "\0\0", 0);
        CHECK(START "\0\4" "\xff\x01\0\0", 0);
        CHECK("\x03\x01" RANDOM "\x20" RANDOM "\0\4\x13\x01\x13\x02" "\2\1\0", 0);
}

static void test_a_name_may_end_with_the_roots_dot(void **state) {
        (void) state;
        CHECK(START "\0\x0b" SNI("\x07", "\x05", "\x02", "A."), 0);
        assert_string_equal(hello.server_name, "a");
        CHECK(START "\1\x07" "\0\0\1\x03" "\1\x01" "\0\0\xfe" HOST_253 ".", 0);
        assert_string_equal(hello.server_name, HOST_253);
}

static void test_bad_names_are_refused(void **state) {
        (void) state;
        CHECK(START "\0\x09" SNI("\x05", "\x03", "\0", ""), -EBADMSG);
        CHECK(START "\0\x0a" SNI("\x06", "\x04", "\x01", "\0"), -EBADMSG);
        CHECK(START "\0\x0a" SNI("\x06", "\x04", "\x01", " "), -EBADMSG);
        CHECK(START "\0\x0a" SNI("\x06", "\x04", "\x01", "."), -EBADMSG);
        CHECK(START "\0\x0c" SNI("\x08", "\x06", "\x03", "::1"), -EBADMSG);
        CHECK(START "\0\x0e" SNI("\x0a", "\x08", "\x05", "[::1]"), -EBADMSG);
        CHECK(START "\0\x0d" SNI("\x09", "\x07", "\x04", "a:80"), -EBADMSG);
        CHECK(START "\1\x08" "\0\0\1\x04" "\1\x02" "\0\0\xff" HOST_253 "..", -EBADMSG);
        CHECK(START "\1\x08" "\0\0\1\x04" "\1\x02" "\0\0\xff" HOST_253 "x.", -EBADMSG);
}

static void test_malformed_extensions_are_refused(void **state) {
        (void) state;
        CHECK(START "\0", -EBADMSG);
        CHECK(START "\0\1", -EBADMSG);
        CHECK(START "\0\0\0", -EBADMSG);                                     /* something behind them */
        CHECK(START "\0\3\0\0\0", -EBADMSG);
        CHECK(START "\0\4\0\0\0\1", -EBADMSG);
        CHECK(START "\0\x14" SNI_A SNI_A, -EBADMSG);                         /* two of them */
        CHECK(START "\0\x0a" SNI("\x06", "\x05", "\x01", "a"), -EBADMSG);    /* lengths that disagree */
        CHECK(START "\0\x0a" SNI("\x06", "\x03", "\x01", "a"), -EBADMSG);
        CHECK(START "\0\x0a" SNI("\x06", "\x04", "\x02", "a"), -EBADMSG);
        CHECK(START "\0\x0b" SNI("\x07", "\x04", "\x01", "ab"), -EBADMSG);
        CHECK(START "\0\x0a" "\0\0\0\6\0\4\1\0\1a", -EBADMSG);               /* no host name */
        CHECK(START "\0\x0e" "\0\0\0\x0a\0\x08\0\0\1a\0\0\1b", -EBADMSG);    /* two names */
        CHECK(START "\0\4" "\0\0\0\0", -EBADMSG);
        CHECK(START "\0\6" "\0\0\0\2\0\0", -EBADMSG);
        CHECK(START "\0\4" "\0\x10\0\0", -EBADMSG);                          /* protocols */
        CHECK(START "\0\6" "\0\x10\0\2\0\0", -EBADMSG);
        CHECK(START "\0\7" "\0\x10\0\3\0\1\0", -EBADMSG);
        CHECK(START "\0\x08" "\0\x10\0\4\0\2\2a", -EBADMSG);
        CHECK(START "\0\x08" "\0\x10\0\4\0\1\1a", -EBADMSG);
        CHECK(START "\0\x10" "\0\x10\0\4\0\2\1a" "\0\x10\0\4\0\2\1b", -EBADMSG);
}

static void test_malformed_hellos_are_refused(void **state) {
        (void) state;
        CHECK("", -EBADMSG);
        CHECK("\x03\x03" RANDOM, -EBADMSG);
        CHECK("\x02\x03" RANDOM "\0" "\0\2\x13\x01" "\1\0", -EBADMSG);
        CHECK("\x03\x03" RANDOM "\x21" RANDOM "x" "\0\2\x13\x01" "\1\0", -EBADMSG);
        CHECK("\x03\x03" RANDOM "\0" "\0\0" "\1\0", -EBADMSG);
        CHECK("\x03\x03" RANDOM "\0" "\0\3\x13\x01\x13" "\1\0", -EBADMSG);
        CHECK("\x03\x03" RANDOM "\0" "\0\2\x13\x01" "\0", -EBADMSG);
        CHECK("\x03\x03" RANDOM "\0" "\xff\xff\x13\x01" "\1\0", -EBADMSG);
}

static void test_what_can_not_become_a_hello_is_refused_at_once(void **state) {
        static const struct {
                const char *bytes;
                size_t n;
                int result;
        } cases[] = {
                { "G", 1, -EBADMSG },
                { "\x80\x2e\x01\x03\x01", 1, -EBADMSG },              /* SSL 2 */
                { "\x15\x03\x01", 1, -EBADMSG },                      /* an alert */
                { "\x16\x02", 2, -EBADMSG },
                { "\x16\x03\x01\0\0", 5, -EBADMSG },                  /* an empty record */
                { "\x16\x03\x01\x40\x01", 5, -EBADMSG },              /* one that is too long */
                { "\x16\x03\x01\0\5\2", 6, -EBADMSG },                /* a ServerHello */
                { "\x16\x03\x01\0\1\1\x17", 7, -EBADMSG },            /* other records between */
                { "\x16\x03\x01\0\5\1\0\0\2x\x17", 11, -EBADMSG },
                { "\x16\x03\x01\0\5\1\1\0\1", 9, -ENOBUFS },
                { "\x16\x03\x01\0\5\1\xff\xff\xff", 9, -ENOBUFS },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (parse(cases[i].bytes, cases[i].n) != cases[i].result)
                        fail_msg("case %zu", i);
}

static void test_a_hello_is_bounded_with_its_records(void **state) {
        static char body[30000] = START, bytes[(sizeof(body) + 4) * 6];
        size_t n = wrap(body, sizeof(body), 1, bytes); /* six bytes for one */

        (void) state;
        assert_true(n > CLIENT_HELLO_BYTES_MAX);
        assert_int_equal(parse(bytes, CLIENT_HELLO_BYTES_MAX - 1), -EAGAIN);
        assert_int_equal(parse(bytes, CLIENT_HELLO_BYTES_MAX), -ENOBUFS);
        assert_int_equal(parse(bytes, n), -ENOBUFS);
}

static void test_what_follows_the_hello_is_not_looked_at(void **state) {
        char bytes[256];
        size_t n = wrap(START "\0\x0a" SNI_A, sizeof(START "\0\x0a" SNI_A) - 1, 16384, bytes);

        (void) state;
        memcpy(bytes + n, "\x16\x03\x01\0\1", 5);
        assert_int_equal(parse(bytes, n + 5), 0);
        assert_string_equal(hello.server_name, "a");
        memcpy(bytes + n, "\x14\x03\x03\0\1\1\x17", 7); /* as before early data */
        assert_int_equal(parse(bytes, n + 7), 0);
}

static void test_long_lists_of_protocols_are_refused(void **state) {
        char body[sizeof(START) + 8 + CLIENT_HELLO_ALPN_BYTES_MAX + 2] = START;
        const size_t n = sizeof(START) - 1;

        (void) state;
        memcpy(body + n, "\2\6" "\0\x10\2\2" "\2\0", 8);
        for (size_t i = 0; i < CLIENT_HELLO_ALPN_BYTES_MAX; i += 2)
                memcpy(body + n + 8 + i, "\1x", 2);
        check(body, n + 8 + CLIENT_HELLO_ALPN_BYTES_MAX, 0);
        memcpy(body + n, "\2\x08" "\0\x10\2\4" "\2\2", 8);
        memcpy(body + n + 8 + CLIENT_HELLO_ALPN_BYTES_MAX, "\1x", 2);
        check(body, n + 8 + CLIENT_HELLO_ALPN_BYTES_MAX + 2, -ENOBUFS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_name_and_protocols_are_found),
                cmocka_unit_test(test_what_is_not_known_is_passed_over),
                cmocka_unit_test(test_a_hello_may_be_silent),
                cmocka_unit_test(test_a_name_may_end_with_the_roots_dot),
                cmocka_unit_test(test_bad_names_are_refused),
                cmocka_unit_test(test_malformed_extensions_are_refused),
                cmocka_unit_test(test_malformed_hellos_are_refused),
                cmocka_unit_test(test_what_can_not_become_a_hello_is_refused_at_once),
                cmocka_unit_test(test_a_hello_is_bounded_with_its_records),
                cmocka_unit_test(test_what_follows_the_hello_is_not_looked_at),
                cmocka_unit_test(test_long_lists_of_protocols_are_refused),
        };

        return cmocka_run_group_tests_name("proto/client-hello", tests, NULL, NULL);
}
