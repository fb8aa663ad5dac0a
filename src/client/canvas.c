/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/canvas.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define GLYPH_COLUMNS_MAX 4

/* One character as it is shown: a cell a column. */
typedef struct Glyph {
        wchar_t cells[GLYPH_COLUMNS_MAX];
        unsigned n;
        size_t n_bytes; /* of the text */
} Glyph;

int canvas_init(Canvas *c, unsigned width, unsigned height) {
        unsigned w = MAX(MIN(width, (unsigned) CANVAS_WIDTH_MAX), 1U);
        unsigned h = MAX(MIN(height, (unsigned) CANVAS_HEIGHT_MAX), 1U);
        Cell *cells = new0(Cell, (size_t) w * h);

        if (!cells)
                return -ENOMEM;
        for (size_t i = 0; i < (size_t) w * h; i++)
                cells[i].character = L' ';
        *c = (Canvas) { .width = w, .height = h, .cells = cells };
        return 0;
}

void canvas_done(Canvas *c) {
        free(c->cells);
        *c = (Canvas){};
}

static Glyph glyph_escaped(unsigned char byte) {
        static const char digits[] = "0123456789abcdef";

        return (Glyph) {
                .cells = { L'\\', L'x', (wchar_t) digits[byte >> 4], (wchar_t) digits[byte & 15] },
                .n = 4,
                .n_bytes = 1,
        };
}

/* TEXT is not empty. */
static Glyph glyph_next(const char *text) {
        mbstate_t state = {};
        wchar_t character = 0;
        size_t n = mbrtowc(&character, text, strlen(text), &state);
        int width = n > 0 && n <= MB_LEN_MAX ? wcwidth(character) : -1;

        if (width < 1)
                return glyph_escaped((unsigned char) *text);
        return (Glyph) { .cells = { character }, .n = MIN((unsigned) width, 2U), .n_bytes = n };
}

/* Of a wide character that loses one half the other is blank. */
static void put_cell(Canvas *c, unsigned row, unsigned column, Style style, wchar_t character) {
        Cell *cell = c->cells + (size_t) row * c->width + column;

        if (cell->character == 0)
                cell[-1].character = L' ';
        else if (column + 1 < c->width && cell[1].character == 0)
                cell[1].character = L' ';
        *cell = (Cell) { .character = character, .style = style };
}

/* At COLUMN, or in place of the last character before END. */
static unsigned put_cut(Canvas *c, unsigned row, unsigned column, unsigned end, Style style) {
        unsigned at = MIN(column, end - 1);

        put_cell(c, row, at, style, wcwidth(L'…') == 1 ? L'…' : L'~');
        return at + 1;
}

unsigned canvas_put(Canvas *c, unsigned row, unsigned column, unsigned end, Style style, const char *text) {
        end = MIN(end, c->width);
        if (row >= c->height || column >= end)
                return column;
        while (*text) {
                Glyph g = glyph_next(text);

                if (g.n > end - column)
                        return put_cut(c, row, column, end, style);
                for (unsigned i = 0; i < g.n; i++)
                        put_cell(c, row, column++, style, g.cells[i]);
                text += g.n_bytes;
        }
        return column;
}

static unsigned text_columns(const char *text) {
        unsigned n = 0;

        while (*text) {
                Glyph g = glyph_next(text);

                n += g.n;
                text += g.n_bytes;
        }
        return n;
}

void canvas_put_right(Canvas *c, unsigned row, unsigned column, unsigned end, Style style, const char *text) {
        unsigned n = text_columns(text);

        end = MIN(end, c->width);
        if (column + n < end)
                column = end - n;
        (void) canvas_put(c, row, column, end, style, text);
}
