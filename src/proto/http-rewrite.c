/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-rewrite.h"

#include <errno.h>

#include "proto/http-framing.h"

/* Lines that stay are collected in a run, and a run is copied at once when a line that doesn't ends it. */

typedef struct Rewriting {
        const HttpHead *head;
        const HttpRewrite *how;
        char *p, *end;    /* room for what is written */
        bool full;        /* it was not enough */
        const char *run;  /* where the lines begin that stay and are not written yet */
        uint64_t edits;   /* a bit for each edit that has been made */
        bool has_length;  /* a Content-Length was met */
        bool may_upgrade; /* a request that does */
        size_t n_named;
        HttpSlice named[HTTP_CONNECTION_NAMES_MAX]; /* by Connection, to be removed */
} Rewriting;

static void put(Rewriting *r, const char *data, size_t n) {
        if (n > (size_t) (r->end - r->p)) {
                r->full = true;
                return;
        }
        memcpy(r->p, data, n);
        r->p += n;
}

static void put_slice(Rewriting *r, HttpSlice s) {
        put(r, s.data, s.length);
}

static void put_text(Rewriting *r, const char *s) {
        put(r, s, strlen(s));
}

static void put_field(Rewriting *r, HttpSlice name, HttpSlice value) {
        put_slice(r, name);
        put_text(r, ": ");
        put_slice(r, value);
        put_text(r, "\r\n");
}

/* Protects what we add and what we or the framing rely on from being named by Connection. */
static bool is_protected(HttpSlice name) {
        static const char *const names[] = { "Host",          "Content-Length", "Transfer-Encoding",
                                             "Authorization", "Forwarded",      "Expect" };
        const HttpSlice family = http_slice_of("X-Forwarded-");

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (http_slice_is(name, names[i]))
                        return true;
        name.length = MIN(name.length, family.length);
        return http_name_resembles(name, family);
}

static void note_names(Rewriting *r, HttpSlice list) {
        HttpSlice name;

        while (http_list_next(&list, &name)) {
                if (http_slice_is(name, "close") || http_slice_is(name, "keep-alive") ||
                    http_slice_is(name, "upgrade") || http_slice_is(name, "TE") || is_protected(name))
                        continue;
                if (r->n_named == HTTP_CONNECTION_NAMES_MAX) {
                        r->full = true;
                        return;
                }
                r->named[r->n_named++] = name;
        }
}

static void collect_named(Rewriting *r) {
        const HttpField *f = NULL;

        if (http_connection_options(r->head).others)
                while ((f = http_head_find_next(r->head, "Connection", f)))
                        note_names(r, f->value);
}

static bool slices_equal_nocase(HttpSlice a, HttpSlice b) {
        for (size_t i = 0; i < a.length && a.length == b.length; i++)
                if (char_lower(a.data[i]) != char_lower(b.data[i]))
                        return false;
        return a.length == b.length;
}

static bool is_named(const Rewriting *r, HttpSlice name) {
        for (size_t i = 0; i < r->n_named; i++)
                if (slices_equal_nocase(r->named[i], name))
                        return true;
        return false;
}

static bool is_of_connection(const Rewriting *r, const HttpField *f) {
        switch (f->name.length) {
        case 2:
                return http_slice_is(f->name, "TE") && !http_slice_is(f->value, "trailers");
        case 7:
                return http_slice_is(f->name, "Upgrade") && r->head->status != 101 && r->head->status != 426;
        case 10:
                return http_slice_is(f->name, "Connection") || http_slice_is(f->name, "Keep-Alive");
        case 14:
                return http_slice_is(f->name, "HTTP2-Settings");
        case 16:
                return http_slice_is(f->name, "Proxy-Connection");
        default:
                return false;
        }
}

static bool is_repeated_length(Rewriting *r, HttpSlice name) {
        bool had = r->has_length;

        if (!http_slice_is(name, "Content-Length"))
                return false;
        r->has_length = true;
        return had;
}

static bool field_stays(Rewriting *r, const HttpField *f) {
        return !is_of_connection(r, f) && !is_repeated_length(r, f->name) && !is_named(r, f->name);
}

/* Its index, or n_edits. */
static size_t find_edit(const HttpRewrite *how, HttpSlice name) {
        size_t i = 0;

        while (i < how->n_edits &&
               (how->edits[i].name.length != name.length || !http_name_resembles(how->edits[i].name, name)))
                i++;
        return i;
}

static void make_edit(Rewriting *r, size_t i) {
        const HttpEdit *edit = &r->how->edits[i];
        uint64_t bit = UINT64_C(1) << i;

        if (!(r->edits & bit) && edit->value.data)
                put_field(r, edit->name, edit->value);
        r->edits |= bit;
}

/* Ends the run at END; the next one may begin at NEXT. */
static void end_run(Rewriting *r, const char *end, const char *next) {
        put_slice(r, http_slice(r->run, end));
        r->run = next;
}

static void put_lines(Rewriting *r) {
        const HttpHead *head = r->head;
        const char *end = head->lines.data + head->lines.length;

        r->run = head->lines.data;
        for (size_t i = 0; i < head->n_fields; i++) {
                const HttpField *f = &head->fields[i];
                size_t edit = find_edit(r->how, f->name);

                if (edit == r->how->n_edits && field_stays(r, f))
                        continue;
                end_run(r, f->name.data, i + 1 < head->n_fields ? f[1].name.data : end);
                if (edit < r->how->n_edits)
                        make_edit(r, edit);
        }
        end_run(r, end, end);
        for (size_t i = 0; i < r->how->n_edits; i++)
                make_edit(r, i);
}

/* The protocols of all Upgrade fields that may pass; there is one at least. */
static void put_upgrade(Rewriting *r) {
        const char *separator = "Upgrade: ";
        const HttpField *f = NULL;
        HttpSlice protocol;

        while ((f = http_head_find_next(r->head, "Upgrade", f))) {
                HttpSlice list = f->value;

                while (http_list_next(&list, &protocol)) {
                        if (!http_upgrade_may_pass(protocol))
                                continue;
                        put_text(r, separator);
                        put_slice(r, protocol);
                        separator = ", ";
                }
        }
        put_text(r, "\r\nConnection: Upgrade\r\n");
}

/* Everything behind the first line. Returns what http_rewrite_…() do. */
static ssize_t put_rest(Rewriting *r, const char *start) {
        collect_named(r);
        put_lines(r);
        if (r->may_upgrade)
                put_upgrade(r);
        else if (r->how->connection)
                put_field(r, http_slice_of("Connection"), http_slice_of(r->how->connection));
        put_text(r, "\r\n");
        return r->full ? -ENOBUFS : r->p - start;
}

/* http://host/path?query is /path?query, and without a path "/", or "*" for OPTIONS (RFC 9112 §3.2.4). */
static void put_path(Rewriting *r) {
        const HttpHead *head = r->head;
        const char *path = head->host_header.data + head->host_header.length;
        const char *end = head->target.data + head->target.length;

        if (path == end && head->method.length == 7 && memcmp(head->method.data, "OPTIONS", 7) == 0)
                put_text(r, "*");
        else if (path == end || *path != '/')
                put_text(r, "/");
        put_slice(r, http_slice(path, end));
}

/* An absolute target has the host inside it. */
static bool target_is_absolute(const HttpHead *head) {
        const char *host = head->host_header.data;

        return host && host > head->target.data && host < head->target.data + head->target.length;
}

static void put_request_line(Rewriting *r) {
        const HttpHead *head = r->head;

        if (!target_is_absolute(head)) {
                put_slice(r, head->first_line);
                return;
        }
        put_slice(r, http_slice(head->method.data, head->target.data));
        put_path(r);
        put_slice(r, http_slice(head->target.data + head->target.length, head->lines.data));
        if (!http_head_find(head, "Host") && find_edit(r->how, http_slice_of("Host")) == r->how->n_edits)
                put_field(r, http_slice_of("Host"), head->host_header);
}

ssize_t http_rewrite_request(const HttpHead *request, const HttpRewrite *rewrite, char *ret, size_t size) {
        Rewriting r = { .head = request, .how = rewrite, .p = ret, .end = ret + size };

        r.may_upgrade = http_exchange(request).may_upgrade;
        put_request_line(&r);
        return put_rest(&r, ret);
}

ssize_t http_rewrite_response(const HttpHead *response, const HttpRewrite *rewrite, char *ret, size_t size) {
        Rewriting r = { .head = response, .how = rewrite, .p = ret, .end = ret + size };

        put_slice(&r, response->first_line);
        return put_rest(&r, ret);
}

bool http_edit_is_valid(const HttpEdit *edit) {
        static const char *const refused[] = { "Connection", "Content-Length", "Transfer-Encoding",
                                               "Upgrade",    "Keep-Alive",     "TE" };
        HttpSlice name = edit->name, value = edit->value;

        for (size_t i = 0; i < ELEMENTSOF(refused); i++)
                if (http_name_resembles(name, http_slice_of(refused[i])))
                        return false;
        for (size_t i = 0; i < name.length; i++)
                if (!http_char_is(name.data[i], HTTP_TOKEN))
                        return false;
        for (size_t i = 0; i < value.length; i++)
                if (!http_char_is(value.data[i], HTTP_VALUE))
                        return false;
        if (value.length > 0 && (strchr(" \t", value.data[0]) || strchr(" \t", value.data[value.length - 1])))
                return false;
        return name.length > 0;
}
