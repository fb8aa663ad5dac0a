/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/inspector-events.h"

#include <errno.h>
#include <utlist.h>

#include "base/str.h"
#include "client/inspector-show.h"
#include "net/http-json.h"

typedef struct Reader {
        InspectorEvents *events; /* borrowed */
        HttpExchange *exchange;  /* borrowed; the service's */
        uint64_t seen;           /* changes up to this one */
        struct Reader *prev, *next;
} Reader;

struct InspectorEvents {
        Records *records; /* borrowed */
        Timer *soon;      /* owned; started by the first change */
        Timer *alive;     /* owned */
        Reader *readers;  /* owned */
        size_t n;
};

/* "data: {…}" with what has changed since SEEN. Owned by the caller, or NULL. */
static char *event_text(Records *records, uint64_t seen) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        struct json_object *list = json_object_new_array();
        uint64_t first, next;
        Record *record;
        const char *text;

        for (uint64_t id = 0; (record = records_copy_changed(records, id, seen)); record_free(record)) {
                id = record->id;
                json_object_array_add(list, show_summary(record));
        }
        records_range(records, &first, &next);
        json_object_object_add(o, "first", json_object_new_int64((int64_t) first));
        json_object_object_add(o, "paused", json_object_new_boolean(records_are_paused(records)));
        json_object_object_add(o, "requests", list);
        text = json_text(o, NULL);
        return text ? str_format("data: %s\n\n", text) : NULL;
}

static void on_events_due(void *userdata) {
        InspectorEvents *e = userdata;
        uint64_t changes = records_changes(e->records); /* what comes from now on is told again */
        Reader *reader;

        DL_FOREACH(e->readers, reader) {
                _cleanup_free_ char *text =
                        reader->seen < changes ? event_text(e->records, reader->seen) : NULL;

                if (!text)
                        continue;
                http_exchange_push(reader->exchange, text, strlen(text));
                reader->seen = changes;
        }
}

static void on_records_changed(void *userdata) {
        InspectorEvents *e = userdata;

        timer_start(e->soon, EVENTS_INTERVAL_USEC);
}

static void on_events_alive(void *userdata) {
        static const char text[] = ":\n\n";
        InspectorEvents *e = userdata;
        Reader *reader;

        DL_FOREACH(e->readers, reader) {
                http_exchange_push(reader->exchange, text, strlen(text));
        }
}

static void on_reader_gone(void *userdata) {
        Reader *reader = userdata;
        InspectorEvents *e = reader->events;

        DL_DELETE(e->readers, reader);
        e->n--;
        free(reader);
        if (e->n > 0)
                return;
        records_watch(e->records, NULL, NULL);
        timer_stop(e->soon);
        timer_stop(e->alive);
}

void inspector_events_add(InspectorEvents *e, HttpExchange *x) {
        HttpAnswer answer = { .status = 200, .content_type = "text/event-stream" };
        uint64_t changes = records_changes(e->records);
        Reader *reader = e->n < EVENTS_READERS_MAX ? new0(Reader, 1) : NULL;
        char *text = reader ? event_text(e->records, 0) : NULL;

        if (!text) {
                free(reader);
                http_answer_error(x, 503, "Too many pages are open: close one");
                return;
        }
        answer.body = text;
        answer.body_length = strlen(text);
        *reader = (Reader) { .events = e, .exchange = x, .seen = changes };
        DL_APPEND(e->readers, reader);
        if (e->n++ == 0) {
                timer_start_every(e->alive, EVENTS_ALIVE_USEC);
                records_watch(e->records, on_records_changed, e);
        }
        http_exchange_stream(x, &answer, on_reader_gone, reader);
}

int inspector_events_new(InspectorEvents **ret, Worker *w, Records *records) {
        InspectorEvents *e = new0(InspectorEvents, 1);
        int r;

        if (!e)
                return -ENOMEM;
        e->records = records;
        r = timer_new(&e->soon, w, on_events_due, e);
        if (r >= 0)
                r = timer_new(&e->alive, w, on_events_alive, e);
        if (r < 0)
                inspector_events_free(e);
        else
                *ret = e;
        return r;
}

InspectorEvents *inspector_events_free(InspectorEvents *e) {
        if (!e)
                return NULL;
        records_watch(e->records, NULL, NULL);
        timer_free(e->soon);
        timer_free(e->alive);
        free(e);
        return NULL;
}
