/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/inspector-export.h"

#include <config.h>
#include <errno.h>
#include <time.h>

#include "base/parse.h"
#include "base/str.h"
#include "client/inspector-show.h"
#include "proto/json.h"
#include "proto/utf8.h"

#define USEC_PER_MSEC_DOUBLE 1e3

/* ---- HAR (http://www.softwareishard.com/blog/har-12-spec/) ---- */

static void add(struct json_object *o, const char *key, struct json_object *value) {
        json_object_object_add(o, key, value);
}

static void add_text(struct json_object *o, const char *key, const char *text) {
        add(o, key, json_object_new_string(text));
}

static void add_slice(struct json_object *o, const char *key, HttpSlice s) {
        add(o, key, json_from_bytes(s.data, s.length));
}

static void add_number(struct json_object *o, const char *key, uint64_t n) {
        add(o, key, json_object_new_int64((int64_t) n));
}

static void add_msec(struct json_object *o, const char *key, uint64_t usec) {
        char text[32];

        snprintf(text, sizeof(text), "%.3f", (double) usec / USEC_PER_MSEC_DOUBLE);
        add(o, key, json_object_new_double_s((double) usec / USEC_PER_MSEC_DOUBLE, text));
}

static struct json_object *pair_new(HttpSlice name, HttpSlice value) {
        struct json_object *o = json_object_new_object();

        add_slice(o, "name", name);
        add_slice(o, "value", value);
        return o;
}

int har_begin(HarExport *h) {
        *h = (HarExport){};
        h->out = open_memstream(&h->text, &h->n);
        if (!h->out)
                return -ENOMEM;
        fputs("{\"log\":{\"version\":\"1.2\",\"creator\":{\"name\":\"pgrok\",\"version\":\"" PACKAGE_VERSION
              "\"},\"entries\":[",
              h->out);
        return 0;
}

int har_end(HarExport *h, char **ret, size_t *ret_n) {
        fputs("]}}", h->out);
        if (ferror(h->out) || fflush(h->out) != 0)
                return -ENOMEM;
        fclose(TAKE_PTR(h->out));
        *ret_n = h->n;
        *ret = TAKE_PTR(h->text);
        return 0;
}

void har_done(HarExport *h) {
        if (h->out)
                fclose(h->out);
        free(h->text);
}

/* "a=1&b" as it stands; SEPARATOR: '&', or ';' for cookies, behind which there is a blank. */
static struct json_object *pairs_new(HttpSlice text, char separator) {
        struct json_object *list = json_object_new_array();
        const char *p = text.data, *end = text.data + text.length;

        while (p < end) {
                const char *stop = memchr(p, separator, (size_t) (end - p)), *equals;

                stop = stop ? stop : end;
                equals = memchr(p, '=', (size_t) (stop - p));
                if (stop > p)
                        json_object_array_add(list, pair_new(http_slice(p, equals ? equals : stop),
                                                             http_slice(equals ? equals + 1 : stop, stop)));
                for (p = stop + 1; p < end && *p == ' ';)
                        p++;
        }
        return list;
}

static struct json_object *query_new(const char *path) {
        const char *query = strchr(path, '?');

        return pairs_new(http_slice_of(query ? query + 1 : ""), '&');
}

static HttpSlice field_value(const HttpHead *head, const char *name) {
        const HttpField *f = http_head_find(head, name);

        return f ? f->value : http_slice_of("");
}

static struct json_object *set_cookies_new(const HttpHead *head) {
        struct json_object *list = json_object_new_array();
        const HttpField *f = NULL;

        while ((f = http_head_find_next(head, "Set-Cookie", f))) {
                const char *end = f->value.data + f->value.length;
                const char *stop = memchr(f->value.data, ';', f->value.length);
                const char *equals = memchr(f->value.data, '=', f->value.length);

                stop = stop ? stop : end;
                if (equals && equals < stop)
                        json_object_array_add(list, pair_new(http_slice(f->value.data, equals),
                                                             http_slice(equals + 1, stop)));
        }
        return list;
}

static void add_head(struct json_object *o, const HttpHead *head, const RecordMessage *m) {
        struct json_object *fields = json_object_new_array();

        for (size_t i = 0; i < head->n_fields; i++)
                json_object_array_add(fields, pair_new(head->fields[i].name, head->fields[i].value));
        add_text(o, "httpVersion", head->minor_version == 0 ? "HTTP/1.0" : "HTTP/1.1");
        add(o, "headers", fields);
        add_number(o, "headersSize", m->n_head);
        add_number(o, "bodySize", m->body_bytes);
}

/* The members of a content or postData object. Text that is none is in base64, which requests can't have. */
static void add_content(struct json_object *o, HarExport *h, const Record *record, RecordSide side) {
        _cleanup_free_ char *base64 = NULL;
        Decoded body = {};

        if (h->body_bytes >= EXPORT_BODIES_MAX || show_body(record, side, EXPORT_BODY_MAX, &body) < 0) {
                add_text(o, "comment", "the body is left out: there is too much of all");
                return;
        }
        h->body_bytes += body.n;
        if (utf8_is_valid(body.data, body.n) || side == RECORD_REQUEST)
                add(o, "text", json_from_bytes(body.data, body.n));
        else {
                base64 = malloc(BASE64_SIZE(body.n));
                if (base64)
                        base64_encode((const uint8_t*) body.data, body.n, base64);
                add_text(o, "text", base64 ? base64 : "");
                add_text(o, "encoding", "base64");
        }
        if (body.is_cut || body.fault)
                add_text(o, "comment", body.fault ? body.fault : "this is the beginning of the body");
        free(body.data);
}

static struct json_object *har_request(HarExport *h, const Record *record, const HttpHead *head) {
        const RecordMessage *m = &record->messages[RECORD_REQUEST];
        struct json_object *o = json_object_new_object(), *data;
        _cleanup_free_ char *url = show_url(record);

        add_text(o, "method", record->method);
        add(o, "url", json_from_bytes(url ? url : "", url ? strlen(url) : 0));
        add(o, "cookies", pairs_new(field_value(head, "Cookie"), ';'));
        add(o, "queryString", query_new(record->path));
        add_head(o, head, m);
        if (m->body_bytes > 0) {
                data = json_object_new_object();
                add_slice(data, "mimeType", field_value(head, "Content-Type"));
                add(data, "params", json_object_new_array());
                add_content(data, h, record, RECORD_REQUEST);
                add(o, "postData", data);
        }
        return o;
}

/* One that never came has the status 0, as browsers have it. */
static struct json_object *har_response(HarExport *h, const Record *record) {
        const RecordMessage *m = &record->messages[RECORD_RESPONSE];
        struct json_object *o = json_object_new_object(), *content = json_object_new_object();
        HttpHead head = { .minor_version = 1 };
        bool is_there = show_head(record, RECORD_RESPONSE, &head) >= 0;

        add_number(o, "status", record->status);
        add_slice(o, "statusText", is_there ? head.reason : http_slice_of(""));
        add(o, "cookies", set_cookies_new(&head));
        add_head(o, &head, m);
        add_slice(o, "redirectURL", field_value(&head, "Location"));
        add_number(content, "size", m->body_bytes);
        add_slice(content, "mimeType", field_value(&head, "Content-Type"));
        if (is_there && m->body_bytes > 0)
                add_content(content, h, record, RECORD_RESPONSE);
        add(o, "content", content);
        return o;
}

static struct json_object *har_time(uint64_t usec) {
        time_t seconds = (time_t) (usec / USEC_PER_SEC);
        char text[64];
        struct tm tm;
        size_t n;

        gmtime_r(&seconds, &tm);
        n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(text + n, sizeof(text) - n, ".%03uZ", (unsigned) (usec / USEC_PER_MSEC % MSEC_PER_SEC));
        return json_object_new_string(text);
}

static struct json_object *har_entry(HarExport *h, const Record *record, const HttpHead *head) {
        struct json_object *o = json_object_new_object(), *timings = json_object_new_object();

        add(o, "startedDateTime", har_time(record->time_usec));
        add_msec(o, "time", record->duration_usec);
        add(o, "request", har_request(h, record, head));
        add(o, "response", har_response(h, record));
        add(o, "cache", json_object_new_object());
        add(timings, "send", json_object_new_int(0));
        add_msec(timings, "wait", record->duration_usec);
        add(timings, "receive", json_object_new_int(0));
        add(o, "timings", timings);
        if (record->error)
                add_text(o, "comment", record->error);
        return o;
}

void har_add(HarExport *h, const Record *record) {
        struct json_object *o;
        const char *text;
        HttpHead head;

        if (show_head(record, RECORD_REQUEST, &head) < 0)
                return;
        o = har_entry(h, record, &head);
        text = json_text(o, NULL);
        if (text)
                fprintf(h->out, "%s%s", h->n_entries++ > 0 ? "," : "", text);
        json_object_put(o);
}

/* ---- curl ---- */

typedef struct Words {
        char *text; /* owned; NULL once memory was out */
        size_t n;
} Words;

static void words_put(Words *w, const char *s, size_t n) {
        char *text = w->text ? realloc(w->text, w->n + n + 1) : NULL;

        if (!text) {
                free(TAKE_PTR(w->text));
                return;
        }
        memcpy(text + w->n, s, n);
        w->n += n;
        text[w->n] = '\0';
        w->text = text;
}

static void words_add(Words *w, const char *s) {
        words_put(w, s, strlen(s));
}

/* Between quotes nothing has a meaning for a shell but the quote itself. */
static void words_add_quoted(Words *w, const char *s, size_t n) {
        words_add(w, "'");
        for (const char *end = s + n, *quote; s < end; s = quote) {
                quote = memchr(s, '\'', (size_t) (end - s));
                quote = quote ? quote : end;
                words_put(w, s, (size_t) (quote - s));
                if (quote < end) {
                        words_add(w, "'\\''");
                        quote++;
                }
        }
        words_add(w, "'");
}

/* What curl makes itself, and what the edge has added about the visitor. */
static bool is_left_out(HttpSlice name) {
        static const char *const names[] = {
                "Host",
                "Content-Length",
                "Transfer-Encoding",
                "Connection",
                "X-Forwarded-For",
                "X-Forwarded-Host",
                "X-Forwarded-Proto",
                "Expect",
                "Content-Encoding",
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (http_slice_is(name, names[i]))
                        return true;
        return false;
}

static void words_add_headers(Words *w, const HttpHead *head) {
        for (size_t i = 0; i < head->n_fields; i++) {
                const HttpField *f = &head->fields[i];
                _cleanup_free_ char *line = NULL;

                if (is_left_out(f->name))
                        continue;
                line = f->value.length > 0
                               ? str_format("%.*s: %.*s", (int) f->name.length, f->name.data,
                                            (int) f->value.length, f->value.data)
                               : str_format("%.*s;", (int) f->name.length, f->name.data); /* curl's "empty" */
                words_add(w, " \\\n  -H ");
                if (line)
                        words_add_quoted(w, line, strlen(line));
        }
        if (http_head_find(head, "Accept-Encoding"))
                words_add(w, " \\\n  --compressed");
}

/* A NUL can't be an argument. */
static void words_add_body(Words *w, const Record *record, const HttpHead *head) {
        Decoded body = {};

        if (record->messages[RECORD_REQUEST].body_bytes == 0)
                return;
        if (!http_head_find(head, "Content-Type")) /* curl would make one up */
                words_add(w, " \\\n  -H 'Content-Type:'");
        if (show_body(record, RECORD_REQUEST, EXPORT_BODY_MAX, &body) < 0 || body.is_cut || body.fault ||
            memchr(body.data, '\0', body.n))
                words_add(w, " \\\n  --data-binary @body # a file: not all of the body can be written here");
        else {
                words_add(w, " \\\n  --data-raw ");
                words_add_quoted(w, body.data, body.n);
        }
        free(body.data);
}

char *export_curl(const Record *record) {
        _cleanup_free_ char *url = show_url(record);
        Words w = { .text = strdup("") };
        HttpHead head;

        if (!url || show_head(record, RECORD_REQUEST, &head) < 0) {
                free(w.text);
                return NULL;
        }
        words_add(&w, "curl");
        if (streq(record->method, "HEAD"))
                words_add(&w, " --head");
        else if (!streq(record->method, "GET") || record->messages[RECORD_REQUEST].body_bytes > 0) {
                words_add(&w, " -X ");
                words_add_quoted(&w, record->method, strlen(record->method));
        }
        words_add(&w, " --globoff --path-as-is ");
        words_add_quoted(&w, url, strlen(url));
        words_add_headers(&w, &head);
        words_add_body(&w, record, &head);
        words_add(&w, "\n");
        return w.text;
}
