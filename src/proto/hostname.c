/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/hostname.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

#define ADDRESS_LENGTH_MAX 45 /* of IPv6 as text, with an IPv4 address at its end */

static bool char_is_alnum(char c) {
        return char_is_alpha(c) || char_is_digit(c);
}

/* N bytes at S are one label (RFC 1123 §2.1). */
static bool label_is_valid(const char *s, size_t n) {
        if (n == 0 || n > HOST_LABEL_LENGTH_MAX || s[0] == '-' || s[n - 1] == '-')
                return false;
        for (size_t i = 0; i < n; i++)
                if (!char_is_alnum(s[i]) && s[i] != '-')
                        return false;
        return true;
}

bool host_label_is_valid(const char *label) {
        return label_is_valid(label, strlen(label));
}

bool hostname_is_valid(const char *name) {
        if (strlen(name) > HOSTNAME_LENGTH_MAX || name[strspn(name, "0123456789.")] == '\0')
                return false;
        for (;;) {
                size_t n = strcspn(name, ".");

                if (!label_is_valid(name, n))
                        return false;
                if (name[n] == '\0')
                        return true;
                name += n + 1;
        }
}

/* What follows the host: nothing, or a colon and a port, which may be empty (RFC 3986 §3.2.3). */
static int parse_port_suffix(const char *s, const char *end, uint16_t *ret) {
        uint32_t port = 0;

        if (s == end) {
                *ret = 0;
                return 0;
        }
        if (*s++ != ':')
                return -EBADMSG;
        for (; s < end; s++) {
                if (!char_is_digit(*s))
                        return -EBADMSG;
                port = port * 10 + (uint32_t) (*s - '0');
                if (port > UINT16_MAX)
                        return -EBADMSG;
        }
        *ret = (uint16_t) port;
        return 0;
}

/* Writes the IPv6 address behind "[" to RET_HOST and returns the place behind "]", or NULL. */
static const char *parse_bracketed(const char *s, const char *end, char *ret_host) {
        unsigned n_colons = 0;
        size_t n = 0;

        for (; s < end && *s != ']'; s++) {
                char c = char_lower(*s);

                if (c == '\0' || !strchr("0123456789abcdef:.", c) || n == ADDRESS_LENGTH_MAX)
                        return NULL;
                n_colons += c == ':';
                ret_host[n++] = c;
        }
        ret_host[n] = '\0';
        return s < end && n_colons >= 2 ? s + 1 : NULL;
}

static bool char_is_of_host(char c) {
        return char_is_alnum(c) || c == '-' || c == '_';
}

/* Writes a host name or an IPv4 address to RET_HOST and returns the place where it ends, or NULL. */
static const char *parse_name(const char *s, const char *end, char *ret_host) {
        size_t n = 0, label = 0;

        for (; s < end && *s != ':'; s++) {
                bool dot = *s == '.';

                if (dot ? label == 0 : !char_is_of_host(*s))
                        return NULL;
                label = dot ? 0 : label + 1;
                if (dot && (s + 1 == end || s[1] == ':'))
                        continue; /* the root's dot */
                if (label > HOST_LABEL_LENGTH_MAX || n == HOSTNAME_LENGTH_MAX)
                        return NULL;
                ret_host[n++] = char_lower(*s);
        }
        ret_host[n] = '\0';
        return n > 0 ? s : NULL;
}

int host_header_parse(const char *s, size_t n, char ret_host[static HOSTNAME_LENGTH_MAX + 1],
                      uint16_t *ret_port) {
        const char *end = s + n;
        char host[HOSTNAME_LENGTH_MAX + 1];
        int r;

        s = n > 0 && *s == '[' ? parse_bracketed(s + 1, end, host) : parse_name(s, end, host);
        if (!s)
                return -EBADMSG;
        r = parse_port_suffix(s, end, ret_port);
        if (r < 0)
                return r;
        strcpy(ret_host, host);
        return 0;
}

size_t hostname_prefix_length(const char *name, const char *domain) {
        size_t n = strlen(name), m = strlen(domain);

        if (m == 0 || n < m + 2 || name[n - m - 1] != '.' || !str_has_suffix(name, domain))
                return 0;
        return n - m - 1;
}

bool hostname_is_wildcard(const char *name) {
        const char *rest = str_skip_prefix(name, "*.");

        return rest && strlen(name) <= HOSTNAME_LENGTH_MAX && hostname_is_valid(rest);
}

const char *hostname_wider(const char *key) {
        return *key == '\0' ? NULL : strchr(key + 1, '.'); /* a key that begins with a dot is a wildcard's */
}

const char *hostname_key(const char *name) {
        return *name == '*' ? name + 1 : name;
}

bool hostname_matches_certificate(const char *name, const char *pattern) {
        const char *rest = str_skip_prefix(pattern, "*"), *dot = strchr(name, '.');

        if (!hostname_is_valid(name))
                return false;
        if (!rest)
                return str_equal_nocase(name, strlen(name), pattern);
        return dot && strchr(dot + 1, '.') && str_equal_nocase(dot, strlen(dot), rest);
}
