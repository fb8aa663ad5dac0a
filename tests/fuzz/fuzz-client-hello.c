/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "proto/client-hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        ClientHello hello, again;
        size_t n = 0, i = 0;
        int r = -EAGAIN;

        while (n <= size && (r = client_hello_parse(&hello, data, n)) == -EAGAIN)
                n++;
        must(r == 0 || r == -EAGAIN || r == -EBADMSG || r == -ENOBUFS);
        if (r != 0)
                return 0;
        must(strlen(hello.server_name) <= HOSTNAME_LENGTH_MAX && !strpbrk(hello.server_name, ":[] /"));
        must(hello.alpn_bytes <= CLIENT_HELLO_ALPN_BYTES_MAX);
        while (i < hello.alpn_bytes) {
                must(hello.alpn[i] > 0);
                i += 1U + hello.alpn[i];
        }
        must(i == hello.alpn_bytes);
        must(client_hello_parse(&again, data, size) == 0); /* what follows changes nothing */
        must(memcmp(&hello, &again, sizeof(hello)) == 0);
        return 0;
}
