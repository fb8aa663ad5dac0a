/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/access-log-line.h"

#include "base/parse.h"
#include "proto/date.h"

#define ESCAPE_BYTES 4 /* \xNN */

static char *put_time(char *p, int64_t time_sec) {
        int64_t days = time_sec / SEC_PER_DAY - (time_sec % SEC_PER_DAY < 0);
        unsigned sec = (unsigned) (time_sec - days * SEC_PER_DAY);
        Date d = date_from_days(days);

        return p + sprintf(p, "[%02u/%s/%04jd:%02u:%02u:%02u +0000]", d.day, date_months[d.month - 1],
                           (intmax_t) d.year, sec / 3600, sec / 60 % 60, sec % 60);
}

static bool is_plain(char c, bool may_have_spaces) {
        return c > ' ' ? c < 0x7f && c != '"' && c != '\\' : c == ' ' && may_have_spaces;
}

/* At most MAX bytes. */
static char *put_escaped(char *p, HttpSlice s, size_t max, bool may_have_spaces) {
        const char *end = p + max - strlen("...") - ESCAPE_BYTES;

        if (s.length == 0) {
                *p++ = '-';
                return p;
        }
        for (size_t i = 0; i < s.length; i++) {
                if (p > end)
                        return p + sprintf(p, "...");
                if (is_plain(s.data[i], may_have_spaces))
                        *p++ = s.data[i];
                else
                        p += sprintf(p, "\\x%02X", (uint8_t) s.data[i]);
        }
        return p;
}

static char *put_quoted(char *p, HttpSlice s, size_t max) {
        *p++ = '"';
        p = put_escaped(p, s, max, true);
        *p++ = '"';
        return p;
}

static char *put_number(char *p, uint64_t n) {
        return p + (n > 0 ? sprintf(p, " %ju ", (uintmax_t) n) : sprintf(p, " - "));
}

static HttpSlice without_line_end(HttpSlice s) {
        if (s.length >= 2 && memcmp(s.data + s.length - 2, "\r\n", 2) == 0)
                s.length -= 2;
        return s;
}

size_t access_log_line_format(const AccessLogLine *l, char ret[static ACCESS_LOG_LINE_BYTES_MAX]) {
        char ip[IP_TEXT_MAX], *p = ret;

        p += sprintf(p, "%s - ", ip_format(&l->visitor, ip));
        p = put_escaped(p, l->user, ACCESS_LOG_TEXT_BYTES_MAX, false);
        *p++ = ' ';
        p = put_time(p, l->time_sec);
        *p++ = ' ';
        p = put_quoted(p, without_line_end(l->request), ACCESS_LOG_REQUEST_BYTES_MAX);
        p = put_number(p, l->status);
        p = put_number(p - 1, l->n_bytes);
        p = put_quoted(p, l->referer, ACCESS_LOG_TEXT_BYTES_MAX);
        *p++ = ' ';
        p = put_quoted(p, l->user_agent, ACCESS_LOG_TEXT_BYTES_MAX);
        p += sprintf(p, " %ju.%06ju\n", (uintmax_t) (l->duration_usec / USEC_PER_SEC),
                     (uintmax_t) (l->duration_usec % USEC_PER_SEC));
        return (size_t) (p - ret);
}
