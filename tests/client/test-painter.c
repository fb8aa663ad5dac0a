/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/painter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

/* What a page with TEXT makes the terminal be sent, with a NUL behind it. Owned by the caller. */
static char *paint(Painter *p, const char *text, bool anew) {
        const char *data = NULL;
        char *copy;
        Canvas c;
        ssize_t n;

        assert_int_equal(canvas_init(&c, 40, 10), 0);
        (void) canvas_put(&c, 1, 0, 40, STYLE_BAD, text);
        n = painter_paint(p, &c, anew, &data);
        canvas_done(&c);
        assert_true(n >= 0);
        copy = strndup(data, (size_t) n);
        assert_non_null(copy);
        return copy;
}

static Painter *new_painter(const char *term) {
        Painter *p = NULL;

        assert_int_equal(setenv("TERM", term, 1), 0);
        assert_int_equal(painter_new(&p), 0);
        return p;
}

static void test_only_what_has_changed_is_sent(void **state) {
        Painter *p = new_painter("xterm");
        _cleanup_free_ char *first = paint(p, "abcdefgh", true), *same = paint(p, "abcdefgh", false);
        _cleanup_free_ char *other = paint(p, "abcdeXgh", false), *again = paint(p, "abcdeXgh", true);

        (void) state;
        assert_non_null(strstr(first, "abcdefgh"));
        assert_string_equal(same, "");
        assert_non_null(strstr(other, "X"));
        assert_null(strstr(other, "abc"));
        assert_non_null(strstr(again, "abcdeXgh"));
        painter_free(p);
}

static void test_a_screen_begins_and_ends_beside_the_other_text(void **state) {
        Painter *p = new_painter("xterm");
        _cleanup_free_ char *first = paint(p, "abc", true), *after = NULL;
        const char *leave;
        size_t n;

        (void) state;
        leave = painter_leave(p, &n);
        assert_int_equal(strlen(leave), n);
        assert_non_null(strstr(first, "\x1b[?1049h"));
        assert_non_null(strstr(leave, "\x1b[?1049l"));
        assert_non_null(strstr(leave, "\x1b[?25h")); /* the cursor */
        painter_pause(p);
        after = paint(p, "abc", true);
        assert_non_null(strstr(after, "\x1b[?1049h"));
        assert_non_null(strstr(after, "abc"));
        painter_free(p);
}

static void test_colors_are_left_out_on_request(void **state) {
        Painter *p = new_painter("xterm");
        _cleanup_free_ char *colored = paint(p, "abc", true), *plain = NULL;

        (void) state;
        assert_non_null(strstr(colored, "\x1b[31m"));
        painter_free(p);
        assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
        p = new_painter("xterm");
        plain = paint(p, "abc", true);
        assert_null(strstr(plain, "\x1b[31m"));
        painter_free(p);
        assert_int_equal(unsetenv("NO_COLOR"), 0);
}

static void test_a_terminal_that_shows_no_screens_is_refused(void **state) {
        static const char *const terms[] = { "dumb", "no-such-terminal", "" };
        Painter *p = NULL;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(terms); i++) {
                assert_int_equal(setenv("TERM", terms[i], 1), 0);
                assert_int_equal(painter_new(&p), -ENOENT);
        }
        assert_int_equal(unsetenv("TERM"), 0);
        assert_int_equal(painter_new(&p), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_only_what_has_changed_is_sent),
                cmocka_unit_test(test_a_screen_begins_and_ends_beside_the_other_text),
                cmocka_unit_test(test_colors_are_left_out_on_request),
                cmocka_unit_test(test_a_terminal_that_shows_no_screens_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
