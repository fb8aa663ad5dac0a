/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Random names of tunnels: an adjective and a noun. */

#define RANDOM_NAME_MAX 32

/* Writes a name like "amazing-coder" to RET; NTH attempts from RANDOM_NAME_PLAIN on add a number, so that
 * thousands of tunnels find one. */
#define RANDOM_NAME_PLAIN 8
void random_name(unsigned attempt, char ret[static RANDOM_NAME_MAX]);
