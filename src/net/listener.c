/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/listener.h"

#include <errno.h>

#include "net/socket.h"
#include "net/timer.h"

struct Listener {
        Socket socket;
        Timer *rest; /* owned: ends a pause after descriptors ran out */
        ListenerAcceptFn on_accept;
        void *userdata; /* borrowed; outlives the listener */
        bool paused;    /* by the owner */
};

int listener_bind(const Address *address) {
        _cleanup_close_ int fd = -1;
        int one = 1, zero = 0;

        fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
                return -errno;
        if (address->sa.sa_family == AF_INET6 &&
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) < 0)
                return -errno;
        if (bind(fd, &address->sa, address->length) < 0 || listen(fd, LISTENER_BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Accepting on while descriptors are out would spin. */
static void listener_rest(Listener *l) {
        socket_set_events(&l->socket, 0);
        timer_start(l->rest, LISTENER_PAUSE_USEC);
}

static void on_listener_rested(void *userdata) {
        Listener *l = userdata;

        if (!l->paused)
                socket_set_events(&l->socket, STREAM_READABLE);
}

/* False when there is no more to accept now. */
static bool listener_accept(Listener *l) {
        struct sockaddr_storage ss;
        socklen_t length = sizeof(ss);
        Address peer;
        int fd;

        fd = accept4(l->socket.fd, (struct sockaddr*) &ss, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
                if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                        listener_rest(l);
                else if (errno == EAGAIN)
                        socket_drained(&l->socket, STREAM_READABLE);
                return errno == ECONNABORTED || errno == EINTR;
        }
        address_set(&peer, (struct sockaddr*) &ss, length);
        l->on_accept(l, fd, &peer, l->userdata);
        return true;
}

static void on_listener_event(Socket *socket, unsigned events _unused_) {
        Listener *l = container_of(socket, Listener, socket);

        for (int i = 0; i < LISTENER_BATCH_MAX && !l->paused; i++)
                if (!listener_accept(l))
                        break;
}

int listener_new(Listener **ret, Worker *w, int fd, ListenerAcceptFn on_accept, void *userdata) {
        Listener *l = new0(Listener, 1);
        int r;

        if (!l)
                return -ENOMEM;
        l->on_accept = on_accept;
        l->userdata = userdata;
        socket_set_nodelay(fd);
        socket_set_keepalive(fd);
        r = timer_new(&l->rest, w, on_listener_rested, l);
        if (r >= 0)
                r = socket_init(&l->socket, w, fd, on_listener_event);
        if (r < 0) {
                timer_free(l->rest);
                free(l);
                return r;
        }
        socket_set_events(&l->socket, STREAM_READABLE);
        *ret = l;
        return 0;
}

void listener_pause(Listener *l) {
        l->paused = true;
        socket_set_events(&l->socket, 0);
}

void listener_resume(Listener *l) {
        if (!l->paused)
                return;
        l->paused = false;
        socket_set_events(&l->socket, STREAM_READABLE);
}

Listener *listener_free(Listener *l) {
        if (!l)
                return NULL;
        socket_done(&l->socket, false);
        timer_free(l->rest);
        free(l);
        return NULL;
}
