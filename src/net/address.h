/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Socket addresses and their text forms. IPv4-mapped IPv6 addresses are IPv4 everywhere. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "proto/ip.h"

typedef struct Address {
        union {
                struct sockaddr sa;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
                struct sockaddr_un un;
        };
        socklen_t length;
} Address;

#define ADDRESS_TEXT_MAX 128

/* "192.0.2.1:80", "[2001:db8::1]:80", ":80" (all addresses), "80" (loopback is not implied: all addresses).
 * Numbers only. Returns 0 or -EINVAL. */
int address_parse(const char *s, Address *ret);

/* An IPv4 or IPv6 address without a port or brackets. Returns 0 or -EINVAL. */
int address_parse_ip(const char *s, Address *ret);

/* Fills the Address of a connected socket's peer, or of a socket itself. Return 0 or a negative errno. */
int address_of_peer(int fd, Address *ret);
int address_of_socket(int fd, Address *ret);

/* From a sockaddr of any length up to sizeof(Address): maps ::ffff:a.b.c.d to IPv4. */
void address_set(Address *a, const struct sockaddr *sa, socklen_t length);

/* PATH is shorter than sun_path. */
void address_set_unix(Address *a, const char *path);

/* "ip:port" or "[ip6]:port". */
const char *address_format(const Address *a, char ret[static ADDRESS_TEXT_MAX]);

/* The address without its port. */
const char *address_format_ip(const Address *a, char ret[static ADDRESS_TEXT_MAX]);

/* A socket that is bound to ADDRESS may have BOUND: the same, or any port if it has 0. */
bool address_covers(const Address *address, const Address *bound);

/* Without a port. */
Address address_from_ip(const Ip *ip);

/* Zeroes for a unix socket. */
Ip address_ip(const Address *a);

/* What one customer has: an IPv4 address, or the /64 of an IPv6 address. */
Ip address_network(const Address *a);

uint16_t address_port(const Address *a);
void address_set_port(Address *a, uint16_t port);
bool address_is_loopback(const Address *a);

/* Splits "host:port", "[v6]:port" or, with a DEFAULT_PORT other than 0, "host". Writes up to RET_SIZE bytes.
 * Returns 0 or -EINVAL. */
int host_port_split(const char *s, uint16_t default_port, char *ret_host, size_t ret_size,
                    uint16_t *ret_port);
