/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/target.h"

#include <errno.h>

#include "base/parse.h"
#include "base/str.h"
#include "net/address.h"
#include "proto/hostname.h"

_Static_assert(TARGET_HOST_MAX == HOSTNAME_LENGTH_MAX, "host_header_parse() writes that many bytes");

int target_parse(const char *s, Target *ret) {
        Target t = {};
        int r = parse_port(*s == ':' ? s + 1 : s, &t.port);

        if (r < 0)
                r = host_header_parse(s, strlen(s), t.host, &t.port);
        if (r < 0 || t.port == 0)
                return -EINVAL;
        *ret = t;
        return 0;
}

const char *target_format(const Target *t, char ret[static TARGET_TEXT_MAX]) {
        const char *host = *t->host ? t->host : "127.0.0.1";

        snprintf(ret, TARGET_TEXT_MAX, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, t->port);
        return ret;
}

const char *target_format_host(const Target *t, char ret[static TARGET_TEXT_MAX]) {
        if (*t->host)
                return target_format(t, ret);
        snprintf(ret, TARGET_TEXT_MAX, "localhost:%u", t->port);
        return ret;
}

const char *target_check(const char *value) {
        Target t;

        return target_parse(value, &t) < 0 ? "must be PORT or HOST:PORT, such as 3000 or 127.0.0.1:8080"
                                           : NULL;
}

bool host_is_loopback(const char *host) {
        char text[ADDRESS_TEXT_MAX];
        Address a;

        if (streq(host, "localhost") || str_has_suffix(host, ".localhost"))
                return true;
        snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:0" : "%s:0", host);
        return address_parse(text, &a) >= 0 && address_is_loopback(&a);
}
