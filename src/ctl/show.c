/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/show.h"

#include <time.h>

#include "base/human.h"
#include "base/str.h"
#include "base/table.h"

typedef enum CellKind { CELL_TEXT, CELL_BYTES, CELL_SINCE } CellKind;

typedef struct Cell {
        const char *key;
        CellKind kind;
} Cell;

static const char *member_text(struct json_object *o, const char *key) {
        struct json_object *member = json_object_object_get(o, key);
        const char *s = member ? json_object_get_string(member) : NULL;

        return str_is_empty(s) ? NULL : s;
}

/* For printf(). */
static const char *text_to_print(struct json_object *o, const char *key) {
        const char *s = member_text(o, key);

        return s ? s : "-";
}

static uint64_t member_number(struct json_object *o, const char *key) {
        return json_object_get_uint64(json_object_object_get(o, key));
}

static int add_cell(Table *t, struct json_object *row, const Cell *cell) {
        char text[HUMAN_TEXT_MAX];
        uint64_t n, now;

        if (cell->kind == CELL_TEXT)
                return table_add(t, member_text(row, cell->key));
        n = member_number(row, cell->key);
        if (cell->kind == CELL_BYTES)
                return table_add(t, human_bytes(n, text));
        now = (uint64_t) time(NULL);
        return table_add(t, human_duration(now > n ? now - n : 0, text));
}

/* CELLS end with an empty one, as COLUMNS do. */
static int show_list(struct json_object *o, const char *name, const TableColumn *columns, const Cell *cells) {
        struct json_object *list = json_object_object_get(o, name);
        size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
        _cleanup_(table_freep) Table *t = NULL;
        uint64_t total = member_number(o, "total");
        int r = table_new(&t, columns);

        for (size_t i = 0; i < n && r >= 0; i++)
                for (const Cell *cell = cells; cell->key && r >= 0; cell++)
                        r = add_cell(t, json_object_array_get_idx(list, i), cell);
        if (r < 0)
                return r;
        table_print(t, stdout);
        if (total > n)
                printf("… and %llu more\n", (unsigned long long) (total - n));
        return 0;
}

int show_tunnels(struct json_object *o) {
        static const TableColumn columns[] = { { "URL", false }, { "CLIENT", false }, { "USER", false }, {} };
        static const Cell cells[] = {
                { "url", CELL_TEXT }, { "client", CELL_TEXT }, { "user", CELL_TEXT }, {}
        };

        return show_list(o, "tunnels", columns, cells);
}

int show_clients(struct json_object *o) {
        static const TableColumn columns[] = {
                { "CLIENT", false },
                { "USER", false },
                { "ADDRESS", false },
                { "TRANSPORT", false },
                { "TUNNELS", true },
                { "SINCE", true },
                {},
        };
        static const Cell cells[] = {
                { "client", CELL_TEXT },
                { "user", CELL_TEXT },
                { "address", CELL_TEXT },
                { "transport", CELL_TEXT },
                { "tunnels", CELL_TEXT },
                { "since", CELL_SINCE },
                {},
        };

        return show_list(o, "clients", columns, cells);
}

int show_connections(struct json_object *o) {
        static const TableColumn columns[] = {
                { "VISITOR", false },
                { "TUNNEL", false },
                { "CLIENT", false },
                { "SINCE", true },
                { "IN", true },
                { "OUT", true },
                {},
        };
        static const Cell cells[] = {
                { "visitor", CELL_TEXT },
                { "tunnel", CELL_TEXT },
                { "client", CELL_TEXT },
                { "since", CELL_SINCE },
                { "bytes_in", CELL_BYTES },
                { "bytes_out", CELL_BYTES },
                {},
        };

        return show_list(o, "connections", columns, cells);
}

static void print_listeners(struct json_object *list) {
        size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

        for (size_t i = 0; i < n; i++) {
                struct json_object *l = json_object_array_get_idx(list, i);

                printf("%-12s %s %s\n", i == 0 ? "Listeners" : "", text_to_print(l, "kind"),
                       text_to_print(l, "address"));
        }
}

int show_status(struct json_object *o) {
        static const char *const counts[][2] = {
                { "Clients", "clients" },
                { "Tunnels", "tunnels" },
                { "Connections", "connections" },
        };
        char uptime[HUMAN_TEXT_MAX];

        printf("%-12s %s, %s; up for %s\n", "pgrokd", text_to_print(o, "version"), text_to_print(o, "state"),
               human_duration(member_number(o, "uptime"), uptime));
        printf("%-12s %s\n", "Domain", text_to_print(o, "domain"));
        print_listeners(json_object_object_get(o, "listeners"));
        for (size_t i = 0; i < ELEMENTSOF(counts); i++)
                printf("%-12s %llu\n", counts[i][0], (unsigned long long) member_number(o, counts[i][1]));
        return 0;
}
