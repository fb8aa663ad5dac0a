/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/parse.h"

#include <errno.h>
#include <time.h>

#include "base/str.h"

/* Reads digits at *S and moves it behind them. */
static int scan_uint(const char **s, uint64_t max, uint64_t *ret) {
        uint64_t v = 0;

        if (!char_is_digit(**s))
                return -EINVAL;
        for (; char_is_digit(**s); (*s)++) {
                unsigned digit = (unsigned) (**s - '0');

                if (v > (max - digit) / 10)
                        return -ERANGE;
                v = v * 10 + digit;
        }
        *ret = v;
        return 0;
}

int parse_uint(const char *s, uint64_t max, uint64_t *ret) {
        uint64_t v;
        int r = scan_uint(&s, max < 9 ? 9 : max, &v);

        if (r < 0)
                return r;
        if (*s != '\0')
                return -EINVAL;
        if (v > max)
                return -ERANGE;
        *ret = v;
        return 0;
}

int parse_port(const char *s, uint16_t *ret) {
        uint64_t v;
        int r = parse_uint(s, UINT16_MAX, &v);

        if (r < 0)
                return r;
        *ret = (uint16_t) v;
        return 0;
}

int parse_port_range(const char *s, uint16_t *ret_low, uint16_t *ret_high) {
        uint64_t low, high;
        int r = scan_uint(&s, UINT16_MAX, &low);

        if (r < 0)
                return r;
        high = low;
        if (*s == '-') {
                s++;
                r = scan_uint(&s, UINT16_MAX, &high);
                if (r < 0)
                        return r;
        }
        if (*s != '\0')
                return -EINVAL;
        if (low == 0 || low > high)
                return -ERANGE;
        *ret_low = (uint16_t) low;
        *ret_high = (uint16_t) high;
        return 0;
}

static const char *skip_spaces(const char *s) {
        return s + strspn(s, " \t");
}

static int scan_time_unit(const char **s, uint64_t *ret_usec) {
        static const struct {
                const char *name;
                uint64_t usec;
        } units[] = {
                { "us", 1 },
                { "ms", USEC_PER_MSEC },
                { "min", 60 * USEC_PER_SEC },
                { "s", USEC_PER_SEC },
                { "h", 3600 * USEC_PER_SEC },
                { "d", 86400 * USEC_PER_SEC },
                { "w", 7 * 86400 * USEC_PER_SEC },
                { "y", 365 * 86400 * USEC_PER_SEC },
        };

        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                const char *end = str_skip_prefix(*s, units[i].name);

                if (end && !char_is_alpha(*end)) {
                        *s = end;
                        *ret_usec = units[i].usec;
                        return 0;
                }
        }
        return -EINVAL;
}

int parse_time(const char *s, uint64_t *ret_usec) {
        uint64_t sum = 0;

        if (streq(s, "0")) {
                *ret_usec = 0;
                return 0;
        }
        s = skip_spaces(s);
        do {
                uint64_t value, unit, part;
                int r = scan_uint(&s, UINT64_MAX, &value);

                if (r < 0)
                        return r;
                s = skip_spaces(s);
                r = scan_time_unit(&s, &unit);
                if (r < 0)
                        return r;
                if (__builtin_mul_overflow(value, unit, &part) || __builtin_add_overflow(sum, part, &sum))
                        return -ERANGE;
                s = skip_spaces(s);
        } while (*s != '\0');
        *ret_usec = sum;
        return 0;
}

int parse_size(const char *s, uint64_t *ret_bytes) {
        static const char units[] = "KMGT";
        uint64_t v;
        int r = scan_uint(&s, UINT64_MAX, &v);

        if (r < 0)
                return r;
        if (*s != '\0') {
                const char *unit = strchr(units, *s);
                unsigned shift;

                if (!unit || s[1] != '\0')
                        return -EINVAL;
                shift = (unsigned) (unit - units + 1) * 10;
                if (v > UINT64_MAX >> shift)
                        return -ERANGE;
                v <<= shift;
        }
        *ret_bytes = v;
        return 0;
}

uint64_t clock_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}
