/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/proxied.h"

#include <errno.h>
#include <sys/socket.h>
#include <utlist.h>

#include "net/timer.h"
#include "proto/proxy-header.h"
#include "server/visitor.h"

/* The header is looked at where it is, in the kernel, and taken once it is whole: what stands behind it is
 * TLS's, or a request's. */

struct Proxied {
        Shard *shard; /* borrowed */
        PollItem poll;
        int fd;         /* owned */
        Timer *timeout; /* owned */
        Address peer;
        bool https;
        Proxied *prev, *next; /* the shard's */
};

Proxied *proxied_free(Proxied *p) {
        if (!p)
                return NULL;
        if (p->fd >= 0) {
                worker_unpoll(p->shard->worker, &p->poll, p->fd);
                close(p->fd);
        }
        timer_free(p->timeout);
        DL_DELETE(p->shard->proxied, p);
        if (p->shard->stopping)
                shard_check_idle(p->shard);
        free(p);
        return NULL;
}

static Address address_of(const Ip *ip, uint16_t port) {
        Address a = address_from_ip(ip);

        address_set_port(&a, port);
        return a;
}

/* What the header says about itself has been understood: P becomes a visitor. */
static void proxied_pass(Proxied *p, const ProxyHeader *h) {
        Address peer = h->known ? address_of(&h->source, h->source_port) : p->peer;
        Address server = address_of(&h->destination, h->destination_port);
        Shard *sh = p->shard;
        bool https = p->https;
        int fd = p->fd;

        worker_unpoll(sh->worker, &p->poll, fd);
        p->fd = -1;
        proxied_free(p);
        visitor_new_http(sh, fd, &peer, h->known ? &server : NULL, https);
}

static void on_proxied_readable(PollItem *item, uint32_t events) {
        Proxied *p = container_of(item, Proxied, poll);
        uint8_t data[PROXY_HEADER_V2_BYTES_MAX];
        ssize_t n = recv(p->fd, data, sizeof(data), MSG_PEEK);
        ProxyHeader h;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        n = n > 0 ? proxy_header_parse(&h, data, (size_t) n) : -ECONNRESET;
        if (n == -EAGAIN && !(events & EPOLLRDHUP))
                return;
        if (n > 0 && recv(p->fd, data, (size_t) n, 0) == n)
                proxied_pass(p, &h);
        else
                proxied_free(p);
}

static void on_proxied_timeout(void *userdata) {
        proxied_free(userdata);
}

void proxied_new(Shard *sh, int fd, const Address *peer, bool https) {
        Proxied *p = new0(Proxied, 1);

        if (!p) {
                close(fd);
                return;
        }
        *p = (Proxied) {
                .shard = sh, .poll.run = on_proxied_readable, .fd = fd, .peer = *peer, .https = https
        };
        DL_APPEND(sh->proxied, p);
        if (timer_new_after(&p->timeout, sh->worker, sh->snapshot->config->head_usec, on_proxied_timeout, p) <
                    0 ||
            worker_poll(sh->worker, &p->poll, fd, EPOLLIN | EPOLLRDHUP | EPOLLET) < 0)
                proxied_free(p);
}
