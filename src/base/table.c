/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/table.h"

#include <errno.h>

#include "base/str.h"

#define TABLE_GAP 2

struct Table {
        const TableColumn *columns; /* borrowed */
        size_t n_columns;
        size_t widths[TABLE_COLUMNS_MAX];
        char **cells; /* owned, each too; row by row */
        size_t n, n_allocated;
};

/* Of UTF-8: what continues a character takes no place. */
static size_t text_width(const char *s) {
        size_t n = 0;

        for (; *s; s++)
                n += ((unsigned char) *s & 0xc0) != 0x80;
        return n;
}

int table_new(Table **ret, const TableColumn *columns) {
        Table *t = new0(Table, 1);

        if (!t)
                return -ENOMEM;
        t->columns = columns;
        for (; t->n_columns < TABLE_COLUMNS_MAX && columns[t->n_columns].title; t->n_columns++)
                t->widths[t->n_columns] = text_width(columns[t->n_columns].title);
        *ret = t;
        return 0;
}

Table *table_free(Table *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n; i++)
                free(t->cells[i]);
        free(t->cells);
        free(t);
        return NULL;
}

static int table_grow(Table *t) {
        size_t n = MAX(2 * t->n_allocated, (size_t) 64);
        char **cells;

        if (t->n < t->n_allocated)
                return 0;
        cells = reallocarray(t->cells, n, sizeof(char *));
        if (!cells)
                return -ENOMEM;
        t->cells = cells;
        t->n_allocated = n;
        return 0;
}

int table_add(Table *t, const char *cell) {
        char *copy = cell ? str_escape(cell, strlen(cell)) : strdup("-");
        size_t *width = &t->widths[t->n % t->n_columns];

        if (!copy || table_grow(t) < 0) {
                free(copy);
                return -ENOMEM;
        }
        *width = MAX(*width, text_width(copy));
        t->cells[t->n++] = copy;
        return 0;
}

static void print_cell(const Table *t, size_t column, const char *text, FILE *f) {
        int padding = (int) (t->widths[column] - text_width(text));
        bool is_last = column + 1 == t->n_columns;

        if (t->columns[column].is_number)
                fprintf(f, "%*s%s", padding, "", text);
        else
                fprintf(f, "%s%*s", text, is_last ? 0 : padding, "");
        fprintf(f, "%*s", is_last ? 0 : TABLE_GAP, "");
        if (is_last)
                fputc('\n', f);
}

void table_print(const Table *t, FILE *f) {
        for (size_t i = 0; i < t->n_columns; i++)
                print_cell(t, i, t->columns[i].title, f);
        for (size_t i = 0; i < t->n; i++)
                print_cell(t, i % t->n_columns, t->cells[i], f);
}
