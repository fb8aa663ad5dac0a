/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/guard.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <utlist.h>

#include "base/parse.h"
#include "base/str.h"
#include "net/tls.h"
#include "server/attempts.h"
#include "server/verdicts.h"

/*   waiting ──a thread takes it──► under way ──verdict──► in the mail ──► told, freed
 *
 * A check may be cancelled all the while: then nobody is told. */

#define GUARD_SECRET_BYTES 32
#define GUARD_NICE 10 /* those who are let in already come first */

struct GuardCheck {
        Mail mail;
        Guard *guard;   /* borrowed */
        Worker *worker; /* borrowed */
        Tunnel *tunnel; /* a reference */
        Address visitor;
        VerdictKey key;
        char *credentials;      /* owned */
        bool is_waiting;        /* under the guard's lock, as the links */
        GuardCheckedFn checked; /* the worker's own; NULL: cancelled */
        void *userdata;         /* borrowed */
        GuardCheck *prev, *next;
};

struct Guard {
        uint8_t secret[GUARD_SECRET_BYTES];
        pthread_mutex_t lock; /* for all that follows */
        pthread_cond_t wanted;
        Attempts *attempts;          /* owned */
        Verdicts *verdicts;          /* owned */
        GuardCheck *waiting, *taken; /* owned, the oldest first */
        unsigned n_waiting;
        pthread_t threads[GUARD_THREADS];
        unsigned n_threads;
        bool is_ending;
};

static void check_free(GuardCheck *c) {
        tunnel_unref(c->tunnel);
        if (c->credentials)
                explicit_bzero(c->credentials, strlen(c->credentials));
        free(c->credentials);
        free(c);
}

/* ---- what is known ---- */

/* The verdict is about this visitor, too: else everybody could try what is right for others. */
static int make_key(const Guard *g, const Tunnel *t, HttpSlice credentials, const Address *visitor,
                    VerdictKey *ret) {
        Ip network = address_network(visitor);
        gnutls_hmac_hd_t hmac;
        int r = gnutls_hmac_init(&hmac, GNUTLS_MAC_SHA256, g->secret, sizeof(g->secret));

        if (r < 0)
                return tls_errno(r);
        r = gnutls_hmac(hmac, http_users_id(t->users), HTTP_USERS_ID_BYTES);
        if (r >= 0)
                r = gnutls_hmac(hmac, &network, sizeof(network));
        if (r >= 0)
                r = gnutls_hmac(hmac, credentials.data, credentials.length);
        gnutls_hmac_deinit(hmac, ret->bytes);
        return tls_errno(r);
}

static void guard_note(Guard *g, const VerdictKey *key, const Address *visitor, bool is_right) {
        uint64_t now = clock_usec();

        (void) verdicts_put(g->verdicts, key, is_right, now);
        if (!is_right)
                (void) attempts_failed(g->attempts, visitor, now);
}

/* With the lock. IS_KNOWN: the password is right, in clear. */
static GuardAnswer guard_look(Guard *g, const Tunnel *t, const VerdictKey *key, const Address *visitor,
                              bool is_known) {
        uint64_t now = clock_usec();

        switch (verdicts_find(g->verdicts, key, now)) {
        case 1:
                return GUARD_ADMITTED;
        case 0:
                return GUARD_WRONG;
        }
        if (attempts_wait_usec(g->attempts, visitor, now) > 0)
                return GUARD_LIMITED;
        if (!is_known && http_users_are_hashed(t->users))
                return GUARD_UNSURE;
        guard_note(g, key, visitor, is_known);
        return is_known ? GUARD_ADMITTED : GUARD_WRONG;
}

GuardAnswer guard_ask(Guard *g, const Tunnel *t, HttpSlice credentials, const Ip *visitor) {
        bool is_known = http_users_know(t->users, credentials);
        Address address = address_from_ip(visitor);
        GuardAnswer answer;
        VerdictKey key;

        if (credentials.length == 0)
                return GUARD_UNASKED;
        if (make_key(g, t, credentials, &address, &key) < 0)
                return GUARD_WRONG;
        pthread_mutex_lock(&g->lock);
        answer = guard_look(g, t, &key, &address, is_known);
        pthread_mutex_unlock(&g->lock);
        return answer;
}

/* ---- the threads ---- */

static void on_checked(Worker *w _unused_, Mail *mail) {
        GuardCheck *c = container_of(mail, GuardCheck, mail);
        Guard *g = c->guard;

        pthread_mutex_lock(&g->lock);
        DL_DELETE(g->taken, c);
        pthread_mutex_unlock(&g->lock);
        if (c->checked)
                c->checked(c->userdata);
        check_free(c);
}

/* Others may have asked the same meanwhile, or failed too often. */
static bool guard_is_sure(Guard *g, const GuardCheck *c) {
        uint64_t now = clock_usec();

        return verdicts_find(g->verdicts, &c->key, now) >= 0 ||
               attempts_wait_usec(g->attempts, &c->visitor, now) > 0;
}

/* With the lock, which is let go of meanwhile. */
static void guard_compute(Guard *g, GuardCheck *c) {
        bool is_right;

        if (guard_is_sure(g, c))
                return;
        pthread_mutex_unlock(&g->lock);
        is_right = http_users_verify(c->tunnel->users, c->credentials);
        pthread_mutex_lock(&g->lock);
        guard_note(g, &c->key, &c->visitor, is_right);
}

static void guard_forget(Guard *g, GuardCheck *c) {
        DL_DELETE(g->waiting, c);
        g->n_waiting--;
        c->is_waiting = false;
        atomic_fetch_sub(&c->tunnel->user->n_checks, 1);
}

static void *guard_run(void *userdata) {
        Guard *g = userdata;

        (void) setpriority(PRIO_PROCESS, 0, GUARD_NICE); /* Linux: of this thread */
        pthread_mutex_lock(&g->lock);
        while (!g->is_ending) {
                GuardCheck *c = g->waiting;

                if (!c) {
                        pthread_cond_wait(&g->wanted, &g->lock);
                        continue;
                }
                guard_forget(g, c);
                DL_APPEND(g->taken, c);
                guard_compute(g, c);
                worker_post(c->worker, &c->mail, on_checked); /* from now on it is the worker's */
        }
        pthread_mutex_unlock(&g->lock);
        return NULL;
}

/* As many as there is work for; with none at all nothing would ever be told. */
static int guard_start_thread(Guard *g) {
        sigset_t all, before;
        int r;

        if (g->n_threads == GUARD_THREADS)
                return 0;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
        r = pthread_create(&g->threads[g->n_threads], NULL, guard_run, g);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r == 0)
                g->n_threads++;
        return g->n_threads > 0 ? 0 : -r;
}

/* ---- checks ---- */

static int guard_enqueue(Guard *g, GuardCheck *c) {
        int r = g->n_waiting < GUARD_WAITING_MAX ? guard_start_thread(g) : -ENOBUFS;

        if (r < 0)
                return r;
        if (atomic_fetch_add(&c->tunnel->user->n_checks, 1) >= GUARD_WAITING_OF_USER_MAX) {
                atomic_fetch_sub(&c->tunnel->user->n_checks, 1);
                return -ENOBUFS;
        }
        DL_APPEND(g->waiting, c);
        g->n_waiting++;
        c->is_waiting = true;
        pthread_cond_signal(&g->wanted);
        return 0;
}

int guard_check(GuardCheck **ret, Guard *g, Worker *w, Tunnel *t, HttpSlice credentials, const Ip *visitor,
                GuardCheckedFn checked, void *userdata) {
        GuardCheck *c = new0(GuardCheck, 1);
        int r;

        if (!c)
                return -ENOMEM;
        *c = (GuardCheck) {
                .guard = g,
                .worker = w,
                .tunnel = tunnel_ref(t),
                .visitor = address_from_ip(visitor),
                .credentials = strndup(credentials.data, credentials.length),
                .checked = checked,
                .userdata = userdata,
        };
        r = c->credentials ? make_key(g, t, credentials, &c->visitor, &c->key) : -ENOMEM;
        if (r >= 0) {
                pthread_mutex_lock(&g->lock);
                r = guard_enqueue(g, c);
                pthread_mutex_unlock(&g->lock);
        }
        if (r < 0)
                check_free(c);
        else
                *ret = c;
        return r;
}

GuardCheck *guard_cancel(GuardCheck *c) {
        Guard *g = c ? c->guard : NULL;
        bool was_waiting;

        if (!c)
                return NULL;
        c->checked = NULL;
        pthread_mutex_lock(&g->lock);
        was_waiting = c->is_waiting;
        if (was_waiting)
                guard_forget(g, c);
        pthread_mutex_unlock(&g->lock);
        if (was_waiting)
                check_free(c);
        return NULL;
}

/* ---- life ---- */

int guard_new(Guard **ret) {
        Guard *g = new0(Guard, 1);
        int r;

        if (!g)
                return -ENOMEM;
        pthread_mutex_init(&g->lock, NULL);
        pthread_cond_init(&g->wanted, NULL);
        random_bytes(g->secret, sizeof(g->secret));
        r = attempts_new(&g->attempts);
        if (r >= 0)
                r = verdicts_new(&g->verdicts);
        if (r < 0)
                guard_free(g);
        else
                *ret = g;
        return r;
}

static void free_list(GuardCheck *list) {
        GuardCheck *c, *next;

        DL_FOREACH_SAFE(list, c, next)
                check_free(c);
}

Guard *guard_free(Guard *g) {
        if (!g)
                return NULL;
        pthread_mutex_lock(&g->lock);
        g->is_ending = true;
        pthread_cond_broadcast(&g->wanted);
        pthread_mutex_unlock(&g->lock);
        for (unsigned i = 0; i < g->n_threads; i++)
                pthread_join(g->threads[i], NULL);
        free_list(g->waiting);
        free_list(g->taken); /* their mail is not delivered any more */
        attempts_free(g->attempts);
        verdicts_free(g->verdicts);
        pthread_cond_destroy(&g->wanted);
        pthread_mutex_destroy(&g->lock);
        explicit_bzero(g->secret, sizeof(g->secret));
        free(g);
        return NULL;
}
