/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of a conversation: a byte for the side and the length (with 0xff: the end of that side), then as many
 * bytes. Each request is told once, and done once. */
#include "fuzz.h"

#include "proto/http-trace.h"

typedef struct Told {
        size_t n_begun, n_done;
        const void *data; /* of the part at hand */
        size_t n;
} Told;

static void *on_request(void *userdata, const HttpHead *head, HttpSlice raw) {
        Told *told = userdata;

        must(head->status == 0 && raw.length >= head->lines.length);
        return (void *) ++told->n_begun;
}

/* The oldest that is not done is the one that is answered. */
static void on_response(void *userdata, void *request, const HttpHead *head, HttpSlice raw, bool is_opaque) {
        Told *told = userdata;

        must((size_t) request == told->n_done + 1 && (size_t) request <= told->n_begun);
        must(head->status >= 100 && raw.length >= head->lines.length);
        must(!is_opaque || told->n_begun == told->n_done + 1 || head->status == 101 || head->status / 100 == 2);
}

static void on_body(void *userdata, void *request, HttpTraceSide side, HttpSlice data) {
        Told *told = userdata;

        must((size_t) request == (side == HTTP_TRACE_RESPONSE ? told->n_done + 1 : told->n_begun));
        must(data.length > 0 && lies_inside(data.data, data.length, told->data, told->n));
}

static void on_done(void *userdata, void *request, HttpTraceEnd end) {
        Told *told = userdata;

        must((size_t) request == ++told->n_done && told->n_done <= told->n_begun);
        must(end <= HTTP_TRACE_LOST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const HttpTraceOps ops = { on_request, on_response, on_body, on_done };
        Told told = {};
        HttpTrace t;

        http_trace_init(&t, &ops, &told);
        for (size_t i = 0; i + 2 <= size;) {
                HttpTraceSide side = data[i] & 1 ? HTTP_TRACE_RESPONSE : HTTP_TRACE_REQUEST;
                bool is_end = data[i] == 0xff || data[i] == 0xfe;
                size_t n = MIN((size_t) (data[i] >> 1) << 4 | data[i + 1] >> 4, size - i - 2);

                if (is_end) {
                        http_trace_end(&t, side);
                        i++;
                        continue;
                }
                told.data = data + i + 2;
                told.n = n;
                http_trace_feed(&t, side, told.data, n);
                i += 2 + n;
        }
        http_trace_finish(&t);
        must(told.n_begun == told.n_done && t.n == 0 && t.state == HTTP_TRACE_OVER);
        http_trace_done(&t);
        return 0;
}
