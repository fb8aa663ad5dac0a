/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What visitors of a tunnel speak, as ReqTunnel, policies and URLs name it. */

#include <stddef.h>

typedef enum TunnelProtocol { TUNNEL_HTTP, TUNNEL_HTTPS, TUNNEL_TCP, TUNNEL_PROTOCOL_MAX } TunnelProtocol;

const char *tunnel_protocol_to_string(TunnelProtocol p);

/* Returns the protocol or -EINVAL. */
int tunnel_protocol_from_string(const char *s, size_t n);
