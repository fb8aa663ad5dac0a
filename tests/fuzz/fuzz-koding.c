/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "proto/koding.h"

/* Feeds it STEP bytes at a time. Returns 0, or the first error. */
static int read_all(const char *data, size_t size, size_t step, unsigned *ret_n_handshakes) {
        KodingReader *r = NULL;
        int e = 0;

        *ret_n_handshakes = 0;
        must(koding_reader_new(&r) == 0);
        for (size_t i = 0; i < size && e == 0; i += step) {
                size_t n = size - i < step ? size - i : step;

                e = koding_reader_feed(r, data + i, n);
                must(e == 0 || e == 1 || e == -EBADMSG || e == -ENOBUFS);
                *ret_n_handshakes += e == 1;
                e = e == 1 ? 0 : e;
        }
        koding_reader_free(r);
        return e;
}

/* The handshake does not depend on how the input is cut; json-c takes some malformed numbers only whole. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *s = (const char*) data;
        unsigned n_whole, n_bytes;
        int whole = read_all(s, size, size + 1, &n_whole), bytes = read_all(s, size, 1, &n_bytes);

        must(n_whole <= 1 && n_bytes <= 1);
        if (whole == 0 && bytes == 0)
                must(n_whole == n_bytes);
        (void) koding_is_control_path(s, size);
        return 0;
}
