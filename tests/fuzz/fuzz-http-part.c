/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fields that ask for a part of a file, or say what one has: Range, and dates. The first two bytes are the
 * file's size. */

#include "fuzz.h"

#include <string.h>

#include "base/str.h"
#include "proto/http-date.h"
#include "proto/http-range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint64_t n = size >= 2 ? (uint64_t) data[0] << 8 | data[1] : 0;
        char *s = size >= 2 ? strndup((const char *) data + 2, size - 2) : NULL;
        HttpRange range = {};
        char text[HTTP_DATE_MAX];
        int64_t sec;

        if (!s)
                return 0;
        if (http_range_parse(s, n, &range) > 0)
                must(range.length > 0 && range.first < n && range.length <= n - range.first);
        if (http_date_parse(s, &sec) >= 0)
                must(streq(http_date_format(sec, text), s));
        free(s);
        return 0;
}
