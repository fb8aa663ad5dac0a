/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A byte queue of one fixed size, and the pool where idle ones wait. Everything that holds bytes of a
 * peer holds them in a Buffer, so a peer can't make anything grow; whoever has nothing to hold gives its
 * buffer back. The size fits each use: the longest frame, the longest HTTP head, and as many bytes at once as
 * make the cost of a system call small, also as TLS records. */

#include <stdint.h>
#include <string.h>

#include "base/macro.h"

#define BUFFER_BYTES (256 * 1024 + 8 * 1024)
#define BUFFER_POOL_KEEP_MAX 8 /* idle buffers that stay allocated */

typedef struct Buffer {
        struct Buffer *next; /* in the pool */
        uint32_t start, end; /* the bytes held are data[start…end-1] */
        uint8_t data[BUFFER_BYTES];
} Buffer;

typedef struct BufferPool { /* of one thread */
        Buffer *idle;       /* owned */
        unsigned n_idle;
} BufferPool;

/* An empty buffer, owned by the caller, or NULL when memory is out. POOL may be NULL. */
Buffer *buffer_get(BufferPool *pool);

/* Gives B back, to any pool (NULL: frees it). Takes NULL. Returns NULL. */
Buffer *buffer_put(BufferPool *pool, Buffer *b);

void buffer_pool_done(BufferPool *pool);

/* Moves what is held to the front, so that all the room is behind it. */
void buffer_compact(Buffer *b);

/* Appends N bytes. Returns 0, or -ENOBUFS if they don't fit; then nothing is appended. */
int buffer_append(Buffer *b, const void *data, size_t n);

static inline size_t buffer_length(const Buffer *b) {
        return b ? b->end - b->start : 0;
}

/* Room behind the bytes held. */
static inline size_t buffer_room(const Buffer *b) {
        return BUFFER_BYTES - b->end;
}

static inline uint8_t *buffer_head(Buffer *b) {
        return b->data + b->start;
}

static inline uint8_t *buffer_tail(Buffer *b) {
        return b->data + b->end;
}

/* N bytes were written at the tail. */
static inline void buffer_produce(Buffer *b, size_t n) {
        b->end += (uint32_t) n;
}

/* N bytes were taken from the head. */
static inline void buffer_consume(Buffer *b, size_t n) {
        b->start += (uint32_t) n;
        if (b->start == b->end)
                b->start = b->end = 0;
}
