/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/link.h"

#include <errno.h>

#include "base/str.h"
#include "net/dialer.h"
#include "net/socket.h"
#include "net/stream-tls.h"

struct Link {
        const LinkParams *params; /* borrowed */
        Dialer *dialer;           /* owned */
        ChannelFn on_message;
        LinkFn done;
        void *userdata; /* borrowed */
};

/* Owns FD, also on failure. */
static int link_open(Link *l, int fd, Channel **ret, Address *ret_peer) {
        _cleanup_close_ int owned = fd;
        _cleanup_(stream_freep) Stream *s = NULL;
        int r;

        r = address_of_peer(fd, ret_peer);
        if (r < 0)
                return r;
        r = stream_tls_new_client(&s, l->params->worker, fd, l->params->tls, l->params->tls_name,
                                  l->params->alpn, 0);
        if (r < 0)
                return r;
        (void) TAKE_FD(owned);
        socket_set_tunnel_options(fd);
        if (l->params->alpn) /* a visitor may stall any other, but a mux is always read */
                socket_set_user_timeout(fd, LINK_USER_TIMEOUT_USEC);
        r = channel_new(ret, s, NULL, l->on_message, l->userdata);
        if (r >= 0)
                (void) TAKE_PTR(s);
        return r;
}

/* What may be wrong, if WHY is that nobody was reached. */
static const char *dial_hint(int error) {
        switch (error) {
        case -ECONNREFUSED:
                return " (does pgrokd run there, and is this its tunnel port? To try it here: pgrokd --dev)";
        case -ETIMEDOUT:
        case -EHOSTUNREACH:
                return " (is the machine up, and does a firewall let the port through?)";
        case UV_EAI_NONAME:
        case UV_EAI_NODATA:
                return " (is the name right?)";
        default:
                return "";
        }
}

static void on_link_dialed(Dialer *d _unused_, int fd, int error, const char *why, void *userdata) {
        Link *l = userdata;
        _cleanup_free_ char *text = fd < 0 ? str_format("%s%s", why, dial_hint(error)) : NULL;
        Channel *c = NULL;
        Address peer = {};

        if (fd >= 0) {
                int r = link_open(l, fd, &c, &peer);

                why = r < 0 ? strerror(-r) : NULL;
        }
        l->done(l, c, &peer, text ? text : why, l->userdata);
}

int link_new(Link **ret, const LinkParams *params, ChannelFn on_message, LinkFn done, void *userdata) {
        DialTarget target = { .host = params->host, .port = params->port, .proxy = params->http_proxy };
        Link *l = new0(Link, 1);
        int r;

        if (!l)
                return -ENOMEM;
        *l = (Link) { .params = params, .on_message = on_message, .done = done, .userdata = userdata };
        r = dialer_new(&l->dialer, params->worker, &target, on_link_dialed, l);
        if (r < 0) {
                free(l);
                return r;
        }
        *ret = l;
        return 0;
}

Link *link_free(Link *l) {
        if (!l)
                return NULL;
        dialer_free(l->dialer);
        free(l);
        return NULL;
}
