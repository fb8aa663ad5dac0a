/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Eight bytes make the time and the status; the rest, cut at line feeds, makes the texts. */
#include "fuzz.h"

#include <string.h>

#include "proto/access-log-line.h"

static HttpSlice take_line(const char **p, const char *end) {
        const char *start = *p, *lf = memchr(start, '\n', (size_t) (end - start));

        *p = lf ? lf + 1 : end;
        return http_slice(start, lf ? lf : end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *p = (const char *) data + 8, *end = (const char *) data + size;
        char line[ACCESS_LOG_LINE_BYTES_MAX];
        AccessLogLine l = {};
        unsigned n_quotes = 0, n_outside = 0;
        size_t n;

        if (size < 8)
                return 0;
        memcpy(&l.time_sec, data, sizeof(l.time_sec));
        l.time_sec >>= 8; /* years of ten digits are enough */
        l.status = data[7] * 4U;
        l.n_bytes = l.duration_usec = (uint64_t) l.time_sec;
        l.user = take_line(&p, end);
        l.request = take_line(&p, end);
        l.referer = take_line(&p, end);
        l.user_agent = http_slice(p, end);
        n = access_log_line_format(&l, line);
        must(n > 0 && n <= sizeof(line) && line[n - 1] == '\n');
        for (size_t i = 0; i < n - 1; i++) {
                must(line[i] >= ' ' && line[i] < 0x7f);
                n_quotes += line[i] == '"';
                n_outside += line[i] == ' ' && n_quotes % 2 == 0;
        }
        must(n_quotes == 6 && n_outside == 10); /* as many fields as ever */
        return 0;
}
