/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define V4_AT 12 /* where an IPv4 address stands in an IPv4-mapped one */

static const uint8_t v4_prefix[V4_AT] = { [10] = 0xff, [11] = 0xff };

Ip ip_from_v4(const void *bytes) {
        Ip ip;

        memcpy(ip.bytes, v4_prefix, V4_AT);
        memcpy(ip.bytes + V4_AT, bytes, 4);
        return ip;
}

Ip ip_from_v6(const void *bytes) {
        Ip ip;

        memcpy(ip.bytes, bytes, sizeof(ip.bytes));
        return ip;
}

int ip_parse(const char *s, size_t n, Ip *ret) {
        char text[IP_TEXT_MAX];
        uint8_t bytes[16];

        if (n >= sizeof(text) || memchr(s, '\0', n))
                return -EINVAL;
        memcpy(text, s, n);
        text[n] = '\0';
        if (inet_pton(AF_INET, text, bytes) == 1)
                *ret = ip_from_v4(bytes);
        else if (inet_pton(AF_INET6, text, bytes) == 1)
                *ret = ip_from_v6(bytes);
        else
                return -EINVAL;
        return 0;
}

const char *ip_format(const Ip *ip, char ret[static IP_TEXT_MAX]) {
        if (!ip_is_v4(ip))
                return ip_format_v6(ip, ret);
        return inet_ntop(AF_INET, ip->bytes + V4_AT, ret, IP_TEXT_MAX);
}

const char *ip_format_v6(const Ip *ip, char ret[static IP_TEXT_MAX]) {
        return inet_ntop(AF_INET6, ip->bytes, ret, IP_TEXT_MAX);
}

bool ip_is_v4(const Ip *ip) {
        return memcmp(ip->bytes, v4_prefix, V4_AT) == 0;
}
