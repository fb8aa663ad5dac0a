/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <utlist.h>

/* One epoll instance, edge-triggered: a socket is added once and hardly ever changed, while uv_poll_t makes
 * several calls of epoll_ctl() for each. libuv's own descriptor is one of those polled, and libuv gets a turn
 * when it has something to do.
 *
 * The mailbox is a list under a lock that is held for a few instructions; only its first mail rings the bell,
 * an eventfd that is never read: each write is an edge. */

static void on_mail(PollItem *item, uint32_t events _unused_) {
        Worker *w = container_of(item, Worker, on_mail);
        Mail *mail;

        uv_mutex_lock(&w->mail_lock);
        mail = TAKE_PTR(w->mail_first);
        w->mail_last = NULL;
        uv_mutex_unlock(&w->mail_lock);

        while (mail) {
                Mail *next = mail->next;

                mail->deliver(w, mail);
                mail = next;
        }
}

/* It only ends the sleep: worker_turn() asks libuv what it has to do. */
static void on_uv(PollItem *item, uint32_t events _unused_) {
        Worker *w = container_of(item, Worker, on_uv);

        w->uv_is_due = true;
}

/* Items queued meanwhile wait behind the mark for the next turn, so that sockets get theirs. */
static void worker_run_ready(Worker *w) {
        ReadyItem *item;

        if (!w->ready)
                return;
        worker_ready(w, &w->mark);
        while ((item = w->ready) != &w->mark) {
                worker_unready(w, item);
                item->run(item);
        }
        worker_unready(w, &w->mark);
}

/* The last thing in a turn: what timers and the ready queue add goes out too. */
static void worker_run_flush(Worker *w) {
        while (w->flush) {
                ReadyItem *item = w->flush;

                worker_unflush(w, item);
                item->run(item);
        }
}

/* How long epoll may sleep, in milliseconds. */
static int worker_sleep(Worker *w, bool wait) {
        if (!wait || w->ready || w->flush)
                return 0;
        uv_update_time(&w->loop); /* this turn's work has taken time */
        return uv_loop_alive(&w->loop) ? uv_backend_timeout(&w->loop) : -1;
}

void worker_turn(Worker *w, bool wait) {
        int n = epoll_wait(w->epoll, w->due, WORKER_EVENTS_MAX, worker_sleep(w, wait));

        uv_update_time(&w->loop);
        for (int i = 0; i < n; i++)
                ((PollItem*) w->due[i].data.ptr)->due = &w->due[i];
        for (int i = 0; i < n; i++) {
                PollItem *item = w->due[i].data.ptr;

                if (!item) /* removed meanwhile */
                        continue;
                item->due = NULL;
                item->run(item, w->due[i].events);
        }
        worker_run_ready(w);
        if (w->uv_is_due || uv_backend_timeout(&w->loop) == 0) {
                w->uv_is_due = false;
                uv_run(&w->loop, UV_RUN_NOWAIT);
        }
        worker_run_flush(w);
}

int worker_poll(Worker *w, PollItem *item, int fd, uint32_t events) {
        struct epoll_event e = { .events = events, .data.ptr = item };

        return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

int worker_poll_change(Worker *w, PollItem *item, int fd, uint32_t events) {
        struct epoll_event e = { .events = events, .data.ptr = item };

        return epoll_ctl(w->epoll, EPOLL_CTL_MOD, fd, &e) < 0 ? -errno : 0;
}

void worker_unpoll(Worker *w, PollItem *item, int fd) {
        if (item->due)
                item->due->data.ptr = NULL;
        item->due = NULL;
        (void) epoll_ctl(w->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static int worker_init(Worker *w) {
        int r;

        w->epoll = epoll_create1(EPOLL_CLOEXEC);
        w->mail_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (w->epoll < 0 || w->mail_bell < 0)
                return -errno;
        w->on_mail.run = on_mail;
        w->on_uv.run = on_uv;
        r = worker_poll(w, &w->on_mail, w->mail_bell, EPOLLIN | EPOLLET);
        return r < 0 ? r : worker_poll(w, &w->on_uv, uv_backend_fd(&w->loop), EPOLLIN);
}

static void worker_done(Worker *w) {
        if (uv_loop_close(&w->loop) < 0)
                abort(); /* somebody still owns a handle on a loop that has ended */
        safe_close(w->mail_bell);
        safe_close(w->epoll);
        uv_mutex_destroy(&w->mail_lock);
        buffer_pool_done(&w->buffers);
        free(w);
}

int worker_new(Worker **ret, unsigned index) {
        Worker *w = new0(Worker, 1);
        int r;

        if (!w)
                return -ENOMEM;
        r = uv_loop_init(&w->loop);
        if (r < 0) {
                free(w);
                return r;
        }
        w->index = index;
        w->loop.data = w;
        w->mail_bell = -1;
        uv_mutex_init(&w->mail_lock);
        r = worker_init(w);
        if (r < 0) {
                worker_done(w);
                return r;
        }
        *ret = w;
        return 0;
}

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;
        uv_run(&w->loop, UV_RUN_DEFAULT);
        worker_done(w);
        return NULL;
}

void worker_run(Worker *w) {
        while (!w->has_ended || uv_loop_alive(&w->loop))
                worker_turn(w, true);
}

static void worker_thread(void *arg) {
        worker_run(arg);
}

int worker_start(Worker *w) {
        static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT }; /* its own */
        sigset_t all, before;
        int r;

        sigfillset(&all); /* signals are the main thread's: it inherits this mask */
        for (size_t i = 0; i < ELEMENTSOF(faults); i++)
                sigdelset(&all, faults[i]);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = uv_thread_create(&w->thread, worker_thread, w);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        w->has_thread = r == 0;
        return r;
}

void worker_join(Worker *w) {
        if (w->has_thread)
                uv_thread_join(&w->thread);
        w->has_thread = false;
}

void worker_end(Worker *w) {
        w->has_ended = true;
}

void worker_post(Worker *w, Mail *mail, MailFn deliver) {
        bool first;

        mail->next = NULL;
        mail->deliver = deliver;
        uv_mutex_lock(&w->mail_lock);
        first = !w->mail_first;
        if (first)
                w->mail_first = mail;
        else
                w->mail_last->next = mail;
        w->mail_last = mail;
        uv_mutex_unlock(&w->mail_lock);
        if (first)
                (void) eventfd_write(w->mail_bell, 1);
}

void worker_ready(Worker *w, ReadyItem *item) {
        if (item->queued)
                return;
        item->queued = true;
        DL_APPEND(w->ready, item);
}

void worker_unready(Worker *w, ReadyItem *item) {
        if (!item->queued)
                return;
        item->queued = false;
        DL_DELETE(w->ready, item);
}

void worker_flush_later(Worker *w, ReadyItem *item) {
        if (item->queued)
                return;
        item->queued = true;
        DL_APPEND(w->flush, item);
}

void worker_unflush(Worker *w, ReadyItem *item) {
        if (!item->queued)
                return;
        item->queued = false;
        DL_DELETE(w->flush, item);
}
