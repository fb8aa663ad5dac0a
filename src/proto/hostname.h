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
