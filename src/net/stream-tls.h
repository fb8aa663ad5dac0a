/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* TLS over a connected socket as a stream. The handshake runs by itself: until it is done, reads and
 * writes say -EAGAIN; then the events follow. A read-ahead buffer of our own feeds GnuTLS and an output
 * queue of our own takes its records, so that several records cost one system call; both go back to the
 * pool when empty. */

#include "net/stream.h"
#include "net/tls.h"

typedef enum StreamTlsFlags {
        /* The connection's end without close_notify is an end, not an abort: right for visitors, whose
         * browsers often leave that way; wrong on a tunnel leg. */
        STREAM_TLS_LENIENT_END = 1 << 0,
} StreamTlsFlags;

/* Both own FD (connected, non-blocking) on success only, and take a reference to the context. Return 0 or a
 * negative errno. loop: W */
int stream_tls_new_server(Stream **ret, Worker *w, int fd, TlsServer *tls, unsigned flags);

/* What was read from S's socket before S was: IN, taken, which is not empty. S is of stream_tls_new_server(),
 * and new. */
void stream_tls_begin_with(Stream *s, Buffer *in);

/* HOST is the name that the server's certificate must have, and the SNI unless it is an address. ALPN: what
 * to offer, the best first, ends with NULL; or NULL. */
int stream_tls_new_client(Stream **ret, Worker *w, int fd, TlsClient *tls, const char *host,
                          const char *const *alpn, unsigned flags);

/* The name in the certificate that the client has proved to own (see tls_peer_name()): *RET_NAME, owned by
 * the caller. Untouched where none is required, and unless the handshake has been done. Returns 0 or
 * -ENOMEM. */
int stream_tls_peer_name(Stream *s, char **ret_name);

/* In its handshake, which is done, the client has shown a certificate that tls_server_ask_client() wants of
 * those who come to JUDGE: the server that S is of, or one that has taken its place. */
bool stream_tls_is_proved(Stream *s, TlsServer *judge);

/* S, such a stream, turns out to be a connection between client and server: socket_set_tunnel_options(). */
void stream_tls_set_tunnel_options(Stream *s);

/* The name that the client has asked for (SNI), in lower case, or "" for none; once the handshake is done. S
 * is of stream_tls_new_server(). Returns RET. */
#define STREAM_TLS_NAME_MAX 256
const char *stream_tls_asked_name(Stream *s, char ret[static STREAM_TLS_NAME_MAX]);

/* True once ALPN has chosen PROTOCOL. S is such a stream. */
bool stream_tls_speaks(Stream *s, const char *protocol);
