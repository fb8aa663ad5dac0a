/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/show.h"

#include <errno.h>
#include <time.h>

#include "base/human.h"
#include "base/str.h"
#include "base/table.h"

typedef enum CellKind { CELL_TEXT, CELL_BYTES, CELL_SINCE, CELL_USE, CELL_RATE } CellKind;

typedef struct Cell {
        const char *key;
        CellKind kind;
        const char *max; /* CELL_USE: where the limit is, null for none */
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

static const char *since(uint64_t then, char ret[static HUMAN_TEXT_MAX]) {
        uint64_t now = (uint64_t) time(NULL);

        return human_duration(now > then ? now - then : 0, ret);
}

static int add_use(Table *t, const char *n, const char *max) {
        _cleanup_free_ char *both = max ? str_format("%s/%s", n ? n : "0", max) : NULL;

        return max && !both ? -ENOMEM : table_add(t, both ? both : n);
}

static int add_rate(Table *t, uint64_t n) {
        char text[HUMAN_TEXT_MAX];
        _cleanup_free_ char *rate = n > 0 ? str_format("%s/s", human_bytes(n, text)) : NULL;

        return n > 0 && !rate ? -ENOMEM : table_add(t, rate);
}

static int add_cell(Table *t, struct json_object *row, const Cell *cell) {
        char text[HUMAN_TEXT_MAX];
        uint64_t n = member_number(row, cell->key);

        switch (cell->kind) {
        case CELL_BYTES:
                return table_add(t, human_bytes(n, text));
        case CELL_SINCE:
                return table_add(t, since(n, text));
        case CELL_USE:
                return add_use(t, member_text(row, cell->key), member_text(row, cell->max));
        case CELL_RATE:
                return add_rate(t, n);
        default:
                return table_add(t, member_text(row, cell->key));
        }
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
        static const TableColumn columns[] = {
                { "URL", false },        { "CLIENT", false }, { "USER", false },
                { "CONNECTIONS", true }, { "RATE", true },    {},
        };
        static const Cell cells[] = {
                { .key = "url" },
                { .key = "client" },
                { .key = "user" },
                { .key = "connections", .kind = CELL_USE, .max = "max_connections" },
                { .key = "rate", .kind = CELL_RATE },
                {},
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
                { "USER'S TUNNELS", true },
                { "CONNECTIONS", true },
                { "RATE", true },
                { "PORTS", false },
                {},
        };
        static const Cell cells[] = {
                { .key = "client" },
                { .key = "user" },
                { .key = "address" },
                { .key = "transport" },
                { .key = "tunnels" },
                { .key = "since", .kind = CELL_SINCE },
                { .key = "user_tunnels", .kind = CELL_USE, .max = "user_max_tunnels" },
                { .key = "user_connections", .kind = CELL_USE, .max = "user_max_connections" },
                { .key = "user_rate", .kind = CELL_RATE },
                { .key = "user_ports" },
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
                { .key = "visitor" },
                { .key = "tunnel" },
                { .key = "client" },
                { .key = "since", .kind = CELL_SINCE },
                { .key = "bytes_in", .kind = CELL_BYTES },
                { .key = "bytes_out", .kind = CELL_BYTES },
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

/* "NAME  N", and " of MAX" if there is one. */
static void print_use(const char *title, struct json_object *o, const char *key, struct json_object *limits) {
        const char *max = member_text(limits, key);

        printf("%-12s %s%s%s\n", title, text_to_print(o, key), max ? " of " : "", max ? max : "");
}

static void print_limits(struct json_object *limits) {
        uint64_t rate = member_number(limits, "rate_per_tunnel");
        char text[HUMAN_TEXT_MAX];

        printf("%-12s %s tunnels a client, %s connections a tunnel, %s an address", "At most",
               text_to_print(limits, "tunnels_per_client"), text_to_print(limits, "connections_per_tunnel"),
               text_to_print(limits, "connections_per_visitor"));
        if (rate > 0)
                printf(", %s/s a tunnel", human_bytes(rate, text));
        putchar('\n');
}

int show_status(struct json_object *o) {
        struct json_object *limits = json_object_object_get(o, "limits");
        char uptime[HUMAN_TEXT_MAX];

        printf("%-12s %s, %s; up for %s\n", "pgrokd", text_to_print(o, "version"), text_to_print(o, "state"),
               human_duration(member_number(o, "uptime"), uptime));
        printf("%-12s %s\n", "Domain", text_to_print(o, "domain"));
        print_listeners(json_object_object_get(o, "listeners"));
        print_use("Clients", o, "clients", limits);
        print_use("Tunnels", o, "tunnels", limits);
        print_use("Connections", o, "connections", limits);
        print_use("Ports", o, "ports", limits);
        print_limits(limits);
        return 0;
}
