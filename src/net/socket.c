/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* libuv's handle must outlive its close callback, the Socket shall not have to: so the handle stands by
 * itself and forgets its socket first. Events that are no longer wanted stay armed until one of them comes,
 * since they are often wanted again before that, or the socket is closed: it saves most calls of epoll_ctl().
 * libuv answers EPOLLERR by stopping the poll and reporting UV_EBADF: the events are armed anew after
 * that, and the next read or write finds the real error. Who waits for neither bytes nor room learns of an
 * error by waiting for urgent data, which nobody sends: without an error that event is urgent data after all,
 * or that both directions have ended, and would come again and again. */

struct SocketPoll {
        uv_poll_t handle;
        Socket *socket; /* borrowed; NULL once closed */
        int armed;      /* what libuv polls for */
};

static void on_socket_io(uv_poll_t *handle, int status, int events);

static void socket_arm(Socket *s, int events) {
        s->poll->armed = events;
        if (events == 0)
                uv_poll_stop(&s->poll->handle);
        else
                uv_poll_start(&s->poll->handle, events, on_socket_io);
}

static void on_socket_io(uv_poll_t *handle, int status, int events) {
        SocketPoll *p = handle->data;
        Socket *s = p->socket;

        s->drained = false;
        if (status < 0) {
                events = UV_READABLE | UV_WRITABLE | UV_PRIORITIZED;
                socket_arm(s, s->wanted);
        } else {
                if (events & (~s->wanted | UV_PRIORITIZED))
                        socket_arm(s, s->wanted & ~(events & UV_PRIORITIZED));
                events &= ~UV_PRIORITIZED;
        }
        if (events & s->wanted)
                s->on_event(s, events & s->wanted);
}

static void on_socket_closed(uv_handle_t *handle) {
        free(handle->data);
}

static int socket_poll_new(SocketPoll **ret, Socket *s, Worker *w) {
        SocketPoll *p = new0(SocketPoll, 1);
        int r;

        if (!p)
                return -ENOMEM;
        r = uv_poll_init(&w->loop, &p->handle, s->fd);
        if (r < 0) {
                free(p);
                return r;
        }
        p->handle.data = p;
        p->socket = s;
        *ret = p;
        return 0;
}

int socket_init(Socket *s, Worker *w, int fd, SocketFn on_event) {
        int r;

        *s = (Socket) { .on_event = on_event, .fd = fd };
        r = socket_poll_new(&s->poll, s, w);
        if (r < 0)
                s->fd = -1;
        return r;
}

/* uv_close() takes the descriptor off epoll at once, so it may be closed or moved right after this. */
void socket_detach(Socket *s) {
        if (!s->poll)
                return;
        s->poll->socket = NULL;
        s->wanted = 0;
        uv_close((uv_handle_t*) &s->poll->handle, on_socket_closed);
        s->poll = NULL;
}

int socket_attach(Socket *s, Worker *w) {
        s->drained = false;
        return socket_poll_new(&s->poll, s, w);
}

void socket_done(Socket *s, bool reset) {
        socket_detach(s);
        if (reset && s->fd >= 0) {
                struct linger linger = { .l_onoff = 1, .l_linger = 0 };

                (void) setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        }
        s->fd = safe_close(s->fd);
}

void socket_set_events(Socket *s, int events) {
        s->wanted = events;
        if (s->poll && (events & ~s->poll->armed))
                socket_arm(s, events);
}

static void set_option(int fd, int level, int name, int value) {
        (void) setsockopt(fd, level, name, &value, sizeof(value));
}

void socket_set_nodelay(int fd) {
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

void socket_set_keepalive(int fd) {
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15);
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

void socket_set_tunnel_options(int fd) {
        socket_set_keepalive(fd);
        set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, SOCKET_UNSENT_BYTES);
}

ssize_t socket_read(Socket *s, void *data, size_t n) {
        ssize_t k;

        if (s->drained)
                return -EAGAIN;
        k = recv(s->fd, data, n, 0);
        if (k < 0) {
                int error = errno == EINTR ? EAGAIN : errno;

                if (error == EAGAIN)
                        s->drained = true;
                return -error;
        }
        if (k == 0 && s->error < 0)
                return s->error; /* a send took the error away: this is no orderly end */
        s->drained = k > 0 && (size_t) k < n;
        return k;
}

ssize_t socket_write(Socket *s, const void *data, size_t n) {
        ssize_t k;

        if (s->error < 0)
                return s->error;
        k = send(s->fd, data, n, MSG_NOSIGNAL);
        if (k >= 0)
                return k;
        if (errno == EAGAIN || errno == EINTR)
                return -EAGAIN;
        s->error = errno == EPIPE ? -ECONNRESET : -errno;
        return s->error;
}

int socket_shutdown(Socket *s) {
        if (shutdown(s->fd, SHUT_WR) < 0 && errno != ENOTCONN)
                return -errno;
        return 0;
}
