/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a captured body says once chunks (RFC 9112 §7.1) and content codings (RFC 9110 §8.4.1: gzip, deflate;
 * RFC 7932: br) are taken off, as far as it was kept. zlib and brotli are loaded when they are needed first.
 */

#include "proto/http-head.h"

#define DECODE_CODINGS_MAX 3

typedef struct Decoded {
        char *data; /* owned */
        size_t n;
        bool is_cut;       /* there is more than was kept, or than fits */
        const char *fault; /* a constant: why what follows is missing, or NULL */
} Decoded;

/* N bytes at WIRE are (the beginning, with IS_PART, of) the body behind HEAD; decoded it may have MAX bytes.
 * Returns 0 or -ENOMEM. What can't be decoded stays as it is, with a fault. */
int decode_body(const HttpHead *head, const char *wire, size_t n, bool is_part, size_t max, Decoded *ret);
