/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first two bytes make the limit, the rest is what a service answers. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "proto/http-head.h"

static HttpHead head;

static void check_head(const char *data, size_t n) {
        const char *at = head.lines.data;

        must(n >= 4 && memcmp(data + n - 4, "\r\n\r\n", 4) == 0);
        must(head.status >= 100 && head.status <= 999 && head.minor_version <= 9);
        must(lies_inside(head.reason.data, head.reason.length, data, n));
        must(!(head.chunked && (head.has_content_length || head.minor_version == 0)));
        must(head.content_length <= INT64_MAX);
        must(head.lines.data + head.lines.length + 2 == data + n);
        for (size_t i = 0; i < head.n_fields; i++) { /* the lines follow each other without a gap */
                const HttpField *f = &head.fields[i];

                must(f->name.data == at && f->name.length > 0);
                must(lies_inside(f->value.data, f->value.length, data, n));
                at = (const char *) memchr(at, '\n', (size_t) (data + n - at)) + 1;
        }
        must(at == data + n - 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *s = (const char *) data + 2;
        bool refused = false;
        size_t limit;

        if (size < 2)
                return 0;
        limit = MIN((size_t) data[0] << 8 | data[1], (size_t) HTTP_HEAD_BYTES_MAX);
        for (size_t i = size > 514 ? size - 512 - 2 : 0; i <= size - 2; i++) {
                ssize_t r = http_head_parse_response(&head, s, i, limit);

                must(r > 0 || r == -EAGAIN || r == -EBADMSG || r == -EMSGSIZE);
                must(!refused || (r < 0 && r != -EAGAIN));
                refused = r < 0 && r != -EAGAIN;
                if (r > 0) {
                        must((size_t) r <= MIN(i, limit));
                        check_head(s, (size_t) r);
                        break;
                }
        }
        return 0;
}
