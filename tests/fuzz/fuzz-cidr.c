/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "proto/cidr.h"

/* An address written anew is read as the same. */
static void check_ip(const char *s, size_t n) {
        char text[IP_TEXT_MAX];
        Ip ip, again;

        if (ip_parse(s, n, &ip) < 0)
                return;
        ip_format(&ip, text);
        must(ip_parse(text, strlen(text), &again) == 0 && memcmp(&ip, &again, sizeof(ip)) == 0);
        must(ip_is_v4(&ip) == (strchr(text, ':') == NULL));
}

static void check_cidr(const char *s, size_t n) {
        Cidr c = { .bits = 4711 };
        int r = cidr_parse(s, n, &c);
        Ip other;

        must(r == 0 ? c.bits <= 128 : r == -EINVAL && c.bits == 4711);
        if (r < 0)
                return;
        must(cidr_contains(&c, &c.network) ||
             c.bits < 96); /* ::ffff:0:0/95 is of IPv6, its first address IPv4 */
        other = c.network;
        if (c.bits > 0) {
                other.bytes[(c.bits - 1) / 8] ^= (uint8_t) (0x80 >> (c.bits - 1) % 8);
                must(!cidr_contains(&c, &other));
        }
}

static void check_list(const char *text) {
        const Ip loopback = { .bytes = { [15] = 1 } };
        CidrList l = {};
        int r = cidr_list_add(&l, text);

        must(r == 0 ? l.n > 0 && l.n <= CIDR_LIST_MAX : (r == -EINVAL || r == -ENOBUFS) && l.n == 0);
        cidr_list_contains(&l, &loopback);
        cidr_list_done(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *s = strndup((const char *) data, size);

        must(s);
        check_ip((const char *) data, size);
        check_cidr((const char *) data, size);
        check_list(s);
        free(s);
        return 0;
}
