/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A page of characters with a style each: what a terminal is to show, made without one. What is written is
 * made harmless: what is no character of the locale, controls, and what has no width of its own (so nothing
 * can change the direction of the text) reads as \xNN. */

#include <wchar.h>

#include "base/macro.h"

#define CANVAS_WIDTH_MAX 512
#define CANVAS_HEIGHT_MAX 256

typedef enum Style {
        STYLE_PLAIN,
        STYLE_DIM,
        STYLE_BOLD,
        STYLE_GOOD,
        STYLE_NOTE,
        STYLE_WARNING,
        STYLE_BAD,
        STYLE_MAX,
} Style;

typedef struct Cell {
        wchar_t character; /* 0: covered by the wide one on its left */
        Style style;
} Cell;

typedef struct Canvas {
        unsigned width, height;
        Cell *cells; /* owned: a row after the other */
} Canvas;

/* Blank. Sizes are brought to what is possible, 1 to MAX. Returns 0 or -ENOMEM. */
int canvas_init(Canvas *c, unsigned width, unsigned height);
void canvas_done(Canvas *c);

/* Writes TEXT into ROW, from COLUMN to before END; rows and columns that there aren't are left out. What
 * doesn't fit is cut, and shows that it is. Returns the column behind it. */
unsigned canvas_put(Canvas *c, unsigned row, unsigned column, unsigned end, Style style, const char *text);

/* The same, but the text ends before END, if it fits. */
void canvas_put_right(Canvas *c, unsigned row, unsigned column, unsigned end, Style style, const char *text);
