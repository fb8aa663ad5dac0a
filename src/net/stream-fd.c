/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/stream-fd.h"

#include <errno.h>

#include "net/socket.h"

/* Nothing is queued here: what the kernel doesn't take stays with the caller. */

typedef struct StreamFd {
        Stream stream;
        Socket socket;
} StreamFd;

static StreamFd *stream_fd(Stream *s) {
        return container_of(s, StreamFd, stream);
}

static void on_stream_fd_event(Socket *socket, unsigned events) {
        Stream *s = &container_of(socket, StreamFd, socket)->stream;

        if (s->on_event)
                s->on_event(s, events, s->userdata);
}

static ssize_t stream_fd_read(Stream *s, void *data, size_t n) {
        return socket_read(&stream_fd(s)->socket, data, n);
}

static ssize_t stream_fd_write(Stream *s, const void *data, size_t n) {
        return socket_write(&stream_fd(s)->socket, data, n);
}

static int stream_fd_flush(Stream *s) {
        return stream_fd(s)->socket.error;
}

static int stream_fd_shutdown(Stream *s) {
        return socket_shutdown(&stream_fd(s)->socket);
}

static void stream_fd_update_events(Stream *s) {
        socket_set_events(&stream_fd(s)->socket, s->wanted);
}

static void stream_fd_detach(Stream *s) {
        socket_detach(&stream_fd(s)->socket);
}

static int stream_fd_attach(Stream *s) {
        return socket_attach(&stream_fd(s)->socket, s->worker);
}

static void stream_fd_destroy(Stream *s, bool reset) {
        StreamFd *f = stream_fd(s);

        socket_done(&f->socket, reset);
        free(f);
}

static const StreamOps stream_fd_ops = {
        .read = stream_fd_read,
        .write = stream_fd_write,
        .flush = stream_fd_flush,
        .shutdown = stream_fd_shutdown,
        .update_events = stream_fd_update_events,
        .detach = stream_fd_detach,
        .attach = stream_fd_attach,
        .destroy = stream_fd_destroy,
};

int stream_fd_number(const Stream *s) {
        return s->ops == &stream_fd_ops ? container_of(s, StreamFd, stream)->socket.fd : -1;
}

int stream_fd_new(Stream **ret, Worker *w, int fd) {
        StreamFd *f = new0(StreamFd, 1);
        int r;

        if (!f)
                return -ENOMEM;
        f->stream = (Stream) { .ops = &stream_fd_ops, .worker = w };
        r = socket_init(&f->socket, w, fd, on_stream_fd_event);
        if (r < 0) {
                free(f);
                return r;
        }
        *ret = &f->stream;
        return 0;
}

int stream_fd_release(Stream *s) {
        Socket *socket = &stream_fd(s)->socket;
        int fd;

        socket_detach(socket);
        fd = TAKE_FD(socket->fd);
        stream_free(s);
        return fd;
}
