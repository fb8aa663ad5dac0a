/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "proto/frame.h"

static uint8_t input[FRAME_HEADER_BYTES + FRAME_PAYLOAD_MAX + 8];

static void write_length(uint64_t length) {
        for (unsigned i = 0; i < FRAME_HEADER_BYTES; i++)
                input[i] = (uint8_t) (length >> 8 * i);
}

/* The frame's length is announced and N bytes of input are there. */
static ssize_t parse(uint64_t length, size_t n) {
        const char *payload = NULL;
        size_t bytes = 0;
        ssize_t r;

        write_length(length);
        r = frame_parse(input, n, &payload, &bytes);
        if (r < 0) {
                assert_null(payload);
                assert_int_equal(bytes, 0);
        } else {
                assert_ptr_equal(payload, input + FRAME_HEADER_BYTES);
                assert_int_equal(bytes, length);
        }
        return r;
}

static void test_a_whole_frame_is_taken_and_what_follows_is_left(void **state) {
        (void) state;
        assert_int_equal(parse(2, 10), 10);
        assert_int_equal(parse(2, sizeof(input)), 10);
        assert_int_equal(parse(300, 308), 308);
        assert_int_equal(parse(FRAME_PAYLOAD_MAX, sizeof(input)), FRAME_HEADER_BYTES + FRAME_PAYLOAD_MAX);
}

static void test_a_frame_cut_at_any_byte_waits(void **state) {
        (void) state;
        for (size_t n = 0; n < FRAME_HEADER_BYTES + 300; n++)
                assert_int_equal(parse(300, n), -EAGAIN);
        assert_int_equal(parse(FRAME_PAYLOAD_MAX, FRAME_HEADER_BYTES + FRAME_PAYLOAD_MAX - 1), -EAGAIN);
}

static void test_bad_lengths_are_refused_from_the_header_alone(void **state) {
        static const uint64_t lengths[] = {
                0,
                1,
                FRAME_PAYLOAD_MAX + 1,
                UINT64_C(1) << 31,
                UINT64_C(1) << 32,       /* 0 in the low half */
                (UINT64_C(1) << 32) + 2, /* 2 in the low half */
                UINT64_C(1) << 40,
                INT64_MAX,
                (uint64_t) INT64_MIN,
                (uint64_t) -1,
                (uint64_t) -8,
                UINT64_C(0x0100000000000002),
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
                assert_int_equal(parse(lengths[i], FRAME_HEADER_BYTES), -EBADMSG);
                assert_int_equal(parse(lengths[i], FRAME_HEADER_BYTES + 100), -EBADMSG);
        }
}

static void test_the_header_is_little_endian(void **state) {
        unsigned char header[FRAME_HEADER_BYTES];

        (void) state;
        frame_write_header(0x0102, header);
        assert_memory_equal(header, "\x02\x01\0\0\0\0\0\0", sizeof(header));
        frame_write_header(FRAME_PAYLOAD_MAX, header);
        write_length(FRAME_PAYLOAD_MAX);
        assert_memory_equal(header, input, sizeof(header));
}

static void test_input_may_be_at_any_address(void **state) {
        uint8_t at_odd[1 + FRAME_HEADER_BYTES + 2] = "x\x02\0\0\0\0\0\0\0{}";
        const char *payload;
        size_t n;

        (void) state;
        assert_int_equal(frame_parse(at_odd + 1, sizeof(at_odd) - 1, &payload, &n), 10);
        assert_memory_equal(payload, "{}", n);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_whole_frame_is_taken_and_what_follows_is_left),
                cmocka_unit_test(test_a_frame_cut_at_any_byte_waits),
                cmocka_unit_test(test_bad_lengths_are_refused_from_the_header_alone),
                cmocka_unit_test(test_the_header_is_little_endian),
                cmocka_unit_test(test_input_may_be_at_any_address),
        };

        return cmocka_run_group_tests_name("proto/frame", tests, NULL, NULL);
}
