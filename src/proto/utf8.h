/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* N bytes at S are UTF-8 (RFC 3629 §4: shortest forms only, no surrogates, at most U+10FFFF) without control
 * characters below U+0020 other than tab, line feed and carriage return. */
bool utf8_is_valid(const char *s, size_t n);
