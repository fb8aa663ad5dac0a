/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/buffer.h"

#include <errno.h>

Buffer *buffer_get(BufferPool *pool) {
        Buffer *b = pool ? pool->idle : NULL;

        if (b) {
                pool->idle = b->next;
                pool->n_idle--;
        } else {
                b = malloc(sizeof(Buffer)); /* not zeroed: that would touch every page */
                if (!b)
                        return NULL;
        }
        b->next = NULL;
        b->start = b->end = 0;
        return b;
}

Buffer *buffer_put(BufferPool *pool, Buffer *b) {
        if (!b)
                return NULL;
        if (!pool || pool->n_idle >= BUFFER_POOL_KEEP_MAX) {
                free(b);
                return NULL;
        }
        b->next = pool->idle;
        pool->idle = b;
        pool->n_idle++;
        return NULL;
}

void buffer_pool_done(BufferPool *pool) {
        while (pool->idle) {
                Buffer *b = pool->idle;

                pool->idle = b->next;
                free(b);
        }
        pool->n_idle = 0;
}

void buffer_compact(Buffer *b) {
        size_t n = buffer_length(b);

        if (b->start == 0)
                return;
        memmove(b->data, buffer_head(b), n);
        b->start = 0;
        b->end = (uint32_t) n;
}

int buffer_append(Buffer *b, const void *data, size_t n) {
        if (n > buffer_room(b))
                buffer_compact(b);
        if (n > buffer_room(b))
                return -ENOBUFS;
        memcpy(buffer_tail(b), data, n);
        buffer_produce(b, n);
        return 0;
}
