/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The live screen of a pgrok that runs on a terminal: shows what a Report is told, and the last message of
 * the log, until it is asked to end by `q'. */

#include "client/report.h"
#include "net/worker.h"

typedef struct Screen Screen;

typedef struct ScreenOps {
        /* Of the session, in microseconds; 0: not known. */
        uint64_t (*round_trip)(void *userdata);

        /* Somebody has pressed `q', or the terminal is gone. */
        void (*quit)(void *userdata);
} ScreenOps;

/* From now on REPORT (borrowed; outlives it) is told to the screen, and the log writes to no terminal. SERVER
 * is whom we connect to. OPS are borrowed for ever. Returns 0 or a negative errno: the terminal can't show a
 * screen, or isn't ours; then nothing has changed. loop: W, the main thread's */
int screen_new(Screen **ret, Worker *w, Report *report, const char *server, const ScreenOps *ops,
               void *userdata);

/* Leaves the terminal as it was, and tells as text what is to stay: the tunnels, and an error if that is why.
 * Lets go of the loop. Takes NULL. */
void screen_leave(Screen *s);

/* Once it was left, the loop has ended, and no other thread tells anything any more. Takes NULL; returns
 * NULL. */
Screen *screen_free(Screen *s);
