/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* IP addresses as values, without port or socket. IPv4 is held as IPv4-mapped IPv6 (RFC 4291 §2.5.5.2), so
 * that both spellings of an address are one. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IP_TEXT_MAX 46 /* with its NUL */

typedef struct Ip {
        uint8_t bytes[16]; /* network order */
} Ip;

/* From the 4 or 16 bytes of a sockaddr, in network order. */
Ip ip_from_v4(const void *bytes);
Ip ip_from_v6(const void *bytes);

/* Reads an address of N bytes at S: IPv4 as four decimal numbers without leading zeros, or IPv6 without
 * brackets and zone. Returns 0 or -EINVAL. */
int ip_parse(const char *s, size_t n, Ip *ret);

/* IPv4 with dots, IPv6 in the form of RFC 5952; the second writes IPv4 as IPv4-mapped IPv6. Return RET. */
const char *ip_format(const Ip *ip, char ret[static IP_TEXT_MAX]);
const char *ip_format_v6(const Ip *ip, char ret[static IP_TEXT_MAX]);

bool ip_is_v4(const Ip *ip);
