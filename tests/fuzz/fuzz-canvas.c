/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <locale.h>
#include <string.h>

#include "client/canvas.h"

#define WIDTH_MAX 64

/* Nothing that a terminal would obey, and no half of a wide character. */
static void check(const Canvas *c) {
        for (unsigned i = 0; i < c->width; i++) {
                wchar_t character = c->cells[i].character;

                must(character == 0 ? i > 0 && wcwidth(c->cells[i - 1].character) == 2
                                    : wcwidth(character) >= 1);
                if (wcwidth(character) == 2)
                        must(i + 1 < c->width && c->cells[i + 1].character == 0);
        }
}

/* The first byte is the width, the second the column; the rest is text, written twice. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text;
        Canvas c;

        if (size < 2 || !setlocale(LC_CTYPE, "C.UTF-8"))
                return 0;
        text = strndup((const char*) data + 2, size - 2);
        must(text && canvas_init(&c, data[0] % WIDTH_MAX, 1) == 0);
        must(canvas_put(&c, 0, data[1] % WIDTH_MAX, WIDTH_MAX, STYLE_PLAIN, text) <= WIDTH_MAX);
        check(&c);
        canvas_put_right(&c, 0, data[1] % 8, c.width - data[1] % 2, STYLE_BAD, text);
        check(&c);
        canvas_done(&c);
        free(text);
        return 0;
}
