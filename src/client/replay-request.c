/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/replay-request.h"

#include <errno.h>

#include "base/str.h"
#include "client/inspector-show.h"

#define BODY_BYTES_MAX (128U * 1024)

/* What the changed request is made of. */
typedef struct Draft {
        const char *method, *path;   /* borrowed */
        struct json_object *headers; /* borrowed, or NULL: those of the record */
        char *body;                  /* owned */
        size_t n_body;
} Draft;

static int refuse(int error, const char *why, const char **ret_why) {
        *ret_why = why;
        return error;
}

/* ---- reading the changes ---- */

/* A member that is a string, in *RET; untouched if there is none. Returns 0 or -EINVAL. */
static int read_string(struct json_object *changes, const char *key, const char **ret) {
        struct json_object *value;

        if (!json_object_object_get_ex(changes, key, &value))
                return 0;
        if (!json_object_is_type(value, json_type_string) ||
            strlen(json_object_get_string(value)) != (size_t) json_object_get_string_len(value))
                return -EINVAL;
        *ret = json_object_get_string(value);
        return 0;
}

static int draft_copy_body(Draft *d, const Record *record, const char **ret_why) {
        Decoded body = {};
        const RecordMessage *m = &record->messages[RECORD_REQUEST];
        HttpHead head;

        if (m->n_body < m->body_bytes)
                return refuse(-ENODATA, "Not all of the body was kept: give one", ret_why);
        if (show_head(record, RECORD_REQUEST, &head) < 0)
                return refuse(-EINVAL, "The request can't be read", ret_why);
        for (size_t i = 0; i < head.n_fields; i++) /* its codings stay: the header says them */
                if (http_slice_is(head.fields[i].name, "Content-Encoding"))
                        head.fields[i].name.length = 0;
        if (decode_body(&head, m->body ? m->body : "", m->n_body, false, BODY_BYTES_MAX, &body) < 0)
                return refuse(-ENOMEM, "Out of memory", ret_why);
        d->body = body.data;
        d->n_body = body.n;
        return 0;
}

static int draft_read_body(Draft *d, const Record *record, struct json_object *changes,
                           const char **ret_why) {
        struct json_object *text;
        const char *base64 = NULL;
        ssize_t n;

        if (json_object_object_get_ex(changes, "body", &text)) {
                if (!json_object_is_type(text, json_type_string))
                        return refuse(-EINVAL, "`body' must be a string", ret_why);
                d->n_body = (size_t) json_object_get_string_len(text);
                d->body = malloc(d->n_body + 1);
                if (!d->body)
                        return refuse(-ENOMEM, "Out of memory", ret_why);
                memcpy(d->body, json_object_get_string(text), d->n_body);
                return 0;
        }
        if (read_string(changes, "body_base64", &base64) < 0)
                return refuse(-EINVAL, "`body_base64' must be a string", ret_why);
        if (!base64)
                return draft_copy_body(d, record, ret_why);
        d->body = malloc(strlen(base64) + 1);
        n = d->body ? base64_decode(base64, strlen(base64), (uint8_t*) d->body, strlen(base64)) : -ENOMEM;
        if (n < 0)
                return refuse((int) n, "`body_base64' is not base64", ret_why);
        d->n_body = (size_t) n;
        return 0;
}

static int draft_read(Draft *d, const Record *record, struct json_object *changes, const char **ret_why) {
        d->method = record->method;
        d->path = record->path;
        if (read_string(changes, "method", &d->method) < 0 || read_string(changes, "path", &d->path) < 0)
                return refuse(-EINVAL, "`method' and `path' must be strings", ret_why);
        if (json_object_object_get_ex(changes, "headers", &d->headers) &&
            !json_object_is_type(d->headers, json_type_array))
                return refuse(-EINVAL, "`headers' must be an array of [name, value]", ret_why);
        return draft_read_body(d, record, changes, ret_why);
}

/* ---- writing ---- */

static bool is_framing(HttpSlice name) {
        return http_slice_is(name, "Content-Length") || http_slice_is(name, "Transfer-Encoding") ||
               http_slice_is(name, "Trailer") || http_slice_is(name, "Expect");
}

static int write_text(Buffer *out, const char *s) {
        return buffer_append(out, s, strlen(s));
}

static int write_field(Buffer *out, HttpSlice name, HttpSlice value) {
        int r = 0;

        if (is_framing(name))
                return 0;
        r = buffer_append(out, name.data, name.length);
        if (r >= 0)
                r = write_text(out, ": ");
        if (r >= 0)
                r = buffer_append(out, value.data, value.length);
        return r < 0 ? r : write_text(out, "\r\n");
}

static int write_given_fields(Buffer *out, struct json_object *headers, const char **ret_why) {
        int r = 0;

        for (size_t i = 0; i < json_object_array_length(headers) && r >= 0; i++) {
                struct json_object *pair = json_object_array_get_idx(headers, i);
                struct json_object *name = NULL, *value = NULL;

                if (json_object_is_type(pair, json_type_array)) {
                        name = json_object_array_get_idx(pair, 0);
                        value = json_object_array_get_idx(pair, 1);
                }
                if (!json_object_is_type(name, json_type_string) ||
                    !json_object_is_type(value, json_type_string))
                        return refuse(-EINVAL, "Each of `headers' must be [name, value]", ret_why);
                r = write_field(out, http_slice_of(json_object_get_string(name)),
                                http_slice_of(json_object_get_string(value)));
        }
        return r;
}

static int write_fields(Buffer *out, const Draft *d, const Record *record, const char **ret_why) {
        HttpHead head;
        int r = 0;

        if (d->headers)
                return write_given_fields(out, d->headers, ret_why);
        if (show_head(record, RECORD_REQUEST, &head) < 0)
                return -EINVAL;
        for (size_t i = 0; i < head.n_fields && r >= 0; i++)
                r = write_field(out, head.fields[i].name, head.fields[i].value);
        return r;
}

static int draft_write(const Draft *d, const Record *record, Buffer *out, const char **ret_why) {
        char length[64];
        int r = write_text(out, d->method);

        snprintf(length, sizeof(length), "Content-Length: %zu\r\n\r\n", d->n_body);
        if (r >= 0)
                r = write_text(out, " ");
        if (r >= 0)
                r = write_text(out, d->path);
        if (r >= 0)
                r = write_text(out, " HTTP/1.1\r\n");
        if (r >= 0)
                r = write_fields(out, d, record, ret_why);
        if (r >= 0)
                r = write_text(out, d->n_body > 0 || !streq(d->method, "GET") ? length : "\r\n");
        if (r >= 0)
                r = buffer_append(out, d->body, d->n_body);
        return r;
}

/* Returns the bytes of its body, or an error. */
static ssize_t write_unchanged(const Record *record, Buffer *out, const char **ret_why) {
        const RecordMessage *m = &record->messages[RECORD_REQUEST];
        int r;

        if (m->n_body < m->body_bytes)
                return refuse(-ENODATA, "Not all of the body was kept: give one", ret_why);
        r = buffer_append(out, m->head, m->n_head);
        if (r >= 0)
                r = buffer_append(out, m->body ? m->body : "", m->n_body);
        return r < 0 ? r : (ssize_t) m->n_body;
}

/* Returns the bytes of its body, or an error. */
static ssize_t write_changed(const Record *record, struct json_object *changes, Buffer *out,
                             const char **ret_why) {
        Draft d = {};
        int r = draft_read(&d, record, changes, ret_why);

        if (r >= 0)
                r = draft_write(&d, record, out, ret_why);
        free(d.body);
        return r < 0 ? r : (ssize_t) d.n_body;
}

/* What was made is parsed as any request is, so that nothing in the changes can become a second one. */
ssize_t replay_request(const Record *record, struct json_object *changes, Buffer *out, const char **ret_why) {
        unsigned status;
        HttpHead head;
        ssize_t k, r;

        *ret_why = "The request is too long";
        r = changes ? write_changed(record, changes, out, ret_why) : write_unchanged(record, out, ret_why);
        if (r < 0)
                return r;
        k = http_head_parse(&head, (const char*) buffer_head(out), buffer_length(out), HTTP_HEAD_BYTES_MAX,
                            &status);
        if (k < 0 || (size_t) (k + r) != buffer_length(out))
                return refuse(-EINVAL, "That is no request of HTTP/1.1: look at its method, path and headers",
                              ret_why);
        return k;
}
