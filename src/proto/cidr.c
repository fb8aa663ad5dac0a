/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/cidr.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/str.h"

#define V4_BITS 96 /* of an IPv4-mapped address stand before the IPv4 address */

/* One to three digits without a leading zero, at most MAX. */
static int parse_bits(const char *s, size_t n, unsigned max, unsigned *ret) {
        unsigned bits = 0;

        if (n == 0 || n > 3 || (n > 1 && *s == '0'))
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                if (!char_is_digit(s[i]))
                        return -EINVAL;
                bits = bits * 10 + (unsigned) (s[i] - '0');
        }
        if (bits > max)
                return -EINVAL;
        *ret = bits;
        return 0;
}

/* The first BITS bits of A and B are equal. */
static bool prefix_equal(const Ip *a, const Ip *b, unsigned bits) {
        unsigned n = bits / 8, rest = bits % 8;

        if (memcmp(a->bytes, b->bytes, n) != 0)
                return false;
        return rest == 0 || (a->bytes[n] ^ b->bytes[n]) >> (8 - rest) == 0;
}

static void clear_behind(Ip *ip, unsigned bits) {
        for (unsigned i = bits / 8; i < sizeof(ip->bytes); i++) {
                unsigned kept = i == bits / 8 ? bits % 8 : 0;

                ip->bytes[i] &= (uint8_t) (0xff00 >> kept);
        }
}

static bool cidr_is_v4(const Cidr *c) {
        return c->bits >= V4_BITS && ip_is_v4(&c->network);
}

int cidr_parse(const char *s, size_t n, Cidr *ret) {
        const char *slash = memchr(s, '/', n);
        size_t length = slash ? (size_t) (slash - s) : n;
        unsigned base;
        Cidr c = { .bits = 128 };
        int r;

        r = ip_parse(s, length, &c.network);
        if (r < 0)
                return r;
        if (slash) {
                base = memchr(s, ':', length) ? 0 : V4_BITS; /* counts where the address is IPv6 in full */
                r = parse_bits(slash + 1, n - length - 1, 128 - base, &c.bits);
                if (r < 0)
                        return r;
                c.bits += base;
        }
        clear_behind(&c.network, c.bits);
        *ret = c;
        return 0;
}

const char *cidr_format(const Cidr *c, char ret[static CIDR_TEXT_MAX]) {
        bool v4 = cidr_is_v4(c);
        char ip[IP_TEXT_MAX];

        if (v4)
                ip_format(&c->network, ip);
        else
                ip_format_v6(&c->network, ip);
        if (c->bits == 128)
                strcpy(ret, ip);
        else
                snprintf(ret, CIDR_TEXT_MAX, "%s/%u", ip, c->bits - (v4 ? V4_BITS : 0));
        return ret;
}

bool cidr_contains(const Cidr *c, const Ip *ip) {
        return prefix_equal(&c->network, ip, c->bits) && ip_is_v4(ip) == cidr_is_v4(c);
}

static int add_one(CidrList *l, const char *s, size_t n) {
        Cidr c, *items;
        int r = cidr_parse(s, n, &c);

        if (r < 0)
                return r;
        if (l->n == CIDR_LIST_MAX)
                return -ENOBUFS;
        items = reallocarray(l->items, l->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        l->items = items;
        l->items[l->n++] = c;
        return 0;
}

int cidr_list_add(CidrList *l, const char *text) {
        size_t n_before = l->n;

        for (;;) {
                size_t n = strcspn(text, ",");
                int r = add_one(l, text, n);

                if (r < 0) {
                        l->n = n_before;
                        return r;
                }
                if (text[n] == '\0')
                        return 0;
                text += n + 1;
        }
}

bool cidr_list_contains(const CidrList *l, const Ip *ip) {
        for (size_t i = 0; i < l->n; i++)
                if (cidr_contains(&l->items[i], ip))
                        return true;
        return false;
}

void cidr_list_done(CidrList *l) {
        free(l->items);
        *l = (CidrList){};
}
