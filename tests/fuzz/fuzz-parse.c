/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/str.h"

#define UNTOUCHED UINT64_C(0x5ee5)

typedef int (*ParseFn)(const char *s, uint64_t *ret);

/* Returns whether S was read; if not, nothing was written. */
static bool check(ParseFn parse, const char *s, uint64_t *ret) {
        int r;

        *ret = UNTOUCHED;
        r = parse(s, ret);
        must(r == 0 || ((r == -EINVAL || r == -ERANGE) && *ret == UNTOUCHED));
        return r == 0;
}

static int parse_any_uint(const char *s, uint64_t *ret) {
        return parse_uint(s, UINT64_MAX, ret);
}

/* A number written anew is read as the same. */
static void check_round_trip(ParseFn parse, const char *s, const char *unit) {
        char text[64];
        uint64_t value, again;

        if (!check(parse, s, &value))
                return;
        snprintf(text, sizeof(text), "%ju%s", (uintmax_t) value, unit);
        must(check(parse, text, &again) && again == value);
}

static void check_ports(const char *s) {
        uint16_t port = 0, low = 0, high = 0;
        int r = parse_port(s, &port), q = parse_port_range(s, &low, &high);

        must(r == 0 || r == -EINVAL || r == -ERANGE);
        must(q == 0 ? low > 0 && low <= high : low == 0 && high == 0);
        must(!(r == 0 && port > 0) || (q == 0 && low == port && high == port));
}

static void check_escape(const char *s, size_t n) {
        char *escaped = str_escape(s, n);

        must(escaped && strlen(escaped) >= n);
        for (const char *p = escaped; *p; p++)
                must((uint8_t) *p >= 0x20 && *p != 0x7f);
        free(escaped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *s = strndup((const char*) data, size);

        must(s);
        check_round_trip(parse_any_uint, s, "");
        check_round_trip(parse_size, s, "");
        check_round_trip(parse_time, s, "us");
        check_ports(s);
        check_escape((const char*) data, size);
        free(s);
        return 0;
}
