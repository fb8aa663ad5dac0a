/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-accept.h"

#define QUALITY_MAX 1000 /* thousandths */
#define RANGES_MAX 64    /* browsers have up to 10; who says more is a program */

typedef struct Liking { /* of one type, by the range that says most about it */
        const char *type;
        unsigned specificity; /* 0: no range has it */
        unsigned quality;
} Liking;

/* Takes what stands before the next semicolon, without white space around it. */
static HttpSlice take_part(HttpSlice *rest) {
        const char *start = rest->data, *end = rest->data + rest->length;
        const char *semicolon = memchr(start, ';', rest->length);
        const char *stop = semicolon ? semicolon : end;

        *rest = http_slice(semicolon ? semicolon + 1 : end, end);
        return http_trim(start, stop);
}

/* RFC 9110 §12.4.2; 0 for what is no quality. */
static unsigned parse_quality(HttpSlice s) {
        unsigned quality, weight = QUALITY_MAX;

        if (s.length == 0 || s.length > strlen("0.000") || (s.data[0] != '0' && s.data[0] != '1'))
                return 0;
        quality = (unsigned) (s.data[0] - '0') * QUALITY_MAX;
        if (s.length > 1 && s.data[1] != '.')
                return 0;
        for (size_t i = 2; i < s.length; i++) {
                if (!char_is_digit(s.data[i]))
                        return 0;
                weight /= 10;
                quality += (unsigned) (s.data[i] - '0') * weight;
        }
        return quality <= QUALITY_MAX ? quality : 0;
}

static unsigned quality_of(HttpSlice parameters) {
        while (parameters.length > 0) {
                HttpSlice p = take_part(&parameters);

                if (p.length > 2 && char_lower(p.data[0]) == 'q' && p.data[1] == '=')
                        return parse_quality(http_slice(p.data + 2, p.data + p.length));
        }
        return QUALITY_MAX;
}

static void note_range(Liking *l, HttpSlice range, unsigned quality) {
        unsigned specificity = http_slice_is(range, l->type)    ? 3
                               : http_slice_is(range, "text/*") ? 2
                               : http_slice_is(range, "*/*")    ? 1
                                                                : 0;

        if (specificity < l->specificity || specificity == 0)
                return;
        l->quality = specificity == l->specificity ? MAX(l->quality, quality) : quality;
        l->specificity = specificity;
}

/* Most ranges aren't, and each request has some. */
static bool is_of_text(HttpSlice range) {
        return *range.data == '*' || char_lower(*range.data) == 't';
}

bool http_prefers_html(const HttpHead *request) {
        Liking html = { .type = "text/html" }, plain = { .type = "text/plain" };
        const HttpField *f = NULL;
        HttpSlice parameters;
        unsigned n = 0;

        while ((f = http_head_find_next(request, "Accept", f))) {
                HttpSlice list = f->value;

                while (http_list_next(&list, &parameters)) {
                        HttpSlice range;
                        unsigned quality;

                        if (++n > RANGES_MAX)
                                return false;
                        if (!is_of_text(parameters))
                                continue;
                        range = take_part(&parameters);
                        quality = quality_of(parameters);
                        note_range(&html, range, quality);
                        note_range(&plain, range, quality);
                }
        }
        return html.quality > plain.quality;
}
