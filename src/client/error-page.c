/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/error-page.h"

#include "base/str.h"
#include "proto/template.h"

/* Nobody has looked at the request yet, so it isn't known what the visitor would rather read. */
static const char page[] =
        "<!DOCTYPE html>\n"
        "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>502 Bad Gateway</title></head>\n"
        "<body><h1>502 Bad Gateway</h1>\n"
        "<p>The tunnel <b>{{url}}</b> is up, but the service behind it, <b>{{local}}</b>, can't be reached.</p>\n"
        "<p>{{reason}}</p>\n"
        "</body></html>\n";

static const char failing_page[] =
        "<!DOCTYPE html>\n"
        "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>503 Service Unavailable</title></head>\n"
        "<body><h1>503 Service Unavailable</h1>\n"
        "<p>The tunnel <b>{{url}}</b> is up, but the service behind it is not well. Try again soon.</p>\n"
        "</body></html>\n";

char *error_page_new_failing(const char *url, unsigned retry_sec) {
        const TemplateValue values[] = { { "url", url }, {} };
        _cleanup_free_ char *body = template_fill(failing_page, values, true);

        if (!body)
                return NULL;
        return str_format("HTTP/1.1 503 Service Unavailable\r\n"
                          "Content-Type: text/html; charset=utf-8\r\n"
                          "Content-Length: %zu\r\n"
                          "Retry-After: %u\r\n"
                          "Cache-Control: no-store\r\n"
                          "Connection: close\r\n"
                          "\r\n%s",
                          strlen(body), retry_sec, body);
}

char *error_page_new(const char *url, const char *local, const char *reason) {
        const TemplateValue values[] = { { "url", url }, { "local", local }, { "reason", reason }, {} };
        _cleanup_free_ char *body = template_fill(page, values, true);

        if (!body)
                return NULL;
        return str_format("HTTP/1.1 502 Bad Gateway\r\n"
                          "Content-Type: text/html; charset=utf-8\r\n"
                          "Content-Length: %zu\r\n"
                          "Cache-Control: no-store\r\n"
                          "Connection: close\r\n"
                          "\r\n%s",
                          strlen(body), body);
}
