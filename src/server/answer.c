/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/answer.h"

#include <errno.h>

static const char *reason_phrase(unsigned status) {
        static const struct {
                unsigned status;
                const char *phrase;
        } phrases[] = {
                { 400, "Bad Request" },
                { 401, "Unauthorized" },
                { 404, "Not Found" },
                { 405, "Method Not Allowed" },
                { 408, "Request Timeout" },
                { 414, "URI Too Long" },
                { 421, "Misdirected Request" },
                { 431, "Request Header Fields Too Large" },
                { 501, "Not Implemented" },
                { 502, "Bad Gateway" },
                { 503, "Service Unavailable" },
                { 504, "Gateway Timeout" },
                { 505, "HTTP Version Not Supported" },
        };

        for (size_t i = 0; i < ELEMENTSOF(phrases); i++)
                if (phrases[i].status == status)
                        return phrases[i].phrase;
        return "Error";
}

int answer_write(Buffer *out, unsigned status, const char *fields, const char *text, bool head_only,
                 bool keep) {
        size_t room = buffer_room(out);
        int n = snprintf(
                (char*) buffer_tail(out), room,
                "HTTP/1.1 %u %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
                "%s%s\r\n%s%s",
                status, reason_phrase(status), strlen(text) + 1, keep ? "" : "Connection: close\r\n", fields,
                head_only ? "" : text, head_only ? "" : "\n");

        if (n < 0 || (size_t) n >= room)
                return -ENOBUFS;
        buffer_produce(out, (size_t) n);
        return 0;
}
