/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/random.h>

const char *str_skip_prefix(const char *s, const char *prefix) {
        size_t n = strlen(prefix);

        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

bool str_has_suffix(const char *s, const char *suffix) {
        size_t n = strlen(s), m = strlen(suffix);

        return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool str_equal_nocase(const char *a, size_t n, const char *b) {
        for (size_t i = 0; i < n; i++)
                if (b[i] == '\0' || char_lower(a[i]) != char_lower(b[i]))
                        return false;
        return b[n] == '\0';
}

static bool char_is_space(char c) {
        return c == ' ' || (c >= '\t' && c <= '\r');
}

char *str_trim(char *s) {
        while (char_is_space(*s))
                s++;
        for (size_t n = strlen(s); n > 0 && char_is_space(s[n - 1]); n--)
                s[n - 1] = '\0';
        return s;
}

void str_lower(char *s) {
        for (; *s; s++)
                *s = char_lower(*s);
}

int str_replace(char **p, const char *s) {
        char *copy = strdup(s ? s : "");

        if (!copy)
                return -ENOMEM;
        free(*p);
        *p = copy;
        return 0;
}

char *str_format(const char *format, ...) {
        va_list ap;
        char *s = NULL;

        va_start(ap, format);
        if (vasprintf(&s, format, ap) < 0)
                s = NULL;
        va_end(ap);
        return s;
}

/* Length in bytes of the control character at S, 0 if it is none. */
static size_t control_length(const uint8_t *s, size_t n) {
        if (s[0] < 0x20 || s[0] == 0x7f || s[0] == '\\')
                return 1;
        if (n > 1 && s[0] == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f)
                return 2;
        return 0;
}

char *str_escape(const char *s, size_t n) {
        const uint8_t *in = (const uint8_t*) s;
        char *escaped = malloc(n * 4 + 1), *out = escaped;

        if (!escaped)
                return NULL;
        for (size_t i = 0; i < n;) {
                size_t k = control_length(in + i, n - i);

                if (k == 0)
                        *out++ = s[i++];
                for (; k > 0; k--)
                        out += sprintf(out, "\\x%02x", in[i++]);
        }
        *out = '\0';
        return escaped;
}

void hex_encode(const uint8_t *data, size_t n, char *ret) {
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < n; i++) {
                ret[2 * i] = digits[data[i] >> 4];
                ret[2 * i + 1] = digits[data[i] & 15];
        }
        ret[2 * n] = '\0';
}

static int hex_digit(char c) {
        c = char_lower(c);
        if (char_is_digit(c))
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_decode(const char *hex, uint8_t *ret, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int high = hex_digit(hex[2 * i]);
                int low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);

                if (low < 0)
                        return -EINVAL;
                ret[i] = (uint8_t) (high << 4 | low);
        }
        return hex[2 * n] == '\0' ? 0 : -EINVAL;
}

static int base64_digit(char c) {
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (char_is_digit(c))
                return c - '0' + 52;
        return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ssize_t base64_decode(const char *text, size_t n, uint8_t *ret, size_t size) {
        size_t n_padding = n > 1 && text[n - 1] == '=' ? 1 + (text[n - 2] == '=') : 0;
        size_t n_bytes = n / 4 * 3 - MIN(n_padding, n / 4 * 3);
        uint32_t v = 0;

        if (n % 4 != 0 || n_bytes > size)
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                int digit = i < n - n_padding ? base64_digit(text[i]) : 0;

                if (digit < 0)
                        return -EINVAL;
                v = v << 6 | (uint32_t) digit;
                for (size_t k = i / 4 * 3; i % 4 == 3 && k < MIN(i / 4 * 3 + 3, n_bytes); k++)
                        ret[k] = (uint8_t) (v >> 8 * (2 - k % 3));
        }
        return (ssize_t) n_bytes;
}

void base64_encode(const uint8_t *data, size_t n, char *ret) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        for (size_t i = 0; i < n; i += 3) {
                uint32_t v = (uint32_t) data[i] << 16;

                if (i + 1 < n)
                        v |= (uint32_t) data[i + 1] << 8;
                if (i + 2 < n)
                        v |= data[i + 2];
                *ret++ = digits[v >> 18];
                *ret++ = digits[v >> 12 & 63];
                *ret++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
                *ret++ = i + 2 < n ? digits[v & 63] : '=';
        }
        *ret = '\0';
}

void random_bytes(void *p, size_t n) {
        uint8_t *out = p;

        while (n > 0) {
                ssize_t k = getrandom(out, n, 0);

                if (k < 0 && errno != EINTR)
                        abort(); /* cannot happen on a kernel that runs systemd; nothing is safe without it */
                if (k > 0) {
                        out += k;
                        n -= (size_t) k;
                }
        }
}

uint32_t random_below(uint32_t limit) {
        uint64_t r;

        random_bytes(&r, sizeof(r)); /* 64 bits: the bias for a 32-bit limit is below 2^-32 */
        return (uint32_t) (r % limit);
}

bool memory_equal_const_time(const void *a, const void *b, size_t n) {
        const volatile uint8_t *x = a, *y = b;
        uint8_t difference = 0;

        for (size_t i = 0; i < n; i++)
                difference |= x[i] ^ y[i];
        return difference == 0;
}
