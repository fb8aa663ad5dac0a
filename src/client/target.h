/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a local service is, as people write it: PORT, :PORT or HOST:PORT, unix:/PATH, https://HOST[:PORT],
 * file:///FOLDER. */

#include <stdbool.h>
#include <stdint.h>

#define TARGET_HOST_MAX 253
#define TARGET_PATH_MAX 1000
#define TARGET_TEXT_MAX (TARGET_PATH_MAX + 16)

typedef enum TargetKind {
        TARGET_TCP,
        TARGET_TLS,    /* https: TLS to the service */
        TARGET_UNIX,   /* a socket in the file system */
        TARGET_FOLDER, /* files that we serve ourselves */
} TargetKind;

typedef struct Target {
        TargetKind kind;
        char host[TARGET_HOST_MAX + 1]; /* tcp, TLS. "": this machine: 127.0.0.1, then ::1 */
        uint16_t port;                  /* tcp, TLS */
        const char *path;               /* unix, folder; borrowed from what was parsed */
} Target;

/* Returns 0 or -EINVAL. */
int target_parse(const char *s, Target *ret);

/* "127.0.0.1:3000" for a bare port, else "host:port" or "[v6]:port", in front of it "https://"; or the path
 * with its "unix:" or "file://". */
const char *target_format(const Target *t, char ret[static TARGET_TEXT_MAX]);

/* What a browser that goes there says in Host: "host:port", with "localhost" for a bare port; "localhost"
 * where there is none. */
const char *target_format_host(const Target *t, char ret[static TARGET_TEXT_MAX]);

/* A ConfigCheckFn. */
const char *target_check(const char *value);

/* Does it speak HTTP and nothing else? */
bool target_is_http(const Target *t);

/* Is HOST, a name or an address without brackets, this machine's loopback? */
bool host_is_loopback(const char *host);
