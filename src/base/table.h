/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Rows and columns for a terminal; each column is as wide as its widest cell. */

#include <stdbool.h>
#include <stdio.h>

#include "base/macro.h"

#define TABLE_COLUMNS_MAX 16

typedef struct Table Table;

typedef struct TableColumn {
        const char *title;
        bool is_number; /* stands at the right */
} TableColumn;

/* COLUMNS are borrowed, and end with an empty one. Returns 0 or -ENOMEM. */
int table_new(Table **ret, const TableColumn *columns);
Table *table_free(Table *t); /* NULL; takes NULL */

/* Adds the next cell, of the next row when this one is full. CELL is copied, its control characters are
 * escaped; NULL reads as "-". Returns 0 or -ENOMEM. */
int table_add(Table *t, const char *cell);

void table_print(const Table *t, FILE *f);

DEFINE_CLEANUP(Table*, table_free);
