/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/decode.h"

#include <brotli/decode.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <zlib.h>

#include "proto/http-body.h"

#define ZLIB_FILE "libz.so.1"
#define BROTLI_FILE "libbrotlidec.so.1"
#define GZIP_WINDOW (15 + 16)
#define RAW_WINDOW (-15)
#define BLOCK_BYTES (16 * 1024)

/* ---- libraries: linked, they would cost each client memory that most never use ---- */

static struct {
        __typeof__(inflateInit2_) *inflate_init;
        __typeof__(inflate) *inflate;
        __typeof__(inflateEnd) *inflate_end;
        __typeof__(BrotliDecoderCreateInstance) *brotli_new;
        __typeof__(BrotliDecoderDecompressStream) *brotli;
        __typeof__(BrotliDecoderDestroyInstance) *brotli_free;
} library; /* written once; NULL: missing */

static void load_function(void *from, const char *name, void *to) {
        void *function = from ? dlsym(from, name) : NULL;

        memcpy(to, &function, sizeof(function));
}

static void load_libraries(void) {
        void *z = dlopen(ZLIB_FILE, RTLD_NOW | RTLD_LOCAL), *br = dlopen(BROTLI_FILE, RTLD_NOW | RTLD_LOCAL);

        load_function(z, "inflateInit2_", &library.inflate_init);
        load_function(z, "inflate", &library.inflate);
        load_function(z, "inflateEnd", &library.inflate_end);
        load_function(br, "BrotliDecoderCreateInstance", &library.brotli_new);
        load_function(br, "BrotliDecoderDecompressStream", &library.brotli);
        load_function(br, "BrotliDecoderDestroyInstance", &library.brotli_free);
}

/* ---- output of unknown size ---- */

typedef struct Output {
        char *data; /* owned */
        size_t n, room, max;
} Output;

/* Room for some more bytes. Returns 0, -ENOBUFS at the limit, or -ENOMEM. */
static int output_grow(Output *o) {
        size_t room = MIN(MAX(2 * o->room, (size_t) BLOCK_BYTES), o->max);
        char *data;

        if (o->n < o->room)
                return 0;
        if (o->n >= o->max)
                return -ENOBUFS;
        data = realloc(o->data, room);
        if (!data)
                return -ENOMEM;
        o->data = data;
        o->room = room;
        return 0;
}

/* ---- codings: each returns 0, -EAGAIN when the input ends too early, -ENOBUFS when there is more than fits,
 * -EBADMSG, -ELIBACC (there is no such library), or -ENOMEM; OUT has what there was before ---- */

static int run_inflate(z_stream *z, Output *out) {
        int r = 0, e = Z_OK;

        while (e != Z_STREAM_END) {
                r = output_grow(out);
                if (r < 0)
                        return r;
                z->next_out = (Bytef*) out->data + out->n;
                z->avail_out = (uInt) (out->room - out->n);
                e = library.inflate(z, Z_SYNC_FLUSH);
                out->n = out->room - z->avail_out;
                if (e == Z_BUF_ERROR || (e == Z_OK && z->avail_in == 0 && z->avail_out > 0))
                        return -EAGAIN;
                if (e != Z_OK && e != Z_STREAM_END)
                        return e == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
        }
        return 0;
}

static int decode_window(int window, const char *data, size_t n, Output *out) {
        z_stream z = { .next_in = (Bytef*) data, .avail_in = (uInt) n };
        int r;

        if (!library.inflate_init || !library.inflate || !library.inflate_end)
                return -ELIBACC;
        if (library.inflate_init(&z, window, ZLIB_VERSION, (int) sizeof(z)) != Z_OK)
                return -ENOMEM;
        r = run_inflate(&z, out);
        library.inflate_end(&z);
        return r;
}

static int decode_gzip(const char *data, size_t n, Output *out) {
        return decode_window(GZIP_WINDOW, data, n, out);
}

/* By the book with zlib's header; some send it without. */
static int decode_deflate(const char *data, size_t n, Output *out) {
        int r = decode_window(MAX_WBITS, data, n, out);

        return r == -EBADMSG && out->n == 0 ? decode_window(RAW_WINDOW, data, n, out) : r;
}

static int run_brotli(BrotliDecoderState *state, const char *data, size_t n, Output *out) {
        const uint8_t *in = (const uint8_t*) data;

        for (;;) {
                BrotliDecoderResult e;
                uint8_t *to;
                size_t room;
                int r = output_grow(out);

                if (r < 0)
                        return r;
                to = (uint8_t*) out->data + out->n;
                room = out->room - out->n;
                e = library.brotli(state, &n, &in, &room, &to, NULL);
                out->n = out->room - room;
                if (e == BROTLI_DECODER_RESULT_SUCCESS)
                        return 0;
                if (e == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT)
                        return -EAGAIN;
                if (e == BROTLI_DECODER_RESULT_ERROR)
                        return -EBADMSG;
        }
}

static int decode_brotli(const char *data, size_t n, Output *out) {
        BrotliDecoderState *state;
        int r;

        if (!library.brotli_new || !library.brotli || !library.brotli_free)
                return -ELIBACC;
        state = library.brotli_new(NULL, NULL, NULL);
        if (!state)
                return -ENOMEM;
        r = run_brotli(state, data, n, out);
        library.brotli_free(state);
        return r;
}

static const struct {
        const char *name;
        int (*decode)(const char *data, size_t n, Output *out);
} codings[] = {
        { "gzip", decode_gzip },
        { "x-gzip", decode_gzip },
        { "deflate", decode_deflate },
        { "br", decode_brotli },
};

static const char *explain(int error) {
        switch (error) {
        case -ELIBACC:
                return "the library for its content coding is not installed (zlib1g, libbrotli1)";
        case -EBADMSG:
                return "the body is not what its Content-Encoding says";
        default:
                return NULL;
        }
}

/* Takes one coding off *D. Returns 0 or -ENOMEM. */
static int decode_coding(HttpSlice name, size_t max, Decoded *d) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        Output out = { .max = max };
        size_t i = 0;
        int r;

        while (i < ELEMENTSOF(codings) && !http_slice_is(name, codings[i].name))
                i++;
        if (i == ELEMENTSOF(codings)) {
                d->fault = http_slice_is(name, "identity") ? NULL : "its content coding is unknown here";
                return 0;
        }
        pthread_once(&once, load_libraries);
        r = codings[i].decode(d->data, d->n, &out);
        if (r == -ENOMEM || (out.n == 0 && r < 0 && r != -EAGAIN)) { /* it stays as it was */
                free(out.data);
                d->fault = explain(r);
                return r == -ENOMEM ? r : 0;
        }
        if (r == -EAGAIN && !d->is_cut)
                d->fault = "the body ends in the middle of its content coding";
        else
                d->fault = explain(r);
        d->is_cut = d->is_cut || r == -ENOBUFS;
        free(d->data);
        d->data = out.data;
        d->n = out.n;
        return 0;
}

/* The last one was put on last. */
static int decode_codings(const HttpHead *head, size_t max, Decoded *d) {
        HttpSlice names[DECODE_CODINGS_MAX], name;
        const HttpField *f = NULL;
        size_t n = 0;
        int r = 0;

        while ((f = http_head_find_next(head, "Content-Encoding", f))) {
                HttpSlice list = f->value;

                while (http_list_next(&list, &name)) {
                        if (n == DECODE_CODINGS_MAX) {
                                d->fault = "it has too many content codings";
                                return 0;
                        }
                        names[n++] = name;
                }
        }
        while (n > 0 && d->n > 0 && !d->fault && r >= 0)
                r = decode_coding(names[--n], max, d);
        return r;
}

/* The data of chunks, in the place of WIRE. */
static void decode_chunks(Decoded *d) {
        size_t at = 0, n = 0;
        HttpBody body;

        http_body_init(&body, HTTP_BODY_CHUNKED, 0);
        while (at < d->n && !http_body_is_complete(&body)) {
                int64_t data = http_body_skip(&body);
                size_t k = (size_t) MIN(data, (int64_t) (d->n - at));

                memmove(d->data + n, d->data + at, k);
                n += k;
                at += k;
                if (k == 0 && http_body_feed(&body, d->data + at++, 1) < 0) {
                        d->fault = "its chunks are malformed";
                        break;
                }
        }
        d->n = n;
}

int decode_body(const HttpHead *head, const char *wire, size_t n, bool is_part, size_t max, Decoded *ret) {
        Decoded d = { .data = malloc(n + 1), .n = n, .is_cut = is_part };
        int r = 0;

        if (!d.data)
                return -ENOMEM;
        memcpy(d.data, wire, n);
        if (head->chunked)
                decode_chunks(&d);
        if (!d.fault)
                r = decode_codings(head, max, &d);
        if (r < 0) {
                free(d.data);
                return r;
        }
        *ret = d;
        return 0;
}
