/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Anything bytes flow through: a socket, a TLS connection. One interface, level-triggered:
 * the owner says which events it wants and is called while they hold. A stream belongs to one worker; only
 * stream_detach() and stream_attach() move it. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "net/worker.h"

typedef struct Stream Stream;
typedef struct StreamOps StreamOps;

typedef enum StreamEvents {
        STREAM_READABLE = 1 << 0, /* stream_read() has something to say: bytes, the end, or an error */
        STREAM_WRITABLE = 1 << 1, /* stream_write() takes bytes again, or stream_flush() ended */
        STREAM_ABORTED =
                1 << 2, /* the peer has broken it off, told even if bytes before that are still to be read */
} StreamEvents;

/* May free the stream. */
typedef void (*StreamFn)(Stream *s, unsigned events, void *userdata);

struct StreamOps {
        ssize_t (*read)(Stream *s, void *data, size_t n);
        ssize_t (*write)(Stream *s, const void *data, size_t n);
        int (*flush)(Stream *s);
        int (*shutdown)(Stream *s);
        void (*update_events)(Stream *s); /* `wanted` changed */
        void (*detach)(Stream *s);
        int (*attach)(Stream *s);
        void (*destroy)(Stream *s, bool reset);
        const char *(*explain)(Stream *s); /* optional */

        /* optional, each pair: without a copy in between */
        ssize_t (*peek)(Stream *s, const uint8_t **ret);
        void (*consume)(Stream *s, size_t n);
        ssize_t (*reserve)(Stream *s, uint8_t **ret);
        void (*commit)(Stream *s, size_t n);
};

/* The common part; each kind of stream embeds it first. */
struct Stream {
        const StreamOps *ops;
        Worker *worker;    /* borrowed; NULL between detach and attach */
        StreamFn on_event; /* NULL: events are not delivered */
        void *userdata;    /* borrowed; outlives the stream or is replaced */
        unsigned wanted;   /* StreamEvents */
        bool is_direct;    /* the callback may run while others of the same transport are served: see
                              stream_set_direct() */
};

void stream_set_callback(Stream *s, StreamFn on_event, void *userdata);

/* Lets a stream of a mux call back in the middle of its transport's input, with the bytes where they are.
 * Such a callback may free this stream and others, but not the mux or what it belongs to. Reset with each
 * callback. */
static inline void stream_set_direct(Stream *s) {
        s->is_direct = true;
}

/* The events that the owner wants from now on. */
void stream_set_events(Stream *s, unsigned events);

/* Up to N bytes. Returns their number, 0 at the end of the stream, -EAGAIN when there are none yet, or the
 * error that ended it (-ECONNRESET for an abort by the peer, -EPROTO for a peer that breaks TLS, …), again at
 * each call. */
ssize_t stream_read(Stream *s, void *data, size_t n);

/* Takes as many of N (> 0) bytes as there is room for. Returns their number, -EAGAIN for none, or the error.
 * What was taken may wait inside until stream_flush(). */
ssize_t stream_write(Stream *s, const void *data, size_t n);

/* As stream_read(), but the bytes stay where they are, at *RET, until stream_consume() takes N of them,
 * before the loop is returned to. Only if stream_can_peek(). */
ssize_t stream_peek(Stream *s, const uint8_t **ret);
void stream_consume(Stream *s, size_t n);

/* As stream_write(), but the bytes are put at *RET, as many as returned at most, and stream_commit() takes N
 * (may be 0) of them. Nothing else may be done with the stream in between. Only if stream_can_reserve(). */
ssize_t stream_reserve(Stream *s, uint8_t **ret);
void stream_commit(Stream *s, size_t n);

static inline bool stream_can_peek(const Stream *s) {
        return s->ops->peek;
}

static inline bool stream_can_reserve(const Stream *s) {
        return s->ops->reserve;
}

/* Sends what waits inside. Returns 0 when the kernel has it all, -EAGAIN when the rest goes by itself once
 * the socket takes it (wait for STREAM_WRITABLE and call again), or the error. */
int stream_flush(Stream *s);

/* No more bytes will be written: the peer sees the end after what was written (FIN; close_notify for TLS).
 * Needs a flush like a write. Returns 0 or the error. */
int stream_shutdown(Stream *s);

/* Takes the stream off its worker, with everything it holds; nothing is called until another worker's
 * thread attaches it. attach returns 0 or a negative errno; then it stays detached, and may be freed. */
void stream_detach(Stream *s);
int stream_attach(Stream *s, Worker *w);

/* Closes. What is not flushed is lost, and unless both ends were seen the peer may see a reset. Takes NULL;
 * returns NULL. */
Stream *stream_free(Stream *s);

/* Closes so that the peer sees an abort: RST, and no close_notify. Takes NULL; returns NULL. */
Stream *stream_reset(Stream *s);

/* A sentence about the error that a call returned, for a person, or NULL: which certificate was refused and
 * why. */
const char *stream_explain(Stream *s);

DEFINE_CLEANUP(Stream*, stream_free);
