/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A visitor on its way from one process to the one that replaces it: a packet of a unix socket
 * (SOCK_SEQPACKET), with the visitor's own descriptor, or one that leads to it. */

#include "net/address.h"
#include "net/stream-tls.h"
#include "server/tunnel.h"

#define PASS_BYTES_MAX 65536 /* of what was read from the visitor */

typedef struct Passed {
        TunnelProtocol protocol;
        Address peer;
        uint16_t port;                   /* tcp: of its tunnel */
        char asked[STREAM_TLS_NAME_MAX]; /* https: the name that its connection was made to, or "" */
        bool is_proved;                  /* https: it has shown a certificate of server.tls.visitor_ca */
        const void *data;                /* borrowed: what was read from it already */
        size_t n;
        int fd; /* pass_send(): borrowed; pass_receive(): owned by the caller */
} Passed;

/* Returns 0 or a negative errno. Any thread; waits for room. */
int pass_send(int channel, const Passed *p);

/* BUFFER has PASS_PACKET_MAX bytes, and the data are in it. Returns 1, 0 at the end of the channel, -EAGAIN,
 * -EBADMSG: this packet is none, or another negative errno. */
#define PASS_PACKET_MAX (PASS_BYTES_MAX + 1024)
int pass_receive(int channel, char *buffer, Passed *ret);
