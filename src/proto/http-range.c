/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-range.h"

#include <errno.h>

#include "base/str.h"

/* Reads digits; numbers that don't fit are as large as can be. Returns what follows, or NULL without a digit.
 */
static const char *read_number(const char *s, uint64_t *ret) {
        uint64_t v = 0;

        if (!char_is_digit(*s))
                return NULL;
        for (; char_is_digit(*s); s++)
                if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
                    __builtin_add_overflow(v, (uint64_t) (*s - '0'), &v))
                        v = UINT64_MAX / 10; /* the next digit overflows again */
        *ret = v;
        return s;
}

/* "-N": the last N bytes. */
static int parse_suffix(const char *s, uint64_t size, HttpRange *ret) {
        uint64_t n;

        s = read_number(s, &n);
        if (!s || *s)
                return 0;
        if (n == 0 || size == 0)
                return -ERANGE;
        ret->length = MIN(n, size);
        ret->first = size - ret->length;
        return 1;
}

/* "A-B" or "A-". */
static int parse_span(const char *s, uint64_t size, HttpRange *ret) {
        uint64_t first, last = UINT64_MAX;

        s = read_number(s, &first);
        if (!s || *s++ != '-')
                return 0;
        if (*s) {
                s = read_number(s, &last);
                if (!s || *s || last < first)
                        return 0;
        }
        if (first >= size)
                return -ERANGE;
        ret->first = first;
        ret->length = MIN(last, size - 1) - first + 1;
        return 1;
}

int http_range_parse(const char *value, uint64_t size, HttpRange *ret) {
        HttpRange range = {};
        int r;

        if (!value || strlen(value) < strlen("bytes=") ||
            !str_equal_nocase(value, strlen("bytes="), "bytes="))
                return 0;
        value += strlen("bytes=");
        value += strspn(value, " \t");
        r = *value == '-' ? parse_suffix(value + 1, size, &range) : parse_span(value, size, &range);
        if (r > 0)
                *ret = range;
        return r;
}
