/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first two bytes make the limit, the rest is what a visitor sends, pipelined requests included. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "proto/http-accept.h"

static HttpHead head;

static ssize_t parse(const char *data, size_t n, size_t limit) {
        unsigned status = 0;
        ssize_t r = http_head_parse(&head, data, n, limit, &status);

        if (r == -EBADMSG)
                must(status == 400 || status == 501 || status == 505);
        else if (r == -EMSGSIZE)
                must(status == 414 || status == 431);
        else
                must(status == 0 && (r == -EAGAIN || (r > 0 && (size_t) r <= MIN(n, limit))));
        return r;
}

static bool slice_is_clean(HttpSlice s, const char *data, size_t n) {
        for (size_t i = 0; i < s.length; i++)
                if (s.data[i] == '\0' || s.data[i] == '\r' || s.data[i] == '\n' || s.data[i] == 0x7f)
                        return false;
        return lies_inside(s.data, s.length, data, n);
}

static void check_fields(const char *data, size_t n) {
        unsigned n_hosts = 0;

        must(head.n_fields <= HTTP_FIELDS_MAX);
        for (size_t i = 0; i < head.n_fields; i++) {
                const HttpField *field = &head.fields[i];

                must(field->name.length > 0 && slice_is_clean(field->name, data, n));
                must(!memchr(field->name.data, ' ', field->name.length));
                must(!memchr(field->name.data, ':', field->name.length));
                must(slice_is_clean(field->value, data, n));
                must(field->value.length == 0 || !strchr(" \t", field->value.data[0]));
                n_hosts += str_equal_nocase(field->name.data, field->name.length, "host");
        }
        must(n_hosts == 1 || (n_hosts == 0 && head.minor_version == 0));
        must(head.has_content_length == (http_head_find(&head, "content-length") != NULL));
        must(head.chunked == (http_head_find(&head, "transfer-encoding") != NULL));
}

/* A head of N bytes was parsed. */
static void check_head(const char *data, size_t n) {
        must(n >= 2 && memcmp(data + n - 2, "\r\n", 2) == 0);
        must(head.method.length > 0 && slice_is_clean(head.method, data, n));
        must(head.status == 0 && head.first_line.data == head.method.data);
        must(head.first_line.data + head.first_line.length == head.lines.data);
        must(head.lines.data + head.lines.length + 2 == data + n);
        must(head.target.length > 0 && slice_is_clean(head.target, data, n));
        must(!memchr(head.target.data, ' ', head.target.length));
        must(head.minor_version <= 9);
        must(!(head.chunked && (head.has_content_length || head.minor_version == 0)));
        must(head.content_length <= INT64_MAX);
        must(strlen(head.host) <= HOSTNAME_LENGTH_MAX);
        if (head.host_header.length > 0)
                must(slice_is_clean(head.host_header, data, n) && head.host[0] != '\0');
        else
                must(head.host[0] == '\0' && head.minor_version == 0);
        check_fields(data, n);
        must(!http_prefers_html(&head) || http_head_find(&head, "accept"));
}

/* What N bytes gave, a part of them must give as well, or not be decided yet; once refused stays refused. */
static void check_parts(const char *data, size_t n, size_t limit, ssize_t result) {
        bool refused = false;

        for (size_t i = 0; i < n && i < 512; i++) {
                ssize_t r = parse(data, i, limit);

                if (r == -EAGAIN)
                        must(!refused && (result < 0 || i < (size_t) result));
                else
                        must(r < 0 ? result < 0 && result != -EAGAIN : r == result);
                refused = r < 0 && r != -EAGAIN;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *s = (const char *) data + 2;
        size_t limit;

        if (size < 2)
                return 0;
        limit = MIN((size_t) data[0] << 8 | data[1], (size_t) HTTP_HEAD_BYTES_MAX);
        for (size -= 2;;) {
                ssize_t r = parse(s, size, limit);

                if (r > 0)
                        check_head(s, (size_t) r);
                check_parts(s, size, limit, r);
                if (r <= 0)
                        return 0;
                s += r;
                size -= (size_t) r;
        }
}
