/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Networks in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3), and lists of them: who may come, whose
 * X-Forwarded-For is believed. */

#include "proto/ip.h"

#define CIDR_LIST_MAX 1024
#define CIDR_TEXT_MAX (IP_TEXT_MAX + 4) /* with its NUL */

typedef struct Cidr {
        Ip network;    /* zero behind the prefix */
        unsigned bits; /* of the prefix, 0 … 128; an IPv4 network has 96 and more */
} Cidr;

typedef struct CidrList { /* zeroed: empty */
        Cidr *items;      /* owned */
        size_t n;
} CidrList;

/* Reads "192.0.2.0/24", "2001:db8::/32" or an address alone, N bytes. What an address has behind its prefix
 * is ignored. Returns 0 or -EINVAL. */
int cidr_parse(const char *s, size_t n, Cidr *ret);

/* As cidr_parse() reads it; of one address without its bits. Returns RET. */
const char *cidr_format(const Cidr *c, char ret[static CIDR_TEXT_MAX]);

/* IPv4 lies in networks of IPv4 only, however either is written: "::/0" is all of IPv6. */
bool cidr_contains(const Cidr *c, const Ip *ip);

/* Adds what TEXT lists: one network, or several with commas between. Returns 0; -EINVAL when one of them is
 * none, -ENOBUFS beyond CIDR_LIST_MAX, -ENOMEM: then the list is as it was. */
int cidr_list_add(CidrList *l, const char *text);

/* One of the networks contains IP; false for an empty list. */
bool cidr_list_contains(const CidrList *l, const Ip *ip);

void cidr_list_done(CidrList *l);
