/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/answer.h"

#include <errno.h>

#include "proto/http-status.h"

ssize_t answer_write(const Answer *a, const ErrorPages *pages, Buffer *out) {
        _cleanup_free_ char *page = error_pages_fill(pages, &a->page);

        if (!page)
                return -ENOMEM;
        return answer_write_body(a, a->page.html ? "text/html; charset=utf-8" : "text/plain; charset=utf-8",
                                 page, strlen(page), out);
}

ssize_t answer_write_body(const Answer *a, const char *type, const void *body, size_t n, Buffer *out) {
        const char *phrase = http_status_phrase(a->page.status);
        size_t room = buffer_room(out);
        char hsts[64] = "";
        int k;

        if (a->hsts_sec > 0)
                snprintf(hsts, sizeof(hsts), "Strict-Transport-Security: max-age=%ju\r\n",
                         (uintmax_t) a->hsts_sec);
        /* Names change hands: what is true of one today isn't to be remembered. */
        k = snprintf(
                (char*) buffer_tail(out), room,
                "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
                "%s%s%s\r\n",
                a->page.status, phrase ? phrase : "Error", type, n, a->keep ? "" : "Connection: close\r\n",
                hsts, a->fields);

        if (k < 0 || (size_t) k >= room)
                return -ENOBUFS;
        buffer_produce(out, (size_t) k);
        if (a->head_only)
                return 0;
        return buffer_append(out, body, n) < 0 ? -ENOBUFS : (ssize_t) n;
}
