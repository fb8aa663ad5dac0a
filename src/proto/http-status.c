/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-status.h"

#include <stddef.h>

#include "base/macro.h"

const char *http_status_phrase(unsigned status) {
        static const struct {
                unsigned status;
                const char *phrase;
        } phrases[] = {
                { 200, "OK" },
                { 301, "Moved Permanently" },
                { 308, "Permanent Redirect" },
                { 400, "Bad Request" },
                { 401, "Unauthorized" },
                { 403, "Forbidden" },
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
        return NULL;
}
