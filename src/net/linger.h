/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A last answer: sends it, ends the stream, and reads what the peer is still sending for a moment, because
 * closing a socket with unread input resets it and the peer may lose the answer (RFC 9112 §9.6). */

#include "net/stream.h"

#define LINGER_TIMEOUT_USEC (2 * UINT64_C(1000000))

typedef struct Linger Linger;
typedef void (*LingerDoneFn)(Linger *l, void *userdata);

/* Owns S, also on failure. ANSWER (N ≤ BUFFER_BYTES, may be 0) is copied. DONE is called once, never before
 * this returns; it must free the linger. Returns 0 or -ENOMEM. */
int linger_new(Linger **ret, Stream *s, const void *answer, size_t n, LingerDoneFn done, void *userdata);

/* Closes the stream. Takes NULL; returns NULL. */
Linger *linger_free(Linger *l);
