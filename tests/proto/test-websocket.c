/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "proto/websocket.h"

static char told[4096];

static void on_frame(const WebsocketFrame *f, void *userdata) {
        size_t n = strlen(told);

        assert_ptr_equal(userdata, told);
        snprintf(told + n, sizeof(told) - n, " %s%u%s:%llu=%.*s", f->is_final ? "" : "-", f->opcode,
                 f->is_compressed ? "z" : "", (unsigned long long) f->length, MIN((int) f->n_sample, 8),
                 (const char *) f->sample);
}

/* In pieces of each size. */
static void expect(const char *data, size_t n, const char *expected) {
        for (size_t step = 1; step <= n; step++) {
                WebsocketReader r = {};

                told[0] = '\0';
                for (size_t at = 0; at < n; at += step)
                        websocket_feed(&r, (const uint8_t *) data + at, MIN(step, n - at), on_frame, told);
                assert_string_equal(told, expected);
        }
}

#define BYTES(text) text, sizeof(text) - 1

static void test_frames_are_told_with_their_beginning(void **state) {
        (void) state;
        expect(BYTES("\x81\x05hello\x89\x00\x02\x02hi\x80\x01!\xc1\x03xyz"),
               " 1:5=hello 9:0= -2:2=hi 0:1=! 1z:3=xyz");
}

static void test_masks_are_taken_off(void **state) {
        (void) state;
        expect(BYTES("\x81\x85\x01\x02\x03\x04\x69\x67\x6f\x68\x6e\x88\x80zzzz"), " 1:5=hello 8:0=");
}

static void test_of_a_long_frame_the_beginning_is_enough(void **state) {
        static char data[70000];

        (void) state;
        memset(data, 'a', sizeof(data));
        memcpy(data, "\x82\x7e\x01\x00", 4);                                    /* 256 bytes */
        memcpy(data + 4 + 256, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10); /* 65536 */
        memcpy(data + 4 + 256 + 10 + 65536, "\x81\x01z", 3);
        for (size_t step = 1; step < 300; step += 13) {
                WebsocketReader r = {};

                told[0] = '\0';
                for (size_t at = 0; at < 4 + 256 + 10 + 65536 + 3; at += step)
                        websocket_feed(&r, (const uint8_t *) data + at,
                                       MIN(step, 4 + 256 + 10 + 65536 + 3 - at), on_frame, told);
                assert_string_equal(told, " 2:256=aaaaaaaa 2:65536=aaaaaaaa 1:1=z");
        }
}

static void test_a_length_that_can_not_be_ends_it(void **state) {
        (void) state;
        expect(BYTES("\x81\x01x\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01y"), " 1:1=x");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_frames_are_told_with_their_beginning),
                cmocka_unit_test(test_masks_are_taken_off),
                cmocka_unit_test(test_of_a_long_frame_the_beginning_is_enough),
                cmocka_unit_test(test_a_length_that_can_not_be_ends_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
