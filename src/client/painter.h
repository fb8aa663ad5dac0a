/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Turns a canvas into what is to be sent to a terminal: no more than what has changed since the last one. It
 * sends nothing itself, so that a terminal that takes nothing holds nobody up. One a process, since ncurses
 * has its state to itself. */

#include <stdbool.h>
#include <stddef.h>

#include "client/canvas.h"

typedef struct Painter Painter;

/* For the terminal that TERM names. NO_COLOR in the environment is minded. Returns 0 or a negative errno;
 * -ENOENT: there is no ncurses, or TERM is unknown, or not that of a screen. */
int painter_new(Painter **ret);

/* Writes the difference to *RET, borrowed until the next call. ANEW: whatever the terminal shows is unknown,
 * as after a change of its size. Returns its length or a negative errno. */
ssize_t painter_paint(Painter *p, const Canvas *c, bool anew, const char **ret);

/* What ends a screen, in whatever state it is; borrowed. */
const char *painter_leave(const Painter *p, size_t *ret_n);

/* The terminal has been left: the next canvas begins a screen. */
void painter_pause(Painter *p);

/* Takes NULL; returns NULL. */
Painter *painter_free(Painter *p);
