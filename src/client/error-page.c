/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/error-page.h"

#include "base/str.h"

#define PART_BYTES_MAX 1024

static const char *html_entity(char c) {
        switch (c) {
        case '&':
                return "&amp;";
        case '<':
                return "&lt;";
        case '>':
                return "&gt;";
        case '"':
                return "&quot;";
        case '\'':
                return "&#39;";
        default:
                return NULL;
        }
}

/* Owned by the caller, or NULL. */
static char *html_escape(const char *s) {
        size_t n = MIN(strlen(s), (size_t) PART_BYTES_MAX);
        char *escaped = malloc(n * strlen("&quot;") + 1), *out = escaped;

        if (!escaped)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                const char *entity = html_entity(s[i]);

                if (entity)
                        out = stpcpy(out, entity);
                else
                        *out++ = s[i];
        }
        *out = '\0';
        return escaped;
}

char *error_page_new(const char *url, const char *local, const char *reason) {
        _cleanup_free_ char *u = html_escape(url), *l = html_escape(local), *r = html_escape(reason);
        _cleanup_free_ char *body = NULL;

        if (!u || !l || !r)
                return NULL;
        body = str_format(
                "<!DOCTYPE html>\n"
                "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>502 Bad Gateway</title></head>\n"
                "<body><h1>502 Bad Gateway</h1>\n"
                "<p>The tunnel <b>%s</b> is up, but the service behind it, <b>%s</b>, can't be reached.</p>\n"
                "<p>%s</p>\n"
                "</body></html>\n",
                u, l, r);
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
