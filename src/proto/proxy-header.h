/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The PROXY protocol (haproxy's proxy-protocol.txt), versions 1 and 2: what a proxy says in front of all else
 * about the connection that it passes on. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/ip.h"

#define PROXY_HEADER_V1_BYTES_MAX 107
#define PROXY_HEADER_V2_BYTES_MAX 4096   /* that are read, with everything that follows the addresses */
#define PROXY_HEADER_V2_BYTES_WRITTEN 52 /* at most */

typedef struct ProxyHeader {
        bool known; /* if not (UNKNOWN, LOCAL, not TCP over IP), the connection's own addresses count */
        Ip source, destination;
        uint16_t source_port, destination_port;
} ProxyHeader;

/* Reads a header of either version at the start of N bytes. Returns its length, -EAGAIN when more bytes are
 * needed, -EBADMSG when it is none, or -ENOBUFS when it is longer than the above. What can't become one is
 * refused at once. Strict: in version 1 one space between, addresses of the kind that is announced, ports
 * without leading zeros; in version 2 the extensions must fill the length, and a CRC-32C is verified. UDP is
 * refused. */
ssize_t proxy_header_parse(ProxyHeader *ret, const void *data, size_t n);

/* Write a header and return its length. IPv4 and IPv6 together go as IPv6. */
size_t proxy_header_write_v1(const ProxyHeader *h, char ret[static PROXY_HEADER_V1_BYTES_MAX + 1]);
size_t proxy_header_write_v2(const ProxyHeader *h, uint8_t ret[static PROXY_HEADER_V2_BYTES_WRITTEN]);
