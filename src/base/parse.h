/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers, times and sizes as people write them. All return 0, -EINVAL (not one) or -ERANGE (does not
 * fit), and leave their result untouched on failure. */

#include <stdbool.h>
#include <stdint.h>

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define MSEC_PER_SEC UINT64_C(1000)

/* Decimal digits only: no sign, no white space. */
int parse_uint(const char *s, uint64_t max, uint64_t *ret);

/* 0 to 65535. */
int parse_port(const char *s, uint16_t *ret);

/* "LO-HI" or one port, 1 to 65535, LO ≤ HI. */
int parse_port_range(const char *s, uint16_t *ret_low, uint16_t *ret_high);

/* A number with a unit: us, ms, s, min, h, d; several add up ("1min 30s"); "0" needs none. */
int parse_time(const char *s, uint64_t *ret_usec);

/* A number of bytes with an optional K, M, G or T (powers of 1024). */
int parse_size(const char *s, uint64_t *ret_bytes);

/* CLOCK_MONOTONIC, in microseconds. */
uint64_t clock_usec(void);
