/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/inspector-show.h"

#include <errno.h>

#include "base/parse.h"
#include "base/str.h"
#include "proto/json.h"

#define SEARCH_BODY_MAX RECORD_BODY_MAX
#define USEC_PER_SEC_DOUBLE 1e6

static void add(struct json_object *o, const char *key, struct json_object *value) {
        json_object_object_add(o, key, value);
}

static void add_text(struct json_object *o, const char *key, const char *text) {
        if (text)
                add(o, key, json_from_bytes(text, strlen(text)));
}

static void add_number(struct json_object *o, const char *key, uint64_t n) {
        add(o, key, json_object_new_int64((int64_t) n));
}

static void add_seconds(struct json_object *o, const char *key, uint64_t usec) {
        char text[32];

        snprintf(text, sizeof(text), "%.6f", (double) usec / USEC_PER_SEC_DOUBLE);
        add(o, key, json_object_new_double_s((double) usec / USEC_PER_SEC_DOUBLE, text));
}

/* ---- heads ---- */

int show_head(const Record *record, RecordSide side, HttpHead *ret) {
        const RecordMessage *m = &record->messages[side];
        unsigned status;
        ssize_t k = -1;

        if (m->head)
                k = side == RECORD_REQUEST
                            ? http_head_parse(ret, m->head, m->n_head, HTTP_HEAD_BYTES_MAX, &status)
                            : http_head_parse_response(ret, m->head, m->n_head, HTTP_HEAD_BYTES_MAX);
        return k < 0 ? -ENOENT : 0;
}

char *show_url(const Record *record) {
        const char *path = record->path;

        if (str_skip_prefix(path, "http://") || str_skip_prefix(path, "https://"))
                return strdup(path); /* the absolute form */
        return str_format("%s%s%s", record->url, *path == '/' ? "" : "/", path);
}

static void add_type(struct json_object *o, const HttpHead *head) {
        const HttpField *type = http_head_find(head, "Content-Type");

        if (type)
                add(o, "type", json_from_bytes(type->value.data, type->value.length));
}

static struct json_object *show_fields(const HttpHead *head) {
        struct json_object *list = json_object_new_array();

        for (size_t i = 0; i < head->n_fields; i++) {
                const HttpField *f = &head->fields[i];
                struct json_object *pair = json_object_new_array();

                json_object_array_add(pair, json_from_bytes(f->name.data, f->name.length));
                json_object_array_add(pair, json_from_bytes(f->value.data, f->value.length));
                json_object_array_add(list, pair);
        }
        return list;
}

/* ---- bodies ---- */

static bool message_is_part(const RecordMessage *m) {
        return m->n_body < m->body_bytes;
}

int show_body(const Record *record, RecordSide side, size_t max, Decoded *ret) {
        const RecordMessage *m = &record->messages[side];
        bool is_part = message_is_part(m) || !record->is_done;
        HttpHead head;

        if (show_head(record, side, &head) < 0)
                return -ENOENT;
        return decode_body(&head, m->body ? m->body : "", m->n_body, is_part, max, ret);
}

static bool memory_contains(const char *data, size_t n, const char *text) {
        size_t k = strlen(text);

        for (size_t i = 0; i + k <= n; i++) {
                size_t j = 0;

                while (j < k && char_lower(data[i + j]) == char_lower(text[j]))
                        j++;
                if (j == k)
                        return true;
        }
        return false;
}

static bool message_contains(const Record *record, RecordSide side, const char *text) {
        const RecordMessage *m = &record->messages[side];
        Decoded body = {};
        bool found = m->head && memory_contains(m->head, m->n_head, text);

        if (!found && m->n_body > 0 && show_body(record, side, SEARCH_BODY_MAX, &body) >= 0)
                found = memory_contains(body.data, body.n, text);
        free(body.data);
        return found;
}

bool show_contains(const Record *record, const char *text) {
        for (size_t i = 0; i < RECORD_FRAMES_MAX && record_frame(record, i); i++) {
                const WebsocketFrame *f = &record_frame(record, i)->frame;

                if (memory_contains((const char*) f->sample, f->n_sample, text))
                        return true;
        }
        return message_contains(record, RECORD_REQUEST, text) ||
               message_contains(record, RECORD_RESPONSE, text);
}

static void add_body(struct json_object *o, const HttpHead *head, const RecordMessage *m) {
        const HttpField *f = NULL;
        struct json_object *codings = json_object_new_array();

        add_number(o, "body_bytes", m->body_bytes);
        add_number(o, "kept_bytes", m->n_body);
        add(o, "chunked", json_object_new_boolean(head->chunked));
        while ((f = http_head_find_next(head, "Content-Encoding", f)))
                json_object_array_add(codings, json_from_bytes(f->value.data, f->value.length));
        add(o, "codings", codings);
}

/* ---- records ---- */

static struct json_object *show_message(const Record *record, RecordSide side) {
        struct json_object *o;
        HttpHead head;

        if (show_head(record, side, &head) < 0)
                return NULL;
        o = json_object_new_object();
        add(o, "line", json_from_bytes(head.first_line.data, head.first_line.length - strlen("\r\n")));
        add(o, "headers", show_fields(&head));
        add_type(o, &head);
        add_body(o, &head, &record->messages[side]);
        return o;
}

struct json_object *show_summary(const Record *record) {
        struct json_object *o = json_object_new_object();
        HttpHead head;

        add_number(o, "id", record->id);
        add(o, "time", json_object_new_int64((int64_t) (record->time_usec / USEC_PER_MSEC)));
        add_text(o, "name", record->name);
        add_text(o, "url", record->url);
        add_text(o, "visitor", record->visitor);
        add_text(o, "method", record->method);
        add_text(o, "path", record->path);
        add_number(o, "status", record->status);
        add_seconds(o, "duration", record->duration_usec);
        add(o, "done", json_object_new_boolean(record->is_done));
        add_text(o, "error", record->error);
        if (record->replay_of > 0)
                add_number(o, "replay_of", record->replay_of);
        if (record->n_frames > 0)
                add_number(o, "n_frames", record->n_frames);
        if (show_head(record, RECORD_RESPONSE, &head) >= 0)
                add_type(o, &head);
        add_number(o, "request_bytes", record->messages[RECORD_REQUEST].body_bytes);
        add_number(o, "response_bytes", record->messages[RECORD_RESPONSE].body_bytes);
        return o;
}

static struct json_object *show_frame(const RecordFrame *f) {
        struct json_object *o = json_object_new_object();
        char hex[2 * WEBSOCKET_SAMPLE_BYTES + 1];

        add_seconds(o, "at", f->usec);
        add_text(o, "from", f->side == RECORD_REQUEST ? "visitor" : "service");
        add_number(o, "opcode", f->frame.opcode);
        add(o, "final", json_object_new_boolean(f->frame.is_final));
        add(o, "compressed", json_object_new_boolean(f->frame.is_compressed));
        add_number(o, "length", f->frame.length);
        hex_encode(f->frame.sample, f->frame.n_sample, hex);
        add_text(o, "sample", hex);
        return o;
}

struct json_object *show_record(const Record *record) {
        struct json_object *o = show_summary(record), *frames = json_object_new_array();
        _cleanup_free_ char *url = show_url(record);

        add_text(o, "request_url", url);
        add(o, "upgraded", json_object_new_boolean(record->is_opaque));
        add(o, "request", show_message(record, RECORD_REQUEST));
        add(o, "response", show_message(record, RECORD_RESPONSE));
        for (size_t i = 0; i < RECORD_FRAMES_MAX && record_frame(record, i); i++)
                json_object_array_add(frames, show_frame(record_frame(record, i)));
        add(o, "frames", frames);
        return o;
}
