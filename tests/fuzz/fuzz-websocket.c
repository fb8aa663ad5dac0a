/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first byte says how the rest, what one side says, is cut: however that is, the same frames are told. */
#include "fuzz.h"

#include "base/macro.h"
#include "proto/websocket.h"

typedef struct Sum {
        uint64_t n_frames, n_bytes, hash;
} Sum;

static void on_frame(const WebsocketFrame *f, void *userdata) {
        Sum *sum = userdata;

        must(f->n_sample <= WEBSOCKET_SAMPLE_BYTES && f->n_sample <= f->length && f->opcode <= 15);
        must(f->length <= INT64_MAX);
        sum->n_frames++;
        sum->n_bytes += f->length;
        for (size_t i = 0; i < f->n_sample; i++)
                sum->hash = sum->hash * 31 + f->sample[i];
}

static Sum feed(const uint8_t *data, size_t n, size_t step) {
        WebsocketReader r = {};
        Sum sum = {};

        for (size_t at = 0; at < n; at += step)
                websocket_feed(&r, data + at, MIN(step, n - at), on_frame, &sum);
        return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Sum whole, pieces;

        if (size < 2)
                return 0;
        whole = feed(data + 1, size - 1, size);
        pieces = feed(data + 1, size - 1, (size_t) data[0] + 1);
        must(whole.n_frames == pieces.n_frames && whole.n_bytes == pieces.n_bytes && whole.hash == pieces.hash);
        return 0;
}
