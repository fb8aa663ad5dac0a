/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Opens a connection to a unix socket, or a TCP connection by name: asynchronous DNS, then the addresses in
 * turn, IPv6 and IPv4 alternating, the next one started when one fails or after 250 ms (RFC 8305); the first
 * to connect wins. Through an HTTP proxy with CONNECT, if asked (RFC 9110 §9.3.6). */

#include "net/worker.h"

#define DIALER_TIMEOUT_USEC (10 * UINT64_C(1000000))

typedef struct Dialer Dialer;

typedef struct DialTarget {
        const char *host; /* a name or an address; borrowed until dialer_new() returns */
        uint16_t port;
        const char *unix_path; /* of a socket in the file system, instead of host and port; or NULL */
        const char *proxy;     /* "http://[user:password@]host[:port]", or NULL */
} DialTarget;

/* Once. FD (non-blocking, TCP_NODELAY) is the callee's; on failure it is -1, ERROR a negative errno and WHY a
 * sentence for a person. The dialer must be freed, here or later. */
typedef void (*DialFn)(Dialer *d, int fd, int error, const char *why, void *userdata);

/* Never calls back before it returns. Returns 0, -EINVAL (an unreadable proxy URL) or another negative errno.
 * loop: W */
int dialer_new(Dialer **ret, Worker *w, const DialTarget *target, DialFn done, void *userdata);

/* Ends the attempt without a call back. Takes NULL; returns NULL. */
Dialer *dialer_free(Dialer *d);
