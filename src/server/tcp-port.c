/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/tcp-port.h"

#include <utlist.h>

#include "base/log.h"
#include "base/str.h"
#include "net/listener.h"
#include "server/shard.h"
#include "server/visitor.h"

struct TcpPort {
        Listener *listener; /* owned */
        Shard *shard;       /* borrowed */
        Tunnel *tunnel;     /* a reference */
        TcpPort *next;
};

static void on_tcp_accept(Listener *l _unused_, int fd, const Address *peer, void *userdata) {
        TcpPort *p = userdata;

        visitor_new_tcp(p->shard, fd, peer, p->tunnel);
}

void tcp_port_open(TcpPort **list, Shard *shard, int fd, Tunnel *t) {
        _cleanup_close_ int owned = fd;
        TcpPort *p = new0(TcpPort, 1);

        if (!p || listener_new(&p->listener, shard->worker, fd, on_tcp_accept, p) < 0) {
                log_error("Out of memory: %s takes no visitors", t->url);
                free(p);
                return;
        }
        TAKE_FD(owned);
        p->shard = shard;
        p->tunnel = tunnel_ref(t);
        LL_PREPEND(*list, p);
}

void tcp_port_close_all(TcpPort **list) {
        TcpPort *p, *next;

        LL_FOREACH_SAFE(*list, p, next) {
                listener_free(p->listener);
                tunnel_unref(p->tunnel);
                free(p);
        }
        *list = NULL;
}
