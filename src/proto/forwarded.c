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

        while (start < end && (*start == ' ' || *start == '\t'))
                start++;
        while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
        list->length = comma ? (size_t) (comma - list->data) : 0;
        return http_slice(start, end);
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

/* Appends N bytes to the text at *P. */
static int append(char **p, const char *end, const char *s, size_t n) {
        if (n > (size_t) (end - *p))
                return -ENOBUFS;
        memcpy(*p, s, n);
        *p += n;
        return 0;
}

/* Writes the values of the fields NAME that REQUEST has (NULL: none are believed) and behind them LAST to
 * RET, and sets EDIT to that. */
static int join(const HttpHead *request, const char *name, const char *last,
                char ret[static FORWARDED_BYTES_MAX], HttpEdit *edit) {
        const char *end = ret + FORWARDED_BYTES_MAX;
        const HttpField *f = NULL;
        char *p = ret;

        while (request && (f = http_head_find_next(request, name, f))) {
                if (f->value.length == 0)
                        continue;
                if (append(&p, end, f->value.data, f->value.length) < 0 || append(&p, end, ", ", 2) < 0)
                        return -ENOBUFS;
        }
        if (append(&p, end, last, strlen(last)) < 0)
                return -ENOBUFS;
        *edit = (HttpEdit){ .name = http_slice_of(name), .value = http_slice(ret, p) };
        return 0;
}

/* The value of the field if REQUEST (NULL: it is not believed) has it once. */
static HttpSlice only_value(const HttpHead *request, const char *name) {
        const HttpField *f = request ? http_head_find(request, name) : NULL;

        return f && !http_head_find_next(request, name, f) ? f->value : (HttpSlice){};
}

static HttpEdit edit_proto(Forwarded *f, const HttpHead *believed) {
        HttpSlice proto = only_value(believed, proto_name);

        if (http_slice_is(proto, "https"))
                f->https = true;
        else if (http_slice_is(proto, "http"))
                f->https = false;
        return (HttpEdit){ .name = http_slice_of(proto_name),
                           .value = http_slice_of(f->https ? "https" : "http") };
}

/* A visitor that names no host (HTTP/1.0) has none in its X-Forwarded-Host either. */
static HttpEdit edit_host(const HttpHead *request, const HttpHead *believed) {
        HttpEdit edit = { .name = http_slice_of(host_name), .value = only_value(believed, host_name) };
        char host[HOSTNAME_LENGTH_MAX + 1];
        uint16_t port;

        if (!edit.value.data || host_header_parse(edit.value.data, edit.value.length, host, &port) < 0)
                edit.value = request->host_header;
        return edit;
}

/* for=…;host="…";proto=… (RFC 7239 §4): what the connection shows, not what others say. */
static int edit_standard(Forwarded *f, const ForwardedBy *by, const HttpHead *request,
                         const HttpHead *believed) {
        char element[FORWARDED_BYTES_MAX], ip[IP_TEXT_MAX];
        const char *quote = ip_is_v4(&by->peer) ? "" : "\"", *open = *quote ? "[" : "",
                   *close = *quote ? "]" : "";
        HttpSlice host = request->host_header;
        int n = snprintf(element, sizeof(element), "for=%s%s%s%s%s;host=\"%.*s\";proto=%s", quote, open,
                         ip_format(&by->peer, ip), close, quote, (int) host.length,
                         host.length > 0 ? host.data : "", by->https ? "https" : "http");

        if (n < 0 || (size_t) n >= sizeof(element))
                return -ENOBUFS;
        return join(believed, standard_name, element, f->standard, &f->edits[f->n_edits++]);
}

int forwarded_init(Forwarded *f, const ForwardedBy *by, const HttpHead *request) {
        const HttpHead *believed = cidr_list_contains(by->trusted, &by->peer) ? request : NULL;
        char ip[IP_TEXT_MAX];

        f->visitor = forwarded_visitor(&by->peer, by->trusted, request);
        f->https = by->https;
        if (join(believed, for_name, ip_format(&by->peer, ip), f->visitors, &f->edits[0]) < 0)
                return -ENOBUFS;
        f->edits[1] = edit_proto(f, believed);
        f->edits[2] = edit_host(request, believed);
        f->n_edits = 3;
        if (by->standard)
                return edit_standard(f, by, request, believed);
        if (!believed) /* nobody may take it for ours */
                f->edits[f->n_edits++] = (HttpEdit){ .name = http_slice_of(standard_name) };
        return 0;
}
