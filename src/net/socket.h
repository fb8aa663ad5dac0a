/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connected socket polled on a worker's loop: what stream-fd and stream-tls have in common. Knows two
 * facts that save system calls: a short read means that nothing is left, and nothing changes until the
 * next poll event. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "net/worker.h"

typedef struct Socket Socket;
typedef struct SocketPoll SocketPoll;

/* EVENTS: the wanted ones of UV_READABLE and UV_WRITABLE; all that are wanted when the socket failed, and
 * only then UV_PRIORITIZED. May free the socket. */
typedef void (*SocketFn)(Socket *s, int events);

struct Socket {
        SocketPoll *poll; /* owned; libuv's handle, NULL while detached */
        SocketFn on_event;
        int fd;       /* owned */
        int error;    /* a failed send's errno, negative: the kernel tells it once, we need it again */
        int wanted;   /* UV_READABLE, UV_WRITABLE, UV_PRIORITIZED */
        bool drained; /* the last read was short: don't ask again before an event */
};

/* Embedded. Owns FD on success. Returns 0 or a negative errno. loop: W */
int socket_init(Socket *s, Worker *w, int fd, SocketFn on_event);

/* Closes; RESET: so that the peer gets RST. */
void socket_done(Socket *s, bool reset);

void socket_set_events(Socket *s, int events);
void socket_detach(Socket *s);
int socket_attach(Socket *s, Worker *w);

/* Options, as far as the socket can have them; accepted sockets inherit them from the listening one. */
void socket_set_nodelay(int fd);
void socket_set_keepalive(int fd); /* probes find a dead peer in two minutes */

/* For the connection between client and server: what the kernel holds unsent can't be overtaken any more, so
 * it shall hold little. */
#define SOCKET_UNSENT_BYTES (128 * 1024)
void socket_set_tunnel_options(int fd);

/* Bytes, 0 at the end, -EAGAIN, or the error. */
ssize_t socket_read(Socket *s, void *data, size_t n);

/* Bytes taken, -EAGAIN, or the error, again at each call. */
ssize_t socket_write(Socket *s, const void *data, size_t n);
int socket_shutdown(Socket *s);
