/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/inspector-list.h"

#include "base/str.h"
#include "client/inspector-show.h"
#include "net/http-json.h"
#include "net/timer.h"

typedef struct List {
        HttpExchange *exchange;    /* borrowed */
        Records *records;          /* borrowed */
        Timer *timer;              /* owned */
        uint64_t next, end;        /* ids */
        const char *text;          /* borrowed from the exchange; or NULL */
        struct json_object *found; /* owned */
} List;

static void list_free(List *l) {
        timer_free(l->timer);
        json_object_put(l->found);
        free(l);
}

/* "404", or "4xx". */
static bool status_matches(unsigned status, const char *wanted) {
        char text[16];

        snprintf(text, sizeof(text), "%03u", status);
        for (size_t i = 0; i < 3; i++)
                if (wanted[i] == '\0' || (char_lower(wanted[i]) != 'x' && wanted[i] != text[i]))
                        return false;
        return wanted[3] == '\0';
}

static bool list_matches(const List *l, const Record *record) {
        const char *method = http_exchange_query(l->exchange, "method");
        const char *status = http_exchange_query(l->exchange, "status");
        const char *path = http_exchange_query(l->exchange, "path");

        if (method && !str_equal_nocase(record->method, strlen(record->method), method))
                return false;
        if (status && !status_matches(record->status, status))
                return false;
        if (path && !strstr(record->path, path))
                return false;
        return !l->text || show_contains(record, l->text);
}

static void list_finish(List *l) {
        struct json_object *o = json_object_new_object();
        HttpExchange *x = l->exchange;

        json_object_object_add(o, "requests", TAKE_PTR(l->found));
        list_free(l);
        http_answer_json(x, 200, o);
}

/* The next N ids. */
static void list_step(List *l, uint64_t n) {
        for (; n > 0 && l->next < l->end; n--) {
                _cleanup_(record_freep) Record *record = records_copy(l->records, l->next++, l->text);

                if (record && list_matches(l, record))
                        json_object_array_add(l->found, show_summary(record));
        }
        if (l->next < l->end)
                timer_start(l->timer, 0);
        else
                list_finish(l);
}

static void on_list_due(void *userdata) {
        list_step(userdata, INSPECTOR_LIST_STEP);
}

static void on_list_gone(void *userdata) {
        list_free(userdata);
}

void inspector_list_answer(HttpExchange *x, Worker *w, Records *records) {
        const char *text = http_exchange_query(x, "text");
        List *l = new0(List, 1);

        if (!l || timer_new(&l->timer, w, on_list_due, l) < 0) {
                free(l);
                http_answer_error(x, 500, "Out of memory");
                return;
        }
        l->exchange = x;
        l->records = records;
        l->text = str_is_empty(text) ? NULL : text;
        l->found = json_object_new_array();
        records_range(records, &l->next, &l->end);
        if (!l->text) {
                list_step(l, UINT64_MAX);
                return;
        }
        http_exchange_wait(x, on_list_gone, l);
        timer_start(l->timer, 0);
}
