/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the fuzz targets share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An invariant of the code under test: unlike assert() it is never compiled out. */
#define must(condition) ((condition) ? (void) 0 : abort())

/* The N bytes at P lie within the SIZE bytes at DATA. */
static inline bool lies_inside(const void *p, size_t n, const void *data, size_t size) {
        uintptr_t start = (uintptr_t) data, at = (uintptr_t) p;

        return at >= start && n <= size && at - start <= size - n;
}
