/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-field.h"

#include <errno.h>

#define T (HTTP_TOKEN | HTTP_TARGET | HTTP_VALUE)
#define V (HTTP_TARGET | HTTP_VALUE)
#define N (HTTP_TOKEN | HTTP_VALUE)

const uint8_t http_char_classes[256] = {
        ['\t'] = HTTP_VALUE, [' '] = HTTP_VALUE, ['!'] = T,         ['"'] = V,           ['#'] = N,
        ['$' ... '\''] = T,  ['('] = V,          [')'] = V,         ['*'] = T,           ['+'] = T,
        [','] = V,           ['-'] = T,          ['.'] = T,         ['/'] = V,           ['0' ... '9'] = T,
        [':' ... '@'] = V,   ['A' ... 'Z'] = T,  ['[' ... ']'] = V, ['^' ... 'z'] = T,   ['{'] = V,
        ['|'] = T,           ['}'] = V,          ['~'] = T,         [0x80 ... 0xff] = V,
};

#undef T
#undef V
#undef N

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

static char fold(char c) {
        return c == '_' ? '-' : char_lower(c);
}

bool http_name_resembles(HttpSlice name, HttpSlice other) {
        if (name.length != other.length)
                return false;
        for (size_t i = 0; i < name.length; i++)
                if (fold(name.data[i]) != fold(other.data[i]))
                        return false;
        return true;
}

HttpSlice http_trim(const char *start, const char *end) {
        while (start < end && is_blank(*start))
                start++;
        while (end > start && is_blank(end[-1]))
                end--;
        return http_slice(start, end);
}

int http_field_parse(const char **p, HttpField *ret) {
        const char *name = *p, *colon = http_span(name, HTTP_TOKEN), *end;

        if (colon == name || *colon != ':')
                return -EBADMSG;
        end = http_span(colon + 1, HTTP_VALUE);
        if (end[0] != '\r' || end[1] != '\n')
                return -EBADMSG;
        ret->name = http_slice(name, colon);
        ret->value = http_trim(colon + 1, end);
        *p = end + 2;
        return 0;
}

bool http_list_next(HttpSlice *list, HttpSlice *ret) {
        const char *p = list->data, *end = p + list->length;
        HttpSlice element = {};

        while (p < end && element.length == 0) {
                const char *comma = memchr(p, ',', (size_t) (end - p));

                element = http_trim(p, comma ? comma : end);
                p = comma ? comma + 1 : end;
        }
        *list = http_slice(p, end);
        *ret = element;
        return element.length > 0;
}
