/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Host names as tunnels and the Host header use them (RFC 1123 §2.1, RFC 9110 §7.2). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOSTNAME_LENGTH_MAX 253
#define HOST_LABEL_LENGTH_MAX 63

/* One label of letters, digits and inner hyphens, 1 to 63 bytes; lower case only when it is stored, so
 * upper case is valid too. */
bool host_label_is_valid(const char *label);

/* Labels as above joined by dots, no dot at the end, at most 253 bytes, and not all digits and dots (that
 * would be an address). */
bool hostname_is_valid(const char *name);

/* Splits "host", "host:port" or "[v6]:port" of N bytes: writes the host in lower case without brackets,
 * port and final dot to RET_HOST, and the port (0 when absent or empty) to *RET_PORT. Takes what a Host
 * header may carry: host names (with underscores and outer hyphens, which some people use) and addresses
 * (of IPv6 not every rule is checked); neither user names nor escapes. Returns 0 or -EBADMSG. */
int host_header_parse(const char *s, size_t n, char ret_host[static HOSTNAME_LENGTH_MAX + 1],
                      uint16_t *ret_port);

/* If NAME lies below DOMAIN, returns the length of what stands before ".DOMAIN"; 0 otherwise. Both in lower
 * case. */
size_t hostname_prefix_length(const char *name, const char *domain);

/* "*.", and a host name behind it: what a tunnel may have as its name. It is for all names below that one,
 * however deep, but not for that one itself. */
bool hostname_is_wildcard(const char *name);

/* The keys under which a NAME (as host_header_parse() writes it) is to be looked up, most specific first:
 * NAME itself, then hostname_wider() of the last one until that is NULL. A wildcard "*.example.org" is kept
 * under ".example.org", which is what hostname_key() makes of it; other names are their own keys. All point
 * into what they are given. */
const char *hostname_wider(const char *key);
const char *hostname_key(const char *name);

/* A certificate for PATTERN, a dNSName, is good for NAME (RFC 6125 §6.4, RFC 9525 §6.3): equal in any letter
 * case, or
 * "*" in place of exactly one label, the first and whole one, with two more behind it at least, since clients
 * refuse less. NAME is no address. */
bool hostname_matches_certificate(const char *name, const char *pattern);
