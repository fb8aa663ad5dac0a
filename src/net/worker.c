/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/worker.h"

#include <errno.h>
#include <signal.h>
#include <utlist.h>

/* The mailbox is a list under a lock that is held for a few instructions; only its first mail wakes the
 * reader. The ready queue runs from an idle handle, which keeps the loop from sleeping while it is not
 * empty. */

static void on_wakeup(uv_async_t *async) {
        Worker *w = async->data;
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

/* Items queued meanwhile wait behind the mark for the next turn, so that sockets get theirs. */
static void on_ready(uv_idle_t *idle) {
        Worker *w = idle->data;
        ReadyItem mark = {}, *item;

        worker_ready(w, &mark);
        while ((item = w->ready) != &mark) {
                worker_unready(w, item);
                item->run(item);
        }
        worker_unready(w, &mark);
}

/* A prepare handle, not a check handle: what timers and the ready queue add in this turn goes out too. */
static void on_flush(uv_prepare_t *prepare) {
        Worker *w = prepare->data;

        while (w->flush) {
                ReadyItem *item = w->flush;

                worker_unflush(w, item);
                item->run(item);
        }
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
        w->wakeup.data = w->ready_idle.data = w->flush_prepare.data = w;
        r = uv_async_init(&w->loop, &w->wakeup, on_wakeup);
        if (r < 0) {
                uv_loop_close(&w->loop);
                free(w);
                return r;
        }
        uv_idle_init(&w->loop, &w->ready_idle);
        uv_prepare_init(&w->loop, &w->flush_prepare);
        uv_mutex_init(&w->mail_lock);
        *ret = w;
        return 0;
}

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;
        if (!uv_is_closing((uv_handle_t*) &w->wakeup)) /* it never ran */
                worker_end(w);
        uv_run(&w->loop, UV_RUN_DEFAULT);
        if (uv_loop_close(&w->loop) < 0)
                abort(); /* somebody still owns a handle on a loop that has ended */
        uv_mutex_destroy(&w->mail_lock);
        buffer_pool_done(&w->buffers);
        free(w);
        return NULL;
}

void worker_run(Worker *w) {
        uv_run(&w->loop, UV_RUN_DEFAULT);
}

static void worker_thread(void *arg) {
        worker_run(arg);
}

int worker_start(Worker *w) {
        sigset_t all, before;
        int r;

        sigfillset(&all); /* signals are the main thread's: it inherits this mask */
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
        uv_close((uv_handle_t*) &w->wakeup, NULL);
        uv_close((uv_handle_t*) &w->ready_idle, NULL);
        uv_close((uv_handle_t*) &w->flush_prepare, NULL);
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
                uv_async_send(&w->wakeup);
}

void worker_ready(Worker *w, ReadyItem *item) {
        if (item->queued)
                return;
        if (!w->ready)
                uv_idle_start(&w->ready_idle, on_ready);
        item->queued = true;
        DL_APPEND(w->ready, item);
}

void worker_unready(Worker *w, ReadyItem *item) {
        if (!item->queued)
                return;
        item->queued = false;
        DL_DELETE(w->ready, item);
        if (!w->ready)
                uv_idle_stop(&w->ready_idle);
}

void worker_flush_later(Worker *w, ReadyItem *item) {
        if (item->queued)
                return;
        if (!w->flush)
                uv_prepare_start(&w->flush_prepare, on_flush);
        item->queued = true;
        DL_APPEND(w->flush, item);
}

void worker_unflush(Worker *w, ReadyItem *item) {
        if (!item->queued)
                return;
        item->queued = false;
        DL_DELETE(w->flush, item);
        if (!w->flush)
                uv_prepare_stop(&w->flush_prepare);
}
