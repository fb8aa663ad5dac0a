/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/visitor-address.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/str.h"
#include "net/address.h"
#include "proto/hostname.h"
#include "proto/proxy-header.h"

bool visitor_address_may_come(const VisitorAddress *a, const TunnelConfig *config, unsigned left) {
        Address address;
        Ip who;

        if (!(left & (TUNNEL_OPTION_ALLOW | TUNNEL_OPTION_DENY)))
                return true;
        if (address_parse(a->visitor, &address) < 0)
                return false;
        who = address_ip(&address);
        return tunnel_options_admit(config->options, &who);
}

/* Of http://host:8080, or 0. */
static uint16_t url_port(const char *url) {
        const char *authority = strstr(url, "://");
        char host[HOSTNAME_LENGTH_MAX + 1];
        uint16_t port = 0;

        if (!authority || host_header_parse(authority + 3, strlen(authority + 3), host, &port) < 0)
                return 0;
        return port > 0 ? port : str_skip_prefix(url, "http:") ? 80 : 443;
}

/* A server that doesn't say where the visitor has connected has said the port, at least, in the URL. */
static void set_destination(ProxyHeader *h, const VisitorAddress *a) {
        static const uint8_t unspecified[16] = {};
        Address server;

        if (*a->server && address_parse(a->server, &server) >= 0) {
                h->destination = address_ip(&server);
                h->destination_port = address_port(&server);
        } else {
                h->destination = ip_is_v4(&h->source) ? ip_from_v4(unspecified) : ip_from_v6(unspecified);
                h->destination_port = url_port(a->url);
        }
}

int visitor_address_introduce(const VisitorAddress *a, const TunnelConfig *config, int fd) {
        char text[PROXY_HEADER_V1_BYTES_MAX + 1];
        ProxyHeader h = {};
        Address source;
        size_t n;

        if (!config->proxy_protocol)
                return 0;
        if (address_parse(a->visitor, &source) >= 0) {
                h.known = true;
                h.source = address_ip(&source);
                h.source_port = address_port(&source);
                set_destination(&h, a);
        }
        n = streq(config->proxy_protocol, "v1") ? proxy_header_write_v1(&h, text)
                                                : proxy_header_write_v2(&h, (uint8_t*) text);
        return send(fd, text, n, MSG_NOSIGNAL) == (ssize_t) n ? 0 : -ECONNRESET; /* it has room for that */
}
