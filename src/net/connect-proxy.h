/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Asks an HTTP proxy for a tunnel with CONNECT (RFC 9110 §9.3.6), on a connection to it. */

#include <stdint.h>

#include "net/worker.h"

typedef struct ConnectProxy ConnectProxy;

typedef struct ProxyUrl {
        char host[256];
        uint16_t port;
        char user[256]; /* "user:password", "" without */
} ProxyUrl;

/* "http://[user[:password]@]host[:port][/]", or without the scheme; port 80 unless given; %XX in user and
 * password are decoded. Returns 0 or -EINVAL. */
int proxy_url_parse(const char *url, ProxyUrl *ret);

/* Once. FD is the callee's, ready for bytes to the target; or -1 with ERROR, and WHY a sentence. The callee
 * frees P. */
typedef void (*ConnectProxyFn)(ConnectProxy *p, int fd, int error, const char *why, void *userdata);

/* Owns FD (connected to the proxy, non-blocking) on success. Never calls back before it returns. Returns 0 or
 * a negative errno. The caller keeps the time. loop: W */
int connect_proxy_new(ConnectProxy **ret, Worker *w, int fd, const ProxyUrl *url, const char *host,
                      uint16_t port, ConnectProxyFn done, void *userdata);

/* Takes NULL; returns NULL. */
ConnectProxy *connect_proxy_free(ConnectProxy *p);
