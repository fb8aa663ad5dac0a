/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-body.h"

#include <errno.h>

#include "proto/http-field.h"

/* A chunked body, a state for each kind of byte that is expected:
 *
 *         SIZE ──CR──► SIZE_LF ──► DATA ──► DATA_CR ──► DATA_LF ──► SIZE
 *          │;            ▲ │0
 *          ▼             │ ▼
 *         EXTENSION ──CR─┘ TRAILER ──name──► NAME ──:──► VALUE ──CR──► VALUE_LF ──► TRAILER
 *                          │CR
 *                          ▼
 *                         LAST_LF ──► COMPLETE
 *
 * DATA is passed over in one step; all else goes byte by byte. */

typedef enum State {
        SIZE,
        EXTENSION,
        SIZE_LF,
        DATA,
        DATA_CR,
        DATA_LF,
        TRAILER,
        NAME,
        VALUE,
        VALUE_LF,
        LAST_LF,
        COMPLETE,
} State;

static void begin_size(HttpBody *b) {
        b->state = SIZE;
        b->n_digits = 0;
        b->left = 0;
}

void http_body_init(HttpBody *b, HttpBodyKind kind, uint64_t length) {
        *b = (HttpBody) { .kind = kind };
        if (kind == HTTP_BODY_CHUNKED)
                begin_size(b);
        else if (kind == HTTP_BODY_LENGTH)
                b->left = length;
}

static int hex_value(char c) {
        c = char_lower(c);
        if (char_is_digit(c))
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int on_size(HttpBody *b, char c) {
        int digit = hex_value(c);

        if (digit < 0) {
                if (b->n_digits == 0 || (c != '\r' && c != ';'))
                        return -EBADMSG;
                b->state = c == '\r' ? SIZE_LF : EXTENSION;
                return 0;
        }
        if (b->n_digits++ == HTTP_CHUNK_DIGITS_MAX)
                return -EBADMSG;
        b->left = b->left << 4 | (unsigned) digit; /* 16 digits fit */
        return b->left <= HTTP_CHUNK_BYTES_MAX ? 0 : -EBADMSG;
}

static int on_extension(HttpBody *b, char c) {
        if (c == '\r')
                b->state = SIZE_LF;
        else if (!http_char_is(c, HTTP_VALUE))
                return -EBADMSG;
        else if (++b->extension_bytes > HTTP_EXTENSION_BYTES_MAX)
                return -ENOBUFS;
        return 0;
}

/* Expects C, and then STATE. */
static int expect(HttpBody *b, char c, char expected, State state) {
        if (c != expected)
                return -EBADMSG;
        b->state = state;
        return 0;
}

/* What a reader that adds trailers to the head would believe. */
static bool may_be_trailer(HttpSlice name) {
        static const char *const refused[] = {
                "Authorization", "Connection",        "Content-Length", "Expect", "Forwarded", "Host", "TE",
                "Trailer",       "Transfer-Encoding", "Upgrade",
        };
        const HttpSlice family = http_slice_of("X-Forwarded-");

        for (size_t i = 0; i < ELEMENTSOF(refused); i++)
                if (http_name_resembles(name, http_slice_of(refused[i])))
                        return false;
        name.length = MIN(name.length, family.length);
        return !http_name_resembles(name, family);
}

static int on_name(HttpBody *b, char c) {
        if (c == ':') {
                b->state = VALUE;
                return may_be_trailer((HttpSlice) { b->name, b->n_name }) ? 0 : -EBADMSG;
        }
        if (!http_char_is(c, HTTP_TOKEN))
                return -EBADMSG;
        if (b->n_name < HTTP_TRAILER_NAME_MAX)
                b->name[b->n_name++] = c;
        return 0;
}

static int on_line_start(HttpBody *b, char c) {
        if (c == '\r') {
                b->state = LAST_LF;
                return 0;
        }
        if (c == ':')
                return -EBADMSG;
        b->n_name = 0;
        b->state = NAME;
        return on_name(b, c);
}

static int on_value(HttpBody *b, char c) {
        if (c == '\r')
                b->state = VALUE_LF;
        else if (!http_char_is(c, HTTP_VALUE))
                return -EBADMSG;
        return 0;
}

static int on_trailer(HttpBody *b, char c) {
        if (++b->trailer_bytes > HTTP_TRAILER_BYTES_MAX)
                return -ENOBUFS;
        switch ((State) b->state) {
        case TRAILER:
                return on_line_start(b, c);
        case NAME:
                return on_name(b, c);
        case VALUE:
                return on_value(b, c);
        case VALUE_LF:
                return expect(b, c, '\n', TRAILER);
        default:
                return expect(b, c, '\n', COMPLETE);
        }
}

static int on_byte(HttpBody *b, char c) {
        int r;

        switch ((State) b->state) {
        case SIZE:
                return on_size(b, c);
        case EXTENSION:
                return on_extension(b, c);
        case SIZE_LF:
                return expect(b, c, '\n', b->left > 0 ? DATA : TRAILER);
        case DATA_CR:
                return expect(b, c, '\r', DATA_LF);
        case DATA_LF:
                r = expect(b, c, '\n', SIZE);
                begin_size(b);
                return r;
        default:
                return on_trailer(b, c);
        }
}

/* Takes what is there of the chunk's data. */
static size_t take_data(HttpBody *b, size_t n) {
        n = (size_t) MIN((uint64_t) n, b->left);
        b->left -= n;
        b->extension_bytes -= (uint32_t) MIN((size_t) b->extension_bytes, n);
        if (b->left == 0)
                b->state = DATA_CR;
        return n;
}

static ssize_t feed_chunked(HttpBody *b, const char *data, size_t n) {
        size_t i = 0;

        while (i < n && b->state != COMPLETE) {
                int r;

                if (b->state == DATA) {
                        i += take_data(b, n - i);
                        continue;
                }
                r = on_byte(b, data[i++]);
                if (r < 0)
                        return r;
        }
        return (ssize_t) i;
}

ssize_t http_body_feed(HttpBody *b, const char *data, size_t n) {
        switch (b->kind) {
        case HTTP_BODY_NONE:
                return 0;
        case HTTP_BODY_LENGTH:
                n = (size_t) MIN((uint64_t) n, b->left);
                b->left -= n;
                return (ssize_t) n;
        case HTTP_BODY_CHUNKED:
                return feed_chunked(b, data, n);
        default:
                return (ssize_t) n;
        }
}

int64_t http_body_skip(HttpBody *b) {
        uint64_t n = b->left;

        switch (b->kind) {
        case HTTP_BODY_LENGTH:
                b->left = 0;
                return (int64_t) n; /* of 63 bits */
        case HTTP_BODY_CHUNKED:
                return b->state == DATA ? (int64_t) take_data(b, (size_t) n) : 0;
        case HTTP_BODY_UNTIL_CLOSE:
        case HTTP_BODY_OPAQUE:
                return INT64_MAX;
        default:
                return 0;
        }
}

bool http_body_is_complete(const HttpBody *b) {
        switch (b->kind) {
        case HTTP_BODY_NONE:
                return true;
        case HTTP_BODY_LENGTH:
                return b->left == 0;
        case HTTP_BODY_CHUNKED:
                return b->state == COMPLETE;
        default:
                return false;
        }
}

bool http_body_may_end(const HttpBody *b) {
        return b->kind == HTTP_BODY_UNTIL_CLOSE || b->kind == HTTP_BODY_OPAQUE || http_body_is_complete(b);
}
