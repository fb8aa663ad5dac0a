/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a local service listens, as people write it: PORT, :PORT or HOST:PORT. */

#include <stdbool.h>
#include <stdint.h>

#define TARGET_HOST_MAX 253
#define TARGET_TEXT_MAX (TARGET_HOST_MAX + 16)

typedef struct Target {
        char host[TARGET_HOST_MAX + 1]; /* ""; this machine: 127.0.0.1, then ::1 */
        uint16_t port;
} Target;

/* Returns 0 or -EINVAL. */
int target_parse(const char *s, Target *ret);

/* "127.0.0.1:3000" for a bare port, else "host:port" or "[v6]:port". */
const char *target_format(const Target *t, char ret[static TARGET_TEXT_MAX]);

/* What a browser that goes there says in Host: as above, but "localhost" for a bare port. */
const char *target_format_host(const Target *t, char ret[static TARGET_TEXT_MAX]);

/* A ConfigCheckFn. */
const char *target_check(const char *value);

/* Is HOST, a name or an address without brackets, this machine's loopback? */
bool host_is_loopback(const char *host);
