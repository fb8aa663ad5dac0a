/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What visitors of a tunnel speak, as ReqTunnel, policies and URLs name it. Of tls, which is ours, the server
 * reads the hello only, and passes all on as it is. */

#include <stdbool.h>
#include <stddef.h>

typedef enum TunnelProtocol {
        TUNNEL_HTTP,
        TUNNEL_HTTPS,
        TUNNEL_TCP,
        TUNNEL_TLS,
        TUNNEL_PROTOCOL_MAX
} TunnelProtocol;

/* Requests are read: what is wrong is answered. Else visitors' bytes are of no interest. */
static inline bool tunnel_protocol_is_http(TunnelProtocol p) {
        return p == TUNNEL_HTTP || p == TUNNEL_HTTPS;
}

const char *tunnel_protocol_to_string(TunnelProtocol p);

/* Returns the protocol or -EINVAL. */
int tunnel_protocol_from_string(const char *s, size_t n);
