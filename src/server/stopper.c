/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/stopper.h"

#include <errno.h>

#include "base/log.h"

/*   STOPPING ──all idle, or time──► ABORTING ──all have answered──► the workers end, then main
 *
 * What a shard had posted before its last answer has been dealt with when that comes, and an aborted shard
 * posts nothing more: so no mail is lost when the loops end. */

typedef struct StopMail {
        Mail mail;
        Stopper *stopper;
} StopMail;

struct Stopper {
        Server *server;  /* borrowed */
        Timer *timeout;  /* owned */
        StopMail *mails; /* owned: one a shard, under way once at a time */
        unsigned n_stopped, n_idle, n_aborted;
        bool aborting;
};

static void on_shard_end(Worker *w, Mail *mail _unused_) {
        worker_end(w);
}

static void on_shard_aborted(Worker *w _unused_, Mail *mail) {
        Stopper *st = container_of(mail, StopMail, mail)->stopper;
        Server *s = st->server;

        if (++st->n_aborted < s->n_shards)
                return;
        for (unsigned i = 0; i < s->n_shards; i++)
                worker_post(s->shards[i].worker, &st->mails[i].mail, on_shard_end);
        server_end(s);
}

static void on_shard_abort(Worker *w, Mail *mail) {
        Shard *sh = shard_of(w);

        shard_abort(sh);
        worker_post(sh->server->main, mail, on_shard_aborted);
}

void stopper_hurry(Stopper *st) {
        if (st->aborting)
                return;
        st->aborting = true;
        server_close_services(st->server); /* else they would ask shards that answer no more */
        timer_stop(st->timeout);
        for (unsigned i = 0; i < st->server->n_shards; i++)
                worker_post(st->server->shards[i].worker, &st->mails[i].mail, on_shard_abort);
}

void stopper_check(Stopper *st) {
        const Server *s = st->server;
        bool is_asked = s->successor_fd >= 0 && s->control && !http_service_is_idle(s->control);

        if (st->n_idle == s->n_shards && !is_asked)
                stopper_hurry(st);
}

void stopper_on_idle(Worker *w, Mail *mail _unused_) {
        Server *s = w->userdata;

        s->stopper->n_idle++;
        stopper_check(s->stopper);
}

void stopper_limit(Stopper *st, uint64_t usec) {
        if (!st->aborting)
                timer_start(st->timeout, usec);
}

static void on_stopper_timeout(void *userdata) {
        stopper_hurry(userdata);
}

/* No shard listens any more: whoever comes next may have the addresses. */
static void on_shard_stopped(Worker *w, Mail *mail) {
        Server *s = w->userdata;

        free(mail);
        if (++s->stopper->n_stopped == s->n_shards)
                server_close_sockets(s);
}

static void on_shard_stop(Worker *w, Mail *mail) {
        Shard *sh = shard_of(w);

        shard_stop(sh);
        worker_post(sh->server->main, mail, on_shard_stopped);
}

static int stopper_begin(Stopper *st, uint64_t usec) {
        Server *s = st->server;
        int r;

        st->mails = new0(StopMail, s->n_shards);
        if (!st->mails)
                return -ENOMEM;
        r = timer_new_after(&st->timeout, s->main, usec, on_stopper_timeout, st);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < s->n_shards; i++) {
                Mail *order = new0(Mail, 1);

                st->mails[i].stopper = st;
                if (order) /* else it goes on until it is aborted */
                        worker_post(s->shards[i].worker, order, on_shard_stop);
        }
        return 0;
}

int stopper_new(Stopper **ret, Server *s, uint64_t usec) {
        Stopper *st = new0(Stopper, 1);
        int r;

        if (!st)
                return -ENOMEM;
        st->server = s;
        r = stopper_begin(st, usec);
        if (r < 0) {
                stopper_free(st);
                return r;
        }
        *ret = st;
        return 0;
}

Stopper *stopper_free(Stopper *st) {
        if (!st)
                return NULL;
        timer_free(st->timeout);
        free(st->mails);
        free(st);
        return NULL;
}
