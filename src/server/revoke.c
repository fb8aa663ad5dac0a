/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/revoke.h"

#include <errno.h>
#include <time.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "server/visitor.h"

#define SEC_PER_DAY 86400

typedef struct Revocation {
        Mail mail;
        User *user; /* a reference */
        char *why;  /* owned */
} Revocation;

static void revocation_free(Revocation *r) {
        user_unref(r->user);
        free(r->why);
        free(r);
}

/* ---- a shard ---- */

static Session *find_session_of(Shard *sh, const User *user) {
        for (Session *s = sh->sessions; s; s = s->hh.next)
                if (s->spec.user == user)
                        return s;
        return NULL;
}

static void on_revocation(Worker *w, Mail *mail) {
        Revocation *r = container_of(mail, Revocation, mail);
        Shard *sh = shard_of(w);
        Session *s;

        visitor_abort_user(sh, r->user);
        while ((s = find_session_of(sh, r->user))) /* the end of one may end others */
                session_end(s, r->why);
        visitor_retry_parked(sh); /* there is nothing to wait for any more */
        revocation_free(r);
}

/* ---- main ---- */

static int revocation_post(Shard *sh, User *user, const char *why) {
        Revocation *r = new0(Revocation, 1);

        if (!r || str_replace(&r->why, why) < 0) {
                free(r);
                return -ENOMEM;
        }
        r->user = user_ref(user);
        worker_post(sh->worker, &r->mail, on_revocation);
        return 0;
}

void revoke_user(Server *s, User *user, User *successor, const char *why) {
        log_struct(LOG_NOTICE, LOG_FIELDS({ "PGROK_EVENT", "revoked" }, { "PGROK_USER", user->name }),
                   "The sessions of %s end: %s", user->name, why);
        registry_revoke(s->registry, user->name, successor, clock_usec());
        for (unsigned i = 0; i < s->n_shards; i++)
                if (revocation_post(&s->shards[i], user, why) < 0)
                        log_error("Out of memory: sessions of %s go on without tunnels", user->name);
        server_update_sweep(s);
}

void revoke_expired(Server *s) {
        int64_t now = time(NULL);
        User *user;

        if (now / SEC_PER_DAY == s->expiry_day) /* time is over at midnight */
                return;
        s->expiry_day = now / SEC_PER_DAY;
        while ((user = registry_find_expired(s->registry, now))) {
                revoke_user(s, user, NULL, "its token has expired");
                user_unref(user);
        }
}
