/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Field lines of HTTP/1.1 and what they are made of (RFC 9110 §5, RFC 9112 §5). Everything is a slice of the
 * bytes that came; nothing is copied. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

typedef struct HttpSlice { /* not NUL-terminated */
        const char *data;  /* borrowed from the input */
        size_t length;
} HttpSlice;

typedef struct HttpField {
        HttpSlice name;
        HttpSlice value; /* without white space at its ends */
} HttpField;

/* Classes of characters; a byte may be in several. None has CR, LF or NUL. */
enum {
        HTTP_TOKEN = 1, /* RFC 9110 §5.6.2 */
        HTTP_TARGET =
                2, /* visible, and no fragment; raw UTF-8, which is in use, can't be mistaken for anything */
        HTTP_VALUE = 4, /* RFC 9110 §5.5 */
};

extern const uint8_t http_char_classes[256];

static inline bool http_char_is(char c, unsigned class) {
        return http_char_classes[(uint8_t) c] & class;
}

/* The first character from P on that is not of CLASS; there must be one. */
static inline const char *http_span(const char *p, unsigned class) {
        while (http_char_is(*p, class))
                p++;
        return p;
}

static inline HttpSlice http_slice(const char *start, const char *end) {
        return (HttpSlice) { .data = start, .length = (size_t) (end - start) };
}

static inline HttpSlice http_slice_of(const char *text) {
        return (HttpSlice) { .data = text, .length = strlen(text) };
}

/* In any letter case. */
static inline bool http_slice_is(HttpSlice s, const char *text) {
        return s.length == strlen(text) && str_equal_nocase(s.data, s.length, text);
}

/* In any letter case, and "_" is "-": CGI and its heirs can't tell such names apart. */
bool http_name_resembles(HttpSlice name, HttpSlice other);

/* Reads the line at *P, which ends with CR LF, and moves *P behind it. Returns 0, or -EBADMSG: a name that is
 * no token, white space before the colon, at the start (folding), control characters, a bare CR or LF. */
int http_field_parse(const char **p, HttpField *ret);

/* What is between START and END, without white space around it. */
HttpSlice http_trim(const char *start, const char *end);

/* Takes the next element that is not empty from a list with commas (RFC 9110 §5.6.1), without white space
 * around it. For lists of tokens: quotes have no meaning. False: there is none. */
bool http_list_next(HttpSlice *list, HttpSlice *ret);
