/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The field Range (RFC 9110 §14.2): which part of a resource is wanted. */

#include <stdint.h>

typedef struct HttpRange {
        uint64_t first, length;
} HttpRange;

/* VALUE (or NULL), of a resource of SIZE bytes. Returns 1 with *RET, within SIZE and not empty; 0 when all of
 * it is to be sent: there is no such field, it asks for several parts, or it is malformed; or -ERANGE when
 * the part lies outside (416). */
int http_range_parse(const char *value, uint64_t size, HttpRange *ret);
