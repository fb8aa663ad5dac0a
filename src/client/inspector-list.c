/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/inspector-list.h"

#include "base/str.h"
#include "client/inspector-show.h"
#include "client/inspector-walk.h"
#include "net/http-json.h"

/* "404", or "4xx". */
static bool status_matches(unsigned status, const char *wanted) {
        char text[16];

        snprintf(text, sizeof(text), "%03u", status);
        for (size_t i = 0; i < 3; i++)
                if (wanted[i] == '\0' || (char_lower(wanted[i]) != 'x' && wanted[i] != text[i]))
                        return false;
        return wanted[3] == '\0';
}

/* A text to look for, or NULL. */
static const char *wanted_text(HttpExchange *x) {
        const char *text = http_exchange_query(x, "text");

        return str_is_empty(text) ? NULL : text;
}

static bool record_matches(const Record *record, HttpExchange *x) {
        const char *method = http_exchange_query(x, "method");
        const char *status = http_exchange_query(x, "status");
        const char *path = http_exchange_query(x, "path"), *text = wanted_text(x);

        if (method && !str_equal_nocase(record->method, strlen(record->method), method))
                return false;
        if (status && !status_matches(record->status, status))
                return false;
        if (path && !strstr(record->path, path))
                return false;
        return !text || show_contains(record, text);
}

static void on_list_record(const Record *record, HttpExchange *x, void *userdata) {
        if (record_matches(record, x))
                json_object_array_add(userdata, show_summary(record));
}

static void on_list_answer(HttpExchange *x, void *userdata) {
        struct json_object *o = json_object_new_object();

        json_object_object_add(o, "requests", json_object_get(userdata));
        http_answer_json(x, 200, o);
}

static void on_list_free(void *userdata) {
        json_object_put(userdata);
}

void inspector_list_answer(HttpExchange *x, Worker *w, Records *records) {
        static const WalkOps ops = { .record = on_list_record,
                                     .answer = on_list_answer,
                                     .free = on_list_free };
        WalkRange range = { .bodies = wanted_text(x) };

        records_range(records, &range.first, &range.next);
        inspector_walk(x, w, records, &range, &ops, json_object_new_array());
}
