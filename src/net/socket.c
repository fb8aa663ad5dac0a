/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/parse.h"

/* The kernel tells each event once, when it comes up; what it told holds until a call finds it gone: a read
 * without bytes, a short read, a write that isn't taken whole. While something holds that is wanted, the
 * socket is on its worker's ready queue. So a socket costs one epoll_ctl() when it comes, a second if it is
 * ever waited for room, and one when it goes.
 *
 * Of a peer's end that came before a short read the kernel tells nothing more, nor of what is behind an
 * urgent byte, before which it ends a read: of such sockets each read is followed by another
 * (reads_short). */

static unsigned events_of_epoll(uint32_t e) {
        unsigned events = 0;

        if (e & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                events |= STREAM_READABLE;
        if (e & (EPOLLOUT | EPOLLHUP | EPOLLERR))
                events |= STREAM_WRITABLE;
        if (e & EPOLLERR)
                events |= STREAM_ABORTED;
        return events;
}

static void socket_update_ready(Socket *s) {
        if (s->wanted & s->holding)
                worker_ready(s->worker, &s->ready);
        else if (s->ready.queued)
                worker_unready(s->worker, &s->ready);
}

static void on_socket_ready(ReadyItem *item) {
        Socket *s = container_of(item, Socket, ready);

        socket_update_ready(s); /* in the next turn again, unless the call ends that, or frees it */
        s->on_event(s, s->wanted & s->holding);
}

static void on_socket_polled(PollItem *item, uint32_t events) {
        Socket *s = container_of(item, Socket, poll);

        s->holding |= events_of_epoll(events);
        s->reads_short = s->reads_short || (events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR));
        socket_update_ready(s);
}

/* Sees to it that what is wanted and doesn't hold will be told; without memory for that the socket fails. */
static void socket_poll(Socket *s) {
        uint32_t events = s->polled | EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET;
        int r;

        if (s->wanted & STREAM_WRITABLE)
                events |= EPOLLOUT;
        if ((s->wanted & ~s->holding) == 0 || events == s->polled)
                return;
        r = s->polled == 0 ? worker_poll(s->worker, &s->poll, s->fd, events)
                           : worker_poll_change(s->worker, &s->poll, s->fd, events);
        if (r >= 0)
                s->polled = events;
        else {
                s->error = r;
                s->holding |= STREAM_READABLE | STREAM_WRITABLE | STREAM_ABORTED;
        }
}

int socket_init(Socket *s, Worker *w, int fd, SocketFn on_event) {
        *s = (Socket) {
                .worker = w,
                .poll.run = on_socket_polled,
                .ready.run = on_socket_ready,
                .on_event = on_event,
                .fd = fd,
        };
        return 0;
}

void socket_detach(Socket *s) {
        if (!s->worker)
                return;
        if (s->polled != 0)
                worker_unpoll(s->worker, &s->poll, s->fd);
        worker_unready(s->worker, &s->ready);
        s->worker = NULL;
        s->wanted = s->holding = 0;
        s->polled = 0;
}

int socket_attach(Socket *s, Worker *w) {
        s->worker = w;
        return 0;
}

void socket_done(Socket *s, bool reset) {
        socket_detach(s);
        if (reset && s->fd >= 0) {
                struct linger linger = { .l_onoff = 1, .l_linger = 0 };

                (void) setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        }
        s->fd = safe_close(s->fd);
}

void socket_set_events(Socket *s, unsigned events) {
        if (!s->worker || s->wanted == events)
                return;
        s->wanted = events;
        socket_poll(s);
        socket_update_ready(s);
}

void socket_is_writable(Socket *s) {
        s->holding |= STREAM_WRITABLE;
        socket_update_ready(s);
}

void socket_drained(Socket *s, unsigned events) {
        s->holding &= ~events;
        if (!s->worker)
                return;
        if (s->wanted & events)
                socket_poll(s);
        socket_update_ready(s);
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

void socket_set_user_timeout(int fd, uint64_t usec) {
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int) (usec / USEC_PER_MSEC));
}

void socket_set_tunnel_options(int fd) {
        socket_set_keepalive(fd);
        set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, SOCKET_UNSENT_BYTES);
}

ssize_t socket_read(Socket *s, void *data, size_t n) {
        ssize_t k;

        if (s->error == 0 && s->polled != 0 && !(s->holding & STREAM_READABLE))
                return -EAGAIN;
        k = recv(s->fd, data, n, 0);
        if (k < 0 && errno != EAGAIN && errno != EINTR)
                s->error = -errno;
        if (k <= 0 && s->error < 0)
                return s->error; /* also if an earlier call took it away: this is no orderly end */
        if (k < 0 || (k > 0 && (size_t) k < n && !s->reads_short))
                socket_drained(s, STREAM_READABLE);
        return k < 0 ? -EAGAIN : k;
}

ssize_t socket_write(Socket *s, const void *data, size_t n) {
        ssize_t k;

        if (s->error < 0)
                return s->error;
        if (s->is_full && (s->polled & EPOLLOUT) && !(s->holding & STREAM_WRITABLE))
                return -EAGAIN;
        k = send(s->fd, data, n, MSG_NOSIGNAL);
        if (k < 0 && errno != EAGAIN && errno != EINTR) {
                s->error = errno == EPIPE ? -ECONNRESET : -errno;
                return s->error;
        }
        s->is_full = k < 0 || (size_t) k < n;
        if (s->is_full)
                socket_drained(s, STREAM_WRITABLE);
        return k < 0 ? -EAGAIN : k;
}

int socket_shutdown(Socket *s) {
        if (shutdown(s->fd, SHUT_WR) < 0 && errno != ENOTCONN)
                return -errno;
        return 0;
}
