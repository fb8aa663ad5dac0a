/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/tunnel-protocol.h"

#include <errno.h>

#include "base/str.h"

static const char *const protocol_names[TUNNEL_PROTOCOL_MAX] = {
        [TUNNEL_HTTP] = "http",
        [TUNNEL_HTTPS] = "https",
        [TUNNEL_TCP] = "tcp",
        [TUNNEL_TLS] = "tls",
};

const char *tunnel_protocol_to_string(TunnelProtocol p) {
        return protocol_names[p];
}

int tunnel_protocol_from_string(const char *s, size_t n) {
        for (int p = 0; p < TUNNEL_PROTOCOL_MAX; p++)
                if (str_equal_nocase(s, n, protocol_names[p]))
                        return p;
        return -EINVAL;
}
