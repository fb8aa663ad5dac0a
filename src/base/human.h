/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers as people read them. */

#include <stdint.h>

#define HUMAN_TEXT_MAX 32

/* "17 B", "1.2 MiB". */
const char *human_bytes(uint64_t bytes, char ret[static HUMAN_TEXT_MAX]);

/* The two largest units: "12s", "3h 5min", "2d 1h". */
const char *human_duration(uint64_t seconds, char ret[static HUMAN_TEXT_MAX]);
