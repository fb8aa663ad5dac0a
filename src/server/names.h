/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Random names of tunnels: an adjective and a noun. */

#include <stdbool.h>

#include "base/config-key.h"
#include "proto/hostname.h"

#define RANDOM_NAME_MAX 32

/* Writes a name like "amazing-coder" to RET; NTH attempts from RANDOM_NAME_PLAIN on add a number, so that
 * thousands of tunnels find one. */
#define RANDOM_NAME_PLAIN 8
void random_name(unsigned attempt, char ret[static RANDOM_NAME_MAX]);

/* The same for who may have only certain names (see policy.h): of PATTERNS with a * one is completed; where
 * all are exact, the NTH attempt is the NTH of them. Returns false when there is none further. */
bool random_label(const ConfigList *patterns, unsigned attempt, char ret[static HOST_LABEL_LENGTH_MAX + 1]);
