/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A timer that its owner can free at once: libuv's handle lives on until its close callback, unseen. */

#include <stdint.h>

#include "net/worker.h"

typedef struct Timer Timer;
typedef void (*TimerFn)(void *userdata);

/* Not started yet. Returns 0 or -ENOMEM. loop: W */
int timer_new(Timer **ret, Worker *w, TimerFn fn, void *userdata);

/* Starts or restarts it; fires once. */
void timer_start(Timer *t, uint64_t usec);

/* Starts it, and again after each firing. */
void timer_start_every(Timer *t, uint64_t usec);
void timer_stop(Timer *t);

/* Never fires after this. Takes NULL; returns NULL. */
Timer *timer_free(Timer *t);

/* new + start in one. */
int timer_new_after(Timer **ret, Worker *w, uint64_t usec, TimerFn fn, void *userdata);
