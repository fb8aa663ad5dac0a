/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What koding/tunnel clients say besides yamux: the path that they CONNECT to, the handshake on their first
 * stream, and the bare JSON values that follow it there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KODING_IDENTIFIER_FIELD "X-KTunnel-Identifier"
#define KODING_IDENTIFIER_MAX 256                               /* ours */
#define KODING_CONNECTED "HTTP/1.1 200 Connected to Tunnel\n\n" /* to the byte */
#define KODING_HANDSHAKE "controlHandshake"                     /* the client's, on its first stream */
#define KODING_HANDSHAKE_ANSWER "controlOk"                     /* to be sent in one data frame */

/* The N bytes of a request's target are the control path, once cleaned as Go's path.Clean() does it. */
bool koding_is_control_path(const char *target, size_t n);

typedef enum KodingTransport { KODING_HTTP = 1, KODING_TCP, KODING_WEBSOCKET } KodingTransport;

#define KODING_REQUEST_MAX 64

/* Writes the message that makes the client open a stream, and a line feed, to RET. PORT: on the client's
 * machine; 0: as the client likes. Returns its length. */
size_t koding_write_request(KodingTransport transport, uint16_t port, char ret[static KODING_REQUEST_MAX]);

/* What the client says on its control stream. Its values tell us nothing yet, but must be JSON. */
typedef struct KodingReader KodingReader;

#define KODING_VALUE_MAX 4096 /* bytes of one value, with the white space before it */

/* Returns 0 or -ENOMEM. */
int koding_reader_new(KodingReader **ret);

/* Takes N bytes. Returns 1 when the handshake came to its end in them, else 0; -EBADMSG when they are neither
 * handshake nor JSON, -ENOBUFS when a value is longer than KODING_VALUE_MAX. */
int koding_reader_feed(KodingReader *r, const char *data, size_t n);

/* Takes NULL; returns NULL. */
KodingReader *koding_reader_free(KodingReader *r);
