/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connected socket polled on a worker's loop: what stream-fd and stream-tls have in common. Its owner sees
 * level-triggered events; towards the kernel it is polled edge-triggered, and remembers what it was told. */

#include <stddef.h>
#include <sys/types.h>

#include "net/stream.h"

typedef struct Socket Socket;

/* EVENTS: the wanted ones of StreamEvents; all that are wanted when the socket failed, and only then
 * STREAM_ABORTED. May free the socket. */
typedef void (*SocketFn)(Socket *s, unsigned events);

struct Socket {
        Worker *worker; /* borrowed; NULL while detached */
        PollItem poll;
        ReadyItem ready; /* while an event holds that the kernel has told already */
        SocketFn on_event;
        int fd;    /* owned */
        int error; /* a failed call's errno, negative: the kernel tells it once, we need it again */
        unsigned wanted;
        unsigned holding; /* StreamEvents that hold, as far as we know */
        uint32_t polled;  /* the kernel's events that it is asked for; 0: not polled yet */
        bool reads_short; /* a short read doesn't mean that nothing is left */
        bool is_full;     /* the last write was not taken whole */
};

/* Embedded. Owns FD on success. Returns 0 or a negative errno. loop: W */
int socket_init(Socket *s, Worker *w, int fd, SocketFn on_event);

/* Closes; RESET: so that the peer gets RST. */
void socket_done(Socket *s, bool reset);

void socket_set_events(Socket *s, unsigned events);
void socket_detach(Socket *s);
int socket_attach(Socket *s, Worker *w);

/* It has just connected: no event needs to say so. */
void socket_is_writable(Socket *s);

/* What was told by events holds no more: the descriptor was asked, and had nothing. */
void socket_drained(Socket *s, unsigned events);

/* Options, as far as the socket can have them; accepted sockets inherit them from the listening one. */
void socket_set_nodelay(int fd);
void socket_set_keepalive(int fd); /* probes find a dead peer in two minutes */

/* What was sent and not acknowledged for so long ends the connection; nor may the peer's window be closed for
 * so long. */
void socket_set_user_timeout(int fd, uint64_t usec);

/* For the connection between client and server: what the kernel holds unsent can't be overtaken any more, so
 * it shall hold little. */
#define SOCKET_UNSENT_BYTES (128 * 1024)
void socket_set_tunnel_options(int fd);

/* Bytes, 0 at the end, -EAGAIN, or the error. */
ssize_t socket_read(Socket *s, void *data, size_t n);

/* Bytes taken, -EAGAIN, or the error, again at each call. */
ssize_t socket_write(Socket *s, const void *data, size_t n);
int socket_shutdown(Socket *s);
