/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/forwarded.h"

#include <errno.h>

static const char for_name[] = "X-Forwarded-For";
static const char proto_name[] = "X-Forwarded-Proto";
static const char host_name[] = "X-Forwarded-Host";
static const char standard_name[] = "Forwarded";

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]" or "[2001:db8::1]:80". */
static int parse_entry(HttpSlice s, Ip *ret) {
        const char *end = s.data + s.length, *colon = memchr(s.data, ':', s.length);

        if (s.length > 0 && *s.data == '[') {
                const char *bracket = memchr(s.data, ']', s.length);

                if (!bracket || (bracket + 1 < end && bracket[1] != ':'))
                        return -EINVAL;
                return ip_parse(s.data + 1, (size_t) (bracket - s.data - 1), ret);
        }
        if (colon && !memchr(colon + 1, ':', (size_t) (end - colon - 1)))
                end = colon;
        return ip_parse(s.data, (size_t) (end - s.data), ret);
}

/* Takes the last element, maybe an empty one, from a list with commas. */
static HttpSlice take_last(HttpSlice *list) {
        const char *comma = memrchr(list->data, ',', list->length);
        const char *start = comma ? comma + 1 : list->data, *end = list->data + list->length;

        list->length = comma ? (size_t) (comma - list->data) : 0;
        return http_trim(start, end);
}

/* Goes through LIST from its end while addresses are trusted. Returns whether to go on before it. */
static bool walk_back(HttpSlice list, const CidrList *trusted, Ip *visitor) {
        while (list.length > 0) {
                if (parse_entry(take_last(&list), visitor) < 0 || !cidr_list_contains(trusted, visitor))
                        return false;
        }
        return true;
}

Ip forwarded_visitor(const Ip *peer, const CidrList *trusted, const HttpHead *request) {
        Ip visitor = *peer;

        if (!cidr_list_contains(trusted, peer))
                return visitor;
        for (size_t i = request->n_fields; i > 0; i--) {
                const HttpField *f = &request->fields[i - 1];

                if (http_slice_is(f->name, for_name) && !walk_back(f->value, trusted, &visitor))
                        break;
        }
        return visitor;
}

typedef struct Text { /* of a field */
        char *start, *p, *end;
        bool full;
} Text;

static void put(Text *t, HttpSlice s) {
        if (s.length > (size_t) (t->end - t->p)) {
                t->full = true;
                return;
        }
        memcpy(t->p, s.data, s.length);
        t->p += s.length;
}

static void put_text(Text *t, const char *s) {
        put(t, http_slice_of(s));
}

/* Begins with the values of the fields NAME that are believed (NULL: none). */
static Text text_begin(char buffer[static FORWARDED_BYTES_MAX], const HttpHead *believed, const char *name) {
        Text t = { .start = buffer, .p = buffer, .end = buffer + FORWARDED_BYTES_MAX };
        const HttpField *f = NULL;

        while (believed && (f = http_head_find_next(believed, name, f))) {
                if (f->value.length == 0)
                        continue;
                put(&t, f->value);
                put_text(&t, ", ");
        }
        return t;
}

static void add_edit(Forwarded *f, const char *name, HttpSlice value) {
        f->edits[f->n_edits++] = (HttpEdit) { .name = http_slice_of(name), .value = value };
}

static int add_text(Forwarded *f, const char *name, const Text *t) {
        if (t->full)
                return -ENOBUFS;
        add_edit(f, name, http_slice(t->start, t->p));
        return 0;
}

static int add_for(Forwarded *f, const ForwardedBy *by, const HttpHead *believed) {
        Text t = text_begin(f->visitors, believed, for_name);
        char ip[IP_TEXT_MAX];

        put_text(&t, ip_format(&by->peer, ip));
        return add_text(f, for_name, &t);
}

/* The value of the field if REQUEST (NULL: it is not believed) has it once. */
static HttpSlice only_value(const HttpHead *request, const char *name) {
        const HttpField *f = request ? http_head_find(request, name) : NULL;

        return f && !http_head_find_next(request, name, f) ? f->value : (HttpSlice){};
}

bool forwarded_is_https(const ForwardedBy *by, const HttpHead *request) {
        bool believed = cidr_list_contains(by->trusted, &by->peer);
        HttpSlice proto = only_value(believed ? request : NULL, proto_name);

        return http_slice_is(proto, "https") || (by->https && !http_slice_is(proto, "http"));
}

/* A visitor that names no host (HTTP/1.0) has none here either. */
static void add_host(Forwarded *f, const HttpHead *request, const HttpHead *believed) {
        HttpSlice value = only_value(believed, host_name);
        char host[HOSTNAME_LENGTH_MAX + 1];
        uint16_t port;

        if (!value.data || host_header_parse(value.data, value.length, host, &port) < 0)
                value = request->host_header;
        add_edit(f, host_name, value);
}

/* for=…;host="…";proto=… (RFC 7239 §4): what the connection shows, not what others say. */
static int add_standard(Forwarded *f, const ForwardedBy *by, const HttpHead *request,
                        const HttpHead *believed) {
        Text t = text_begin(f->standard, believed, standard_name);
        bool v4 = ip_is_v4(&by->peer);
        char ip[IP_TEXT_MAX];

        put_text(&t, v4 ? "for=" : "for=\"[");
        put_text(&t, ip_format(&by->peer, ip));
        put_text(&t, v4 ? ";" : "]\";");
        if (request->host_header.length > 0) {
                put_text(&t, "host=\"");
                put(&t, request->host_header);
                put_text(&t, "\";");
        }
        put_text(&t, by->https ? "proto=https" : "proto=http");
        return add_text(f, standard_name, &t);
}

int forwarded_init(Forwarded *f, const ForwardedBy *by, const HttpHead *request) {
        const HttpHead *believed = cidr_list_contains(by->trusted, &by->peer) ? request : NULL;
        int r;

        f->visitor = forwarded_visitor(&by->peer, by->trusted, request);
        f->https = forwarded_is_https(by, request);
        f->n_edits = 0;
        r = add_for(f, by, believed);
        if (r < 0)
                return r;
        add_edit(f, proto_name, http_slice_of(f->https ? "https" : "http"));
        add_host(f, request, believed);
        if (by->standard)
                return add_standard(f, by, request, believed);
        if (!believed)
                add_edit(f, standard_name, (HttpSlice){}); /* nobody may take it for ours */
        return 0;
}
