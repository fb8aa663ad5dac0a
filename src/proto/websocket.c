/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/websocket.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include "base/macro.h"

#define LENGTH_16 126
#define LENGTH_64 127
#define MASK_BYTES 4

static uint64_t read_big_endian(const uint8_t *p, size_t n) {
        uint64_t v = 0;

        for (size_t i = 0; i < n; i++)
                v = v << 8 | p[i];
        return v;
}

/* How long the header is that begins with these two bytes. */
static size_t header_length(const uint8_t *p) {
        unsigned length = p[1] & 0x7f;
        size_t n = length == LENGTH_16 ? 4 : length == LENGTH_64 ? 10 : 2;

        return n + (p[1] & 0x80 ? MASK_BYTES : 0);
}

static uint64_t data_length(const uint8_t *p) {
        unsigned length = p[1] & 0x7f;

        if (length == LENGTH_16)
                return read_big_endian(p + 2, 2);
        return length == LENGTH_64 ? read_big_endian(p + 2, 8) : length;
}

/* The frame that is kept. Returns how many bytes of its beginning are needed in all, -EAGAIN when even that
 * is not known, or -EBADMSG. */
static ssize_t reader_need(const WebsocketReader *r) {
        size_t header;
        uint64_t length;

        if (r->n_kept < 2)
                return -EAGAIN;
        header = header_length(r->kept);
        if (r->n_kept < header)
                return -EAGAIN;
        length = data_length(r->kept);
        if (length > INT64_MAX)
                return -EBADMSG;
        return (ssize_t) (header + MIN(length, (uint64_t) WEBSOCKET_SAMPLE_BYTES));
}

static void reader_tell(WebsocketReader *r, WebsocketFn on_frame, void *userdata) {
        const uint8_t *p = r->kept;
        size_t header = header_length(p);
        WebsocketFrame f = {
                .is_final = p[0] & 0x80,
                .is_compressed = p[0] & 0x40,
                .opcode = p[0] & 0x0f,
                .length = data_length(p),
                .n_sample = (uint8_t) (r->n_kept - header),
        };

        for (size_t i = 0; i < f.n_sample; i++)
                f.sample[i] = p[header + i] ^ (p[1] & 0x80 ? p[header - MASK_BYTES + i % MASK_BYTES] : 0);
        r->left = f.length - f.n_sample;
        r->n_kept = 0;
        on_frame(&f, userdata);
}

/* One byte more of a beginning. */
static void reader_keep(WebsocketReader *r, uint8_t byte, WebsocketFn on_frame, void *userdata) {
        ssize_t need;

        r->kept[r->n_kept++] = byte;
        need = reader_need(r);
        r->is_lost = need == -EBADMSG;
        if (need >= 0 && (size_t) need <= r->n_kept)
                reader_tell(r, on_frame, userdata);
}

void websocket_feed(WebsocketReader *r, const uint8_t *data, size_t n, WebsocketFn on_frame, void *userdata) {
        for (size_t i = 0; i < n && !r->is_lost;) {
                size_t skipped = (size_t) MIN((uint64_t) (n - i), r->left);

                r->left -= skipped;
                i += skipped;
                if (i < n)
                        reader_keep(r, data[i++], on_frame, userdata);
        }
}
