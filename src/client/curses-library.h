/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* ncurses, loaded when there is a screen: linked, it would cost the daemon 0.3 MiB of memory. So a package
 * must name libncursesw6 as a dependency by hand. */

#define NCURSES_NOMACROS
#include <curses.h>
#include <term.h>

#include "base/macro.h"

#define CURSES_LIBRARY_FILE "libncursesw.so.6"

/* Its functions: c->endwin() is endwin(). */
typedef struct CursesLibrary {
        __typeof__(clearok) *clearok;
        __typeof__(curs_set) *curs_set;
        __typeof__(del_curterm) *del_curterm;
        __typeof__(delscreen) *delscreen;
        __typeof__(endwin) *endwin;
        __typeof__(has_colors) *has_colors;
        __typeof__(init_pair) *init_pair;
        __typeof__(newterm) *newterm;
        __typeof__(resizeterm) *resizeterm;
        __typeof__(set_curterm) *set_curterm;
        __typeof__(setupterm) *setupterm;
        __typeof__(start_color) *start_color;
        __typeof__(tigetstr) *tigetstr;
        __typeof__(use_default_colors) *use_default_colors;
        __typeof__(waddnwstr) *waddnwstr;
        __typeof__(wattr_set) *wattr_set;
        __typeof__(werase) *werase;
        __typeof__(wmove) *wmove;
        __typeof__(wrefresh) *wrefresh;
        WINDOW **window; /* stdscr */
} CursesLibrary;

/* Fills *RET. It stays in memory. Returns 0, or -ENOENT: the library or something in it is missing. */
int curses_load(CursesLibrary *ret);
