/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/target.h"

#include <errno.h>
#include <sys/un.h>

#include "base/parse.h"
#include "base/str.h"
#include "net/address.h"
#include "proto/hostname.h"

#define HTTPS_PORT 443

_Static_assert(TARGET_HOST_MAX == HOSTNAME_LENGTH_MAX, "host_header_parse() writes that many bytes");
_Static_assert(sizeof(((struct sockaddr_un*) 0)->sun_path) <= TARGET_PATH_MAX, "a socket's path fits");

/* PORT, :PORT or HOST:PORT. */
static int parse_tcp(const char *s, Target *t) {
        int r = parse_port(*s == ':' ? s + 1 : s, &t->port);

        if (r < 0)
                r = host_header_parse(s, strlen(s), t->host, &t->port);
        return r < 0 || t->port == 0 ? -EINVAL : 0;
}

/* HOST[:PORT], and perhaps a slash, as from a browser. */
static int parse_https(const char *s, Target *t) {
        size_t n = strlen(s);

        if (n > 0 && s[n - 1] == '/')
                n--;
        if (host_header_parse(s, n, t->host, &t->port) < 0 || *t->host == '\0')
                return -EINVAL;
        if (t->port == 0)
                t->port = HTTPS_PORT;
        return 0;
}

static int parse_path(const char *s, size_t max, Target *t) {
        if (*s != '/' || strlen(s) > max)
                return -EINVAL;
        t->path = s;
        return 0;
}

int target_parse(const char *s, Target *ret) {
        const char *https = str_skip_prefix(s, "https://"), *unix_path = str_skip_prefix(s, "unix:");
        const char *folder = str_skip_prefix(s, "file://");
        Target t = { .kind = https       ? TARGET_TLS
                             : unix_path ? TARGET_UNIX
                             : folder    ? TARGET_FOLDER
                                         : TARGET_TCP };
        int r;

        switch (t.kind) {
        case TARGET_TLS:
                r = parse_https(https, &t);
                break;
        case TARGET_UNIX:
                r = parse_path(unix_path, sizeof(((struct sockaddr_un*) 0)->sun_path) - 1, &t);
                break;
        case TARGET_FOLDER:
                r = parse_path(folder, TARGET_PATH_MAX, &t);
                break;
        default:
                r = parse_tcp(s, &t);
        }
        if (r >= 0)
                *ret = t;
        return r;
}

/* Behind what stands in TEXT already. */
static const char *append_host(char text[static TARGET_TEXT_MAX], const char *host, uint16_t port) {
        size_t n = strlen(text);

        snprintf(text + n, TARGET_TEXT_MAX - n, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
        return text;
}

const char *target_format(const Target *t, char ret[static TARGET_TEXT_MAX]) {
        if (t->path) {
                snprintf(ret, TARGET_TEXT_MAX, "%s%s", t->kind == TARGET_UNIX ? "unix:" : "file://", t->path);
                return ret;
        }
        strcpy(ret, t->kind == TARGET_TLS ? "https://" : "");
        return append_host(ret, *t->host ? t->host : "127.0.0.1", t->port);
}

const char *target_format_host(const Target *t, char ret[static TARGET_TEXT_MAX]) {
        strcpy(ret, t->path ? "localhost" : "");
        return t->path ? ret : append_host(ret, *t->host ? t->host : "localhost", t->port);
}

const char *target_check(const char *value) {
        Target t;

        return target_parse(value, &t) < 0
                       ? "must be PORT or HOST:PORT, such as 3000 or 127.0.0.1:8080, or unix:/PATH, "
                         "https://HOST:PORT, file:///FOLDER"
                       : NULL;
}

bool target_is_http(const Target *t) {
        return t->kind == TARGET_TLS || t->kind == TARGET_FOLDER;
}

bool host_is_loopback(const char *host) {
        char text[ADDRESS_TEXT_MAX];
        Address a;

        if (streq(host, "localhost") || str_has_suffix(host, ".localhost"))
                return true;
        snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:0" : "%s:0", host);
        return address_parse(text, &a) >= 0 && address_is_loopback(&a);
}
