/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Dates as HTTP has them (RFC 9110 §5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT". */

#include <stdint.h>

#define HTTP_DATE_MAX 40

/* SEC since 1970, of a year with at most four digits. */
const char *http_date_format(int64_t sec, char ret[static HTTP_DATE_MAX]);

/* This form only: the two obsolete ones read as none. Returns 0 or -EINVAL. */
int http_date_parse(const char *s, int64_t *ret_sec);
