/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A loop with what belongs to it: its mailbox, its buffers, and the streams that have input at hand
 * although their socket is quiet. The main thread runs one, and each further thread is one. Objects belong
 * to one worker and are touched on its thread only; threads talk by posting mail, which hands over
 * whatever the mail points to. */

#include <stdbool.h>
#include <uv.h>

#include "base/buffer.h"

typedef struct Worker Worker;
typedef struct Mail Mail;

typedef void (*MailFn)(Worker *w, Mail *mail); /* owns the mail now */

/* Embedded in what is sent: posting can't fail. */
struct Mail {
        Mail *next;
        MailFn deliver;
};

/* Something with input that no poll event will announce. Embedded; zeroed means not queued. */
typedef struct ReadyItem ReadyItem;
struct ReadyItem {
        ReadyItem *prev, *next;
        bool queued;
        void (*run)(ReadyItem *item); /* already taken off the queue */
};

struct Worker {
        uv_loop_t loop;
        BufferPool buffers;
        unsigned index;
        void *userdata; /* borrowed: what the program hangs on this worker */

        /* private */
        uv_async_t wakeup;
        uv_idle_t ready_idle;
        uv_prepare_t flush_prepare;
        ReadyItem *ready, *flush;
        uv_mutex_t mail_lock;
        Mail *mail_first, *mail_last;
        uv_thread_t thread;
        bool has_thread;
};

/* INDEX tells workers apart. Returns 0 or a negative errno. */
int worker_new(Worker **ret, unsigned index);

/* Only when its loop has ended or never ran. Takes NULL; returns NULL. */
Worker *worker_free(Worker *w);

/* Runs the loop in the calling thread until worker_end(). Everything on the loop must have been freed by
 * then; returns after the last close callback. */
void worker_run(Worker *w);

/* Runs the loop in a thread of its own, with all signals blocked. Returns 0 or a negative errno. */
int worker_start(Worker *w);

/* Waits until the thread of worker_start() has ended. */
void worker_join(Worker *w);

/* On the worker's own thread: end the loop once its handles are closed. */
void worker_end(Worker *w);

/* Any thread. DELIVER runs on W's thread, in the order of posting. */
void worker_post(Worker *w, Mail *mail, MailFn deliver);

void worker_ready(Worker *w, ReadyItem *item);
void worker_unready(Worker *w, ReadyItem *item);

/* Runs ITEM once, when all that this turn of the loop has to do is done, before it sleeps. One item may be
 * on one of both queues only. */
void worker_flush_later(Worker *w, ReadyItem *item);
void worker_unflush(Worker *w, ReadyItem *item);

DEFINE_CLEANUP(Worker*, worker_free);
