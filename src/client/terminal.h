/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The terminal on stdin and stdout: its modes, and what is written to it. Whatever signal ends the process,
 * but SIGKILL, the terminal is brought back first. There is one, so this is no object. loop: main */

#include <stdbool.h>
#include <sys/types.h>

#define TERMINAL_LEAVE_MAX 512

/* Are both one, and are we in its foreground, so that we may change it? */
bool terminal_is_ours(void);

void terminal_size(unsigned *ret_width, unsigned *ret_height);

/* Keys come at once and show nothing; those of signals stay what they are. LEAVE, N bytes, ends what will be
 * written. Returns 0 or a negative errno. */
int terminal_enter(const char *leave, size_t n);

/* Brings the modes of terminal_enter() back in force, after somebody else has had the terminal. */
void terminal_renew(void);

/* Never waits. Returns how many of N bytes were taken, or a negative errno. */
ssize_t terminal_write(const char *data, size_t n);

/* Everything is as before terminal_enter(). It may be called without. */
void terminal_leave(void);
