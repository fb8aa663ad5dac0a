/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/utf8.h"

#include <stdint.h>

static bool is_plain(uint8_t c) {
        return c >= ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Bytes that follow the first byte C (0x80 or above) of a character, 0 if none can. */
static size_t continuation_length(uint8_t c) {
        if (c < 0xc2 || c > 0xf4)
                return 0;
        return c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
}

static bool is_character(uint32_t c, size_t n_continued) {
        static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };

        return c >= least[n_continued] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

/* The length of the character at S, 0 if it is none. */
static size_t character_length(const uint8_t *s, size_t n) {
        size_t more = continuation_length(s[0]);
        uint32_t c = s[0] & (0x3fu >> more);

        if (more == 0 || more >= n)
                return 0;
        for (size_t i = 1; i <= more; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (s[i] & 0x3f);
        }
        return is_character(c, more) ? more + 1 : 0;
}

bool utf8_is_valid(const char *s, size_t n) {
        const uint8_t *p = (const uint8_t*) s, *end = p + n;

        while (p < end) {
                size_t k = *p < 0x80 ? is_plain(*p) : character_length(p, (size_t) (end - p));

                if (k == 0)
                        return false;
                p += k;
        }
        return true;
}
