/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "proto/utf8.h"

/* N bytes alone in memory, so that a sanitizer sees a read behind them. */
static bool is_valid(const char *s, size_t n) {
        _cleanup_free_ char *copy = calloc(1, n);

        memcpy(copy, s, n);
        return utf8_is_valid(copy, n);
}

/* Writes C as RFC 3629 §3 says, also where it forbids it. */
static size_t encode(uint32_t c, char ret[static 4]) {
        if (c < 0x80) {
                ret[0] = (char) c;
                return 1;
        }
        if (c < 0x800) {
                ret[0] = (char) (0xc0 | c >> 6);
                ret[1] = (char) (0x80 | (c & 0x3f));
                return 2;
        }
        if (c < 0x10000) {
                ret[0] = (char) (0xe0 | c >> 12);
                ret[1] = (char) (0x80 | (c >> 6 & 0x3f));
                ret[2] = (char) (0x80 | (c & 0x3f));
                return 3;
        }
        ret[0] = (char) (0xf0 | c >> 18);
        ret[1] = (char) (0x80 | (c >> 12 & 0x3f));
        ret[2] = (char) (0x80 | (c >> 6 & 0x3f));
        ret[3] = (char) (0x80 | (c & 0x3f));
        return 4;
}

static void test_every_character_is_valid_but_surrogates_and_controls(void **state _unused_) {
        for (uint32_t c = 0; c < 0x120000; c++) {
                bool control = c < 0x20 && c != '\t' && c != '\n' && c != '\r';
                bool expected = !control && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
                char text[4];
                size_t n = encode(c, text);

                if (utf8_is_valid(text, n) != expected)
                        fail_msg("U+%04X", c);
        }
}

static void test_a_cut_character_is_refused(void **state _unused_) {
        static const char *const texts[] = { "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                size_t n = strlen(texts[i]);

                assert_true(is_valid(texts[i], n));
                for (size_t k = 1; k < n; k++) {
                        assert_false(is_valid(texts[i], k));
                        assert_false(is_valid(texts[i] + k, n - k));
                }
        }
}

static void test_other_bytes_are_refused(void **state _unused_) {
        static const char *const texts[] = {
                "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf",
                "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80",
                "\xfe", "\xff", "\xc3\x28", "\xe2\x28\xa1", "\xe2\x82\x28", "\xf0\x90\x80", "a\xc3",
                "\xc3\xa4\xa4", "\xf0\x28\x8c\xbc",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (is_valid(texts[i], strlen(texts[i])))
                        fail_msg("text %zu", i);
}

static void test_texts(void **state _unused_) {
        assert_true(is_valid("", 0));
        assert_true(is_valid("a\xc3\xa4\tb\r\n\x7f", 8));
        assert_false(is_valid("a\0b", 3));
        assert_false(is_valid("a\x1b", 2));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_character_is_valid_but_surrogates_and_controls),
                cmocka_unit_test(test_a_cut_character_is_refused),
                cmocka_unit_test(test_other_bytes_are_refused),
                cmocka_unit_test(test_texts),
        };

        return cmocka_run_group_tests_name("proto/utf8", tests, NULL, NULL);
}
