/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "proto/hostname.h"

static void check_host_header(const char *s, size_t n) {
        char host[HOSTNAME_LENGTH_MAX + 1] = "-", again[HOSTNAME_LENGTH_MAX + 1];
        uint16_t port = 4711;
        int r = host_header_parse(s, n, host, &port);

        must(r == 0 || (r == -EBADMSG && streq(host, "-") && port == 4711));
        if (r < 0)
                return;
        must(host[0] != '\0' && host[strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.:")] == '\0');
        if (strchr(host, ':'))
                return; /* an IPv6 address, which was in brackets */
        must(host_header_parse(host, strlen(host), again, &port) == 0 && streq(again, host) && port == 0);
}

/* A name is a label or labels with dots, and a Host header that means itself. */
static void check_name(const char *s) {
        char host[HOSTNAME_LENGTH_MAX + 1];
        size_t n = strlen(s);
        uint16_t port;

        if (host_label_is_valid(s))
                must(n <= HOST_LABEL_LENGTH_MAX && !strchr(s, '.'));
        if (!hostname_is_valid(s))
                return;
        must(n <= HOSTNAME_LENGTH_MAX && host_header_parse(s, n, host, &port) == 0);
        must(port == 0 && str_equal_nocase(host, strlen(host), s));
}

static void check_wildcard(const char *s) {
        size_t last = strlen(s) + 1;

        must(!hostname_is_wildcard(s) || (!hostname_is_valid(s) && *hostname_key(s) == '.'));
        for (const char *key = s; key;
             key = hostname_wider(key)) { /* each shorter than the one before, and a part of it */
                must(strlen(key) < last && (key == s || *key == '.'));
                last = strlen(key);
        }
}

/* The input up to a line's end is a name, the rest a domain. */
static void check_two(char *name) {
        char *domain = strchr(name, '\n');
        size_t n;

        if (!domain)
                return;
        *domain++ = '\0';
        if (hostname_matches_certificate(name, domain))
                must(hostname_is_valid(name) && strlen(name) <= HOSTNAME_LENGTH_MAX &&
                     strlen(domain) <= strlen(name) + 1);
        n = hostname_prefix_length(name, domain);
        if (n > 0)
                must(name[n] == '.' && streq(name + n + 1, domain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *s = strndup((const char *) data, size);

        must(s);
        check_host_header((const char *) data, size);
        check_name(s);
        check_wildcard(s);
        check_two(s);
        free(s);
        return 0;
}
