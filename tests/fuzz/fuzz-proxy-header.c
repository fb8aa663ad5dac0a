/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "proto/proxy-header.h"

static bool same(const ProxyHeader *a, const ProxyHeader *b) {
        return a->known == b->known && memcmp(&a->source, &b->source, sizeof(a->source)) == 0 &&
               memcmp(&a->destination, &b->destination, sizeof(a->destination)) == 0 &&
               a->source_port == b->source_port && a->destination_port == b->destination_port;
}

/* What was read is written in both versions, and read as the same. */
static void check_round_trip(const ProxyHeader *h) {
        char v1[PROXY_HEADER_V1_BYTES_MAX + 1];
        uint8_t v2[PROXY_HEADER_V2_BYTES_WRITTEN];
        size_t n = proxy_header_write_v1(h, v1);
        ProxyHeader again;

        must(n <= PROXY_HEADER_V1_BYTES_MAX && n == strlen(v1));
        must(proxy_header_parse(&again, v1, n) == (ssize_t) n && same(h, &again));
        n = proxy_header_write_v2(h, v2);
        must(n <= sizeof(v2) && proxy_header_parse(&again, v2, n) == (ssize_t) n && same(h, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        ProxyHeader h;
        ssize_t r = -EAGAIN;

        for (size_t i = 0; i <= size && r == -EAGAIN; i++) {
                r = proxy_header_parse(&h, data, i);
                must(r == (ssize_t) i || r == -EAGAIN || r == -EBADMSG || r == -ENOBUFS);
        }
        if (r > 0) {
                must(r <= PROXY_HEADER_V2_BYTES_MAX);
                check_round_trip(&h);
        }
        if (r != -EAGAIN)
                must(proxy_header_parse(&h, data, size) == r);
        return 0;
}
