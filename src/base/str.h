/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Strings. Nothing here depends on the locale. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "base/macro.h"

#define streq(a, b) (strcmp((a), (b)) == 0)

static inline bool str_is_empty(const char *s) {
        return !s || *s == '\0';
}

/* Also for NULL, which equals NULL only. */
static inline bool str_equal(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}

static inline bool char_is_digit(char c) {
        return c >= '0' && c <= '9';
}

static inline bool char_is_alpha(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline char char_lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char) (c + 32) : c;
}

/* What follows PREFIX in S, or NULL if S doesn't begin with it. */
const char *str_skip_prefix(const char *s, const char *prefix);

bool str_has_suffix(const char *s, const char *suffix);

/* N bytes at A equal the string B, in any letter case (ASCII). */
bool str_equal_nocase(const char *a, size_t n, const char *b);

/* Cuts white space off both ends, in place. Returns S or a place inside it. */
char *str_trim(char *s);

void str_lower(char *s);

/* Replaces *P by a copy of S ("" for NULL). Returns 0 or -ENOMEM; then *P is untouched. */
int str_replace(char **p, const char *s);

/* asprintf() that returns the string, owned by the caller, or NULL. */
char *str_format(const char *format, ...) _printf_(1, 2);

/* A copy of N bytes at S in which control characters, also those of UTF-8 (U+0080–U+009F), and
 * backslashes read as \xNN, fit for a terminal or a log. Owned by the caller, or NULL. */
char *str_escape(const char *s, size_t n);

/* Writes 2 × N lower-case hex digits and a NUL to RET. */
void hex_encode(const uint8_t *data, size_t n, char *ret);

/* Reads exactly 2 × N hex digits. Returns 0 or -EINVAL. */
int hex_decode(const char *hex, uint8_t *ret, size_t n);

/* Writes base64 of DATA with padding and a NUL to RET, which has BASE64_SIZE(n) bytes. */
#define BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)
void base64_encode(const uint8_t *data, size_t n, char *ret);

/* Reads N digits of base64, with padding, as base64_encode() writes them. Returns the bytes, or -EINVAL, also
 * when they are more than SIZE. */
ssize_t base64_decode(const char *text, size_t n, uint8_t *ret, size_t size);

/* Fills P with random bytes from the kernel; never fails. */
void random_bytes(void *p, size_t n);

/* A random number below LIMIT (not 0), evenly spread. */
uint32_t random_below(uint32_t limit);

/* Compares N bytes in a time that does not depend on what they are. */
bool memory_equal_const_time(const void *a, const void *b, size_t n);
