/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a TLS client says in the clear before all else (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301): enough to
 * tell where a connection belongs that is passed on as it is. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/hostname.h"

#define CLIENT_HELLO_BYTES_MAX (64 * 1024) /* with the headers of its records */
#define CLIENT_HELLO_ALPN_BYTES_MAX 512

typedef struct ClientHello {
        char server_name[HOSTNAME_LENGTH_MAX + 1]; /* lower case, without a final dot; "": none */
        uint8_t alpn[CLIENT_HELLO_ALPN_BYTES_MAX]; /* each protocol behind its length */
        size_t alpn_bytes;
} ClientHello;

/* Reads the ClientHello at the start of N bytes, which may lie in several records. Returns 0, -EAGAIN when
 * more bytes are needed, -EBADMSG when it is none or malformed, -ENOBUFS when it or its ALPN is longer than
 * the above. What can't become one is refused at once. Cheap enough to be asked again after each arrival;
 * *RET is written on success only. */
int client_hello_parse(ClientHello *ret, const void *data, size_t n);

bool client_hello_offers(const ClientHello *h, const char *protocol);
