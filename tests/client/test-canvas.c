/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/canvas.h"

#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define WIDTH 20

static int setup(void **state) {
        static Canvas canvas;

        assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
        *state = &canvas;
        return canvas_init(&canvas, WIDTH, 2);
}

static int teardown(void **state) {
        canvas_done(*state);
        return 0;
}

/* What the first row shows. */
static const char *row(const Canvas *c) {
        static char text[WIDTH * 4 + 1];
        mbstate_t mb = {};
        size_t n = 0;

        for (unsigned i = 0; i < c->width; i++)
                if (c->cells[i].character)
                        n += wcrtomb(text + n, c->cells[i].character, &mb);
        while (n > 0 && text[n - 1] == ' ')
                n--;
        text[n] = '\0';
        return text;
}

static const char *put(Canvas *c, unsigned end, const char *text) {
        (void) canvas_put(c, 0, 0, end, STYLE_PLAIN, text);
        return row(c);
}

static void test_text_is_put_where_it_belongs(void **state) {
        Canvas *c = *state;

        assert_int_equal(canvas_put(c, 0, 3, WIDTH, STYLE_GOOD, "abc"), 6);
        assert_string_equal(row(c), "   abc");
        assert_int_equal(c->cells[3].style, STYLE_GOOD);
        assert_int_equal(c->cells[6].style, STYLE_PLAIN);
}

static void test_what_does_not_fit_is_cut_and_shows_it(void **state) {
        assert_string_equal(put(*state, 6, "abcdef"), "abcdef");
        assert_string_equal(put(*state, 6, "abcdefg"), "abcde…");
}

static void test_controls_become_harmless(void **state) {
        assert_string_equal(put(*state, WIDTH, "a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
}

static void test_controls_in_utf8_become_harmless(void **state) {
        assert_string_equal(put(*state, WIDTH,
                                "a\xc2\x9b"
                                "b"),
                            "a\\xc2\\x9bb");
}

static void test_text_can_not_change_its_direction(void **state) {
        assert_string_equal(put(*state, WIDTH,
                                "\xe2\x80\xae"
                                "x"),
                            "\\xe2\\x80\\xaex");
}

static void test_bytes_that_are_no_characters_are_escaped(void **state) {
        assert_string_equal(put(*state, WIDTH, "\xff\xc3"), "\\xff\\xc3");
}

static void test_wide_characters_take_two_columns(void **state) {
        Canvas *c = *state;

        assert_int_equal(canvas_put(c, 0, 0, WIDTH, STYLE_PLAIN, "日本"), 4);
        assert_int_equal(c->cells[1].character, 0);
        assert_string_equal(row(c), "日本");
}

static void test_half_a_wide_character_is_never_left(void **state) {
        Canvas *c = *state;

        assert_string_equal(put(c, 4, "日本語"), "日 …");
        assert_int_equal(c->cells[3].character, L'…');
}

static void test_an_escape_is_not_cut_in_two(void **state) {
        assert_string_equal(put(*state, 5, "ab\x01"), "ab…");
}

static void test_text_can_end_at_the_right(void **state) {
        canvas_put_right(*state, 0, 0, 6, STYLE_PLAIN, "12 ms");
        assert_string_equal(row(*state), " 12 ms");
        canvas_put_right(*state, 0, 0, 4, STYLE_PLAIN, "12 ms");
        assert_string_equal(row(*state), "12 …ms"); /* the rest is of before */
}

static void test_what_is_beyond_the_page_is_left_out(void **state) {
        Canvas *c = *state;

        assert_int_equal(canvas_put(c, 2, 0, WIDTH, STYLE_PLAIN, "x"), 0);
        assert_int_equal(canvas_put(c, 0, WIDTH, 2 * WIDTH, STYLE_PLAIN, "x"), WIDTH);
        assert_string_equal(put(c, 2 * WIDTH, "012345678901234567890"), "0123456789012345678…");
}

static void test_a_page_has_a_size_that_is_possible(void **state) {
        Canvas c;

        (void) state;
        assert_int_equal(canvas_init(&c, 0, 0), 0);
        assert_int_equal(canvas_put(&c, 0, 0, 9, STYLE_PLAIN, "日本"), 1);
        canvas_done(&c);
        assert_int_equal(canvas_init(&c, 1U << 31, 1U << 31), 0);
        assert_int_equal(c.width, CANVAS_WIDTH_MAX);
        canvas_done(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_text_is_put_where_it_belongs),
                TEST(test_what_does_not_fit_is_cut_and_shows_it),
                TEST(test_controls_become_harmless),
                TEST(test_controls_in_utf8_become_harmless),
                TEST(test_text_can_not_change_its_direction),
                TEST(test_bytes_that_are_no_characters_are_escaped),
                TEST(test_wide_characters_take_two_columns),
                TEST(test_half_a_wide_character_is_never_left),
                TEST(test_an_escape_is_not_cut_in_two),
                TEST(test_text_can_end_at_the_right),
                TEST(test_what_is_beyond_the_page_is_left_out),
                TEST(test_a_page_has_a_size_that_is_possible),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
