/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The input is what a peer sends: frames with messages. Any N bytes are also tried as a payload. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/message.h"

static Buffer *encode(const Message *m) {
        Buffer *out = buffer_get(NULL);
        int r = message_encode(m, out);

        must(r == 0 || (r == -ENOBUFS && buffer_length(out) == 0)); /* escapes can make it longer */
        if (r < 0)
                out = buffer_put(NULL, out);
        return out;
}

/* What was decoded is encoded to a frame that decodes to the same. */
static void check_message(const Message *m) {
        Buffer *first = encode(m), *second;
        Message again = {};
        const char *payload;
        ssize_t r;
        size_t n;

        if (!first)
                return;
        r = frame_parse(buffer_head(first), buffer_length(first), &payload, &n);
        must(r == (ssize_t) buffer_length(first));
        must(message_decode(payload, n, &again) == 0);
        must(again.type == m->type);
        second = encode(&again);
        must(second && buffer_length(second) == buffer_length(first));
        must(memcmp(buffer_head(second), buffer_head(first), buffer_length(first)) == 0);
        message_done(&again);
        buffer_put(NULL, first);
        buffer_put(NULL, second);
}

static void check_payload(const char *payload, size_t n) {
        _cleanup_message_ Message m = { .type = MESSAGE_PONG };
        int r = message_decode(payload, n, &m);

        must(r == 0 || (r == -EBADMSG && m.type == MESSAGE_PONG));
        if (r == 0 && m.type != MESSAGE_UNKNOWN)
                check_message(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *payload;
        size_t n;

        check_payload((const char*) data, size);
        for (;;) {
                ssize_t r = frame_parse(data, size, &payload, &n);

                must(r > 0 || r == -EAGAIN || r == -EBADMSG);
                if (r < 0)
                        return 0;
                must((size_t) r <= size && (size_t) r == FRAME_HEADER_BYTES + n);
                must(lies_inside(payload, n, data, size) && n >= FRAME_PAYLOAD_MIN && n <= FRAME_PAYLOAD_MAX);
                must(frame_parse(data, (size_t) r - 1, &payload, &n) == -EAGAIN);
                check_payload(payload, n);
                data += r;
                size -= (size_t) r;
        }
}
