/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A loop with what belongs to it: the descriptors it polls, its mailbox, its buffers, and the streams that
 * have input at hand although their socket is quiet. Sockets are polled by the worker itself; libuv has the
 * timers, signals and name lookups, and whatever else is hung on `loop'. The main thread runs one, and each
 * further thread is one. Objects belong to one worker and are touched on its thread only; threads talk by
 * posting mail, which hands over whatever the mail points to. */

#include <stdbool.h>
#include <sys/epoll.h>
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

/* A descriptor that is polled. Embedded in what owns it. */
typedef struct PollItem PollItem;
struct PollItem {
        void (*run)(PollItem *item, uint32_t events); /* may remove items, and free this one */
        struct epoll_event *due;                      /* private: its place among the events at hand */
};

#define WORKER_EVENTS_MAX 256 /* descriptors served in a turn; more wait for the next */

struct Worker {
        uv_loop_t loop;
        BufferPool buffers;
        unsigned index;
        void *userdata; /* borrowed: what the program hangs on this worker */

        /* private */
        int epoll;     /* owned */
        int mail_bell; /* owned: an eventfd, rung by the first mail */
        PollItem on_mail, on_uv;
        bool uv_is_due;
        struct epoll_event due[WORKER_EVENTS_MAX];
        ReadyItem *ready, *flush;
        ReadyItem mark; /* in the ready queue: what is behind it waits for the next turn */
        uv_mutex_t mail_lock;
        Mail *mail_first, *mail_last;
        uv_thread_t thread;
        bool has_thread;
        bool has_ended; /* worker_end() was called: the loop goes on until libuv's handles are closed */
};

/* INDEX tells workers apart. Returns 0 or a negative errno. */
int worker_new(Worker **ret, unsigned index);

/* Only when its loop has ended or never ran. Takes NULL; returns NULL. */
Worker *worker_free(Worker *w);

/* Runs the loop in the calling thread until worker_end(). Everything on the loop must have been freed by
 * then; returns after the last close callback. */
void worker_run(Worker *w);

/* One turn of the loop, as worker_run() makes many. WAIT: sleeps until there is something to do. */
void worker_turn(Worker *w, bool wait);

/* Runs the loop in a thread of its own, with all signals blocked but those of a fault of its own. Returns 0
 * or a negative errno. */
int worker_start(Worker *w);

/* Waits until the thread of worker_start() has ended. */
void worker_join(Worker *w);

/* On the worker's own thread: end the loop once its handles are closed. */
void worker_end(Worker *w);

/* Any thread. DELIVER runs on W's thread, in the order of posting. */
void worker_post(Worker *w, Mail *mail, MailFn deliver);

/* Polls FD for EVENTS, which with those that are told are epoll(7)'s; EPOLLET is one of them. ITEM is zeroed
 * but for `run'. Return 0 or a negative errno. */
int worker_poll(Worker *w, PollItem *item, int fd, uint32_t events);
int worker_poll_change(Worker *w, PollItem *item, int fd, uint32_t events);

/* FD is polled no more. Needed before a close too: a copy of it, like that of a process on its way to exec(),
 * would keep it polled. */
void worker_unpoll(Worker *w, PollItem *item, int fd);

void worker_ready(Worker *w, ReadyItem *item);
void worker_unready(Worker *w, ReadyItem *item);

/* Runs ITEM once, when all that this turn of the loop has to do is done, before it sleeps. One item may be
 * on one of both queues only. */
void worker_flush_later(Worker *w, ReadyItem *item);
void worker_unflush(Worker *w, ReadyItem *item);

DEFINE_CLEANUP(Worker*, worker_free);
