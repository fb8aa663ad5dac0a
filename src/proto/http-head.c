/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-head.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/str.h"

/* A head comes in pieces, and this is asked again after each. So what runs on an unfinished head is cheap:
 * a look at the first bytes, and a search for the ends of lines, which finds the end of the head. Only the
 * first line is parsed as soon as it is whole. Of a whole head each byte is then looked at once more.
 * It ends with CR LF, and no class of characters has CR in it, so spans need no bounds.
 *
 * Inside, a result is 0 or the status that the visitor is owed. */

#define START_BYTES 64 /* looked at before the request line is whole */

enum {
        BAD_REQUEST = 400,
        URI_TOO_LONG = 414,
        HEAD_TOO_LARGE = 431,
        NOT_IMPLEMENTED = 501,
        VERSION_NOT_SUPPORTED = 505,
};

typedef struct Extent {
        size_t first_line; /* the offset behind the first line, 0: not there yet */
        size_t head;       /* the offset behind the head, 0: not there yet */
} Extent;

typedef struct KnownFields { /* borrowed from the head; NULL when absent */
        const HttpField *host;
        const HttpField *transfer_encoding;
} KnownFields;

static bool slice_equal(HttpSlice s, const char *text) {
        return s.length == strlen(text) && memcmp(s.data, text, s.length) == 0;
}

/* How much of the start is an empty line, or of one as far as it has come (RFC 9112 §2.2). */
static size_t empty_line_length(const char *data, size_t n) {
        if (n == 0 || data[0] != '\r')
                return 0;
        if (n == 1)
                return 1;
        return data[1] == '\n' ? 2 : 0;
}

/* Refuses what no further byte can turn into a request line: TLS, other protocols. */
static unsigned check_start(const char *s, size_t n) {
        size_t i = 0;

        n = MIN(n, START_BYTES);
        while (i < n && http_char_is(s[i], HTTP_TOKEN))
                i++;
        if (i == n)
                return 0;
        if (i == 0 || s[i] != ' ')
                return BAD_REQUEST;
        return i + 1 == n || http_char_is(s[i + 1], HTTP_TARGET) ? 0 : BAD_REQUEST;
}

static unsigned find_ends(const char *data, size_t start, size_t n, Extent *ret) {
        const char *lf;

        for (size_t n_lines = 0; (lf = memchr(data + start, '\n', n - start)); n_lines++) {
                size_t end = (size_t) (lf - data) + 1;

                if (end - start < 2 || lf[-1] != '\r')
                        return BAD_REQUEST;
                if (end - start == 2) {
                        ret->head = end;
                        return 0;
                }
                if (n_lines == 0)
                        ret->first_line = end;
                if (n_lines > HTTP_FIELDS_MAX)
                        return HEAD_TOO_LARGE;
                start = end;
        }
        return 0;
}

/* http://authority/… (RFC 9112 §3.2.2): the authority is the host. */
static unsigned parse_absolute_target(HttpHead *ret) {
        const char *s = ret->target.data, *end = s + ret->target.length, *p;
        int r;

        if (ret->target.length > 7 && str_equal_nocase(s, 7, "http://"))
                s += 7;
        else if (ret->target.length > 8 && str_equal_nocase(s, 8, "https://"))
                s += 8;
        else
                return BAD_REQUEST;
        for (p = s; p < end && *p != '/' && *p != '?';)
                p++;
        ret->host_header = http_slice(s, p);
        r = host_header_parse(s, (size_t) (p - s), ret->host, &ret->port);
        return r < 0 ? BAD_REQUEST : 0;
}

/* host:port (RFC 9112 §3.2.3). */
static unsigned check_authority_target(HttpSlice target) {
        char host[HOSTNAME_LENGTH_MAX + 1];
        uint16_t port;

        if (host_header_parse(target.data, target.length, host, &port) < 0 || port == 0)
                return BAD_REQUEST;
        return 0;
}

static unsigned parse_target(HttpHead *ret) {
        ret->host_header = (HttpSlice){};
        if (ret->target.data[0] == '/')
                return 0;
        if (slice_equal(ret->target, "*"))
                return slice_equal(ret->method, "OPTIONS") ? 0 : BAD_REQUEST; /* not the preface's PRI */
        if (slice_equal(ret->method, "CONNECT"))
                return check_authority_target(ret->target);
        return parse_absolute_target(ret);
}

static unsigned parse_version(const char *s, const char *end, unsigned *ret_minor) {
        if (end - s != 8 || memcmp(s, "HTTP/", 5) != 0)
                return BAD_REQUEST;
        if (!char_is_digit(s[5]) || s[6] != '.' || !char_is_digit(s[7]))
                return BAD_REQUEST;
        if (s[5] != '1')
                return VERSION_NOT_SUPPORTED;
        *ret_minor = (unsigned) (s[7] - '0');
        return 0;
}

/* END is where its CR stands. */
static unsigned parse_request_line(HttpHead *ret, const char *s, const char *end) {
        const char *p = http_span(s, HTTP_TOKEN), *target = p + 1;
        unsigned status;

        ret->first_line = http_slice(s, end + 2);
        ret->method = http_slice(s, p);
        if (*p != ' ')
                return BAD_REQUEST;
        p = http_span(target, HTTP_TARGET);
        ret->target = http_slice(target, p);
        if (*p != ' ' || p == target)
                return BAD_REQUEST;
        status = parse_target(ret);
        return status != 0 ? status : parse_version(p + 1, end, &ret->minor_version);
}

/* RFC 9112 §6.2, and no lists of equal values. */
static unsigned parse_content_length(HttpHead *ret, HttpSlice value) {
        const uint64_t max = INT64_MAX;
        uint64_t length = 0;

        if (value.length == 0)
                return BAD_REQUEST;
        for (size_t i = 0; i < value.length; i++) {
                unsigned digit = (unsigned) (value.data[i] - '0');

                if (digit > 9 || length > (max - digit) / 10)
                        return BAD_REQUEST;
                length = length * 10 + digit;
        }
        if (ret->has_content_length && ret->content_length != length)
                return BAD_REQUEST;
        ret->has_content_length = true;
        ret->content_length = length;
        return 0;
}

static unsigned note_once(const HttpField **known, const HttpField *field) {
        if (*known)
                return BAD_REQUEST;
        *known = field;
        return 0;
}

static unsigned note_field(HttpHead *ret, KnownFields *known, const HttpField *field) {
        if (http_slice_is(field->name, "Host"))
                return note_once(&known->host, field);
        if (http_slice_is(field->name, "Content-Length"))
                return parse_content_length(ret, field->value);
        if (http_slice_is(field->name, "Transfer-Encoding"))
                return note_once(&known->transfer_encoding, field);
        if (http_slice_is(field->name, "Content_Length") || http_slice_is(field->name, "Transfer_Encoding"))
                return BAD_REQUEST; /* to some they are the above */
        return 0;
}

static unsigned parse_fields(HttpHead *ret, KnownFields *known, const char *p, const char *end) {
        ret->lines = http_slice(p, end);
        ret->has_content_length = false;
        ret->content_length = 0;
        for (ret->n_fields = 0; p < end; ret->n_fields++) { /* find_ends() has counted them */
                HttpField *field = &ret->fields[ret->n_fields];
                unsigned status =
                        http_field_parse(&p, field) < 0 ? BAD_REQUEST : note_field(ret, known, field);

                if (status != 0)
                        return status;
        }
        return 0;
}

/* RFC 9112 §3.2. */
static unsigned conclude_host(HttpHead *ret, const HttpField *field) {
        bool absolute = ret->host_header.data;
        char host[HOSTNAME_LENGTH_MAX + 1] = "";
        uint16_t port = 0;

        if (!field && ret->minor_version > 0)
                return BAD_REQUEST;
        if (field && host_header_parse(field->value.data, field->value.length, host, &port) < 0)
                return BAD_REQUEST;
        if (absolute)
                return !field || (streq(host, ret->host) && port == ret->port) ? 0 : BAD_REQUEST;
        if (field)
                ret->host_header = field->value;
        strcpy(ret->host, host);
        ret->port = port;
        return 0;
}

/* RFC 9112 §6.1 and §7, for a VALUE other than "chunked". What is no list of codings, and "chunked" anywhere
 * but alone at the end, is refused; of other codings none is known. */
static unsigned check_codings(HttpSlice value) {
        const char *last = value.data + value.length;
        HttpSlice coding, rest = value;
        unsigned status = value.length > 0 ? 0 : BAD_REQUEST;

        while (status != BAD_REQUEST && http_list_next(&rest, &coding)) {
                const char *end = coding.data;

                while (end < coding.data + coding.length && http_char_is(*end, HTTP_TOKEN))
                        end++;
                if (!http_slice_is(http_slice(coding.data, end), "chunked"))
                        status = end > coding.data ? NOT_IMPLEMENTED : BAD_REQUEST;
                else if (end != last)
                        status = BAD_REQUEST;
        }
        return status != 0 ? status : BAD_REQUEST;
}

static unsigned conclude_body(HttpHead *ret, const HttpField *transfer_encoding) {
        ret->chunked = transfer_encoding;
        if (!ret->chunked)
                return 0;
        if (ret->minor_version == 0 || ret->has_content_length)
                return BAD_REQUEST;
        if (http_slice_is(transfer_encoding->value, "chunked"))
                return 0;
        return check_codings(transfer_encoding->value);
}

/* Everything below the first line, of a whole head. */
static unsigned parse_rest(HttpHead *ret, const char *p, const char *end) {
        KnownFields known = {};
        unsigned status = parse_fields(ret, &known, p, end);

        if (status == 0 && ret->status == 0)
                status = conclude_host(ret, known.host);
        return status != 0 ? status : conclude_body(ret, known.transfer_encoding);
}

/* RFC 9112 §4. END is where the line's CR stands. */
static unsigned parse_status_line(HttpHead *ret, const char *s, const char *end) {
        if (end - s < 12 || parse_version(s, s + 8, &ret->minor_version) != 0 || s[8] != ' ')
                return BAD_REQUEST;
        if (s[9] < '1' || s[9] > '9' || !char_is_digit(s[10]) || !char_is_digit(s[11]))
                return BAD_REQUEST;
        ret->first_line = http_slice(s, end + 2);
        ret->status = (unsigned) ((s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0'));
        if (end - s == 12) { /* even the space is missing; nobody takes that for anything else */
                ret->reason = http_slice(end, end);
                return 0;
        }
        ret->reason = http_slice(s + 13, end);
        return s[12] == ' ' && http_span(s + 13, HTTP_VALUE) == end ? 0 : BAD_REQUEST;
}

static int status_to_errno(unsigned status) {
        return status == HEAD_TOO_LARGE || status == URI_TOO_LONG ? -EMSGSIZE : -EBADMSG;
}

ssize_t http_head_parse(HttpHead *ret, const char *data, size_t n, size_t limit, unsigned *ret_status) {
        size_t n_seen = MIN(n, limit), start = empty_line_length(data, n_seen);
        unsigned status = check_start(data + start, n_seen - start);
        Extent extent = {};

        ret->status = 0;
        if (status == 0)
                status = find_ends(data, start, n_seen, &extent);
        if (status == 0 && extent.first_line > 0)
                status = parse_request_line(ret, data + start, data + extent.first_line - 2);
        if (status == 0 && extent.head == 0) {
                if (n < limit)
                        return -EAGAIN;
                status = extent.first_line > 0 ? HEAD_TOO_LARGE : URI_TOO_LONG;
        }
        if (status == 0)
                status = parse_rest(ret, data + extent.first_line, data + extent.head - 2);
        if (status == 0)
                return (ssize_t) extent.head;
        *ret_status = status;
        return status_to_errno(status);
}

ssize_t http_head_parse_response(HttpHead *ret, const char *data, size_t n, size_t limit) {
        static const char start[] = "HTTP/1.";
        size_t n_seen = MIN(n, limit);
        Extent extent = {};
        unsigned status;

        if (memcmp(data, start, MIN(n_seen, strlen(start))) != 0)
                return -EBADMSG;
        status = find_ends(data, 0, n_seen, &extent);
        if (status == 0 && extent.first_line > 0)
                status = parse_status_line(ret, data, data + extent.first_line - 2);
        if (status == 0 && extent.head == 0)
                return n < limit ? -EAGAIN : -EMSGSIZE;
        if (status == 0)
                status = parse_rest(ret, data + extent.first_line, data + extent.head - 2);
        return status == 0 ? (ssize_t) extent.head : status_to_errno(status);
}

HttpSlice http_head_path(const HttpHead *request) {
        const char *start = request->target.data, *end = start + request->target.length;
        const char *host = request->host_header.data;

        if (*start == '/')
                return request->target;
        if (host >= start && host < end) /* inside an absolute one */
                return http_slice(host + request->host_header.length, end);
        return http_slice(end, end);
}

bool http_method_is(const HttpHead *request, const char *method) {
        return slice_equal(request->method, method);
}

const HttpField *http_head_find(const HttpHead *head, const char *name) {
        return http_head_find_next(head, name, NULL);
}

const HttpField *http_head_find_next(const HttpHead *head, const char *name, const HttpField *previous) {
        const HttpField *end = head->fields + head->n_fields;

        for (const HttpField *f = previous ? previous + 1 : head->fields; f < end; f++)
                if (http_slice_is(f->name, name))
                        return f;
        return NULL;
}
