/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/auth-token-file.h"

#include <errno.h>
#include <utlist.h>

#include "base/file-watch.h"
#include "base/log.h"
#include "base/str.h"
#include "server/token-table.h"

#define WAITING_MAX 256
#define UNKNOWN_TOKEN "Authentication failed: the server doesn't know this token"

/* A client whose token may be in the next version of the file. */
typedef struct TokenPending TokenPending;
struct TokenPending {
        AuthPending pending;
        char *token; /* owned */
        AuthAnswerFn answer;
        void *userdata;
        TokenPending *prev, *next; /* the file's */
};

typedef struct TokenFileAuth {
        Auth auth;
        char *file;            /* owned */
        TokenTable *table;     /* owned: the version in force */
        FileWatch watch;       /* of the version that was read last, also when it was refused */
        TokenPending *waiting; /* until the version that is there is read */
        unsigned n_waiting;
} TokenFileAuth;

static TokenFileAuth *token_file(Auth *a) {
        return container_of(a, TokenFileAuth, auth);
}

/* ---- questions ---- */

static void pending_free(TokenPending *p) {
        if (p->token)
                explicit_bzero(p->token, strlen(p->token));
        free(p->token);
        free(p);
}

static int token_file_wait(TokenFileAuth *a, const char *token, AuthPending **ret, AuthAnswerFn answer,
                           void *userdata) {
        TokenPending *p;

        if (a->n_waiting >= WAITING_MAX)
                return -ENOBUFS;
        p = new0(TokenPending, 1);
        if (!p || str_replace(&p->token, token) < 0) {
                free(p);
                return -ENOMEM;
        }
        p->pending.auth = &a->auth;
        p->answer = answer;
        p->userdata = userdata;
        DL_APPEND(a->waiting, p);
        a->n_waiting++;
        *ret = &p->pending;
        return 0;
}

/* Who uses a token that `pgrokctl token add' has just printed is not refused, but waits for the next poll. */
static int token_file_ask(Auth *auth, const AuthQuestion *q, AuthPending **ret, AuthAnswerFn answer,
                          void *userdata) {
        TokenFileAuth *a = token_file(auth);
        User *u = token_table_find(a->table, q->token);

        if (!u && !file_watch_is_used(&a->watch, a->file))
                return token_file_wait(a, q->token, ret, answer, userdata);
        answer(NULL, u, u ? NULL : UNKNOWN_TOKEN, userdata);
        return 0;
}

static void token_file_drop(TokenFileAuth *a, TokenPending *p) {
        DL_DELETE(a->waiting, p);
        a->n_waiting--;
}

static void token_file_cancel(AuthPending *pending) {
        TokenPending *p = container_of(pending, TokenPending, pending);

        token_file_drop(token_file(pending->auth), p);
        pending_free(p);
}

static void token_file_answer(TokenFileAuth *a) {
        while (a->waiting) {
                TokenPending *p = a->waiting;
                User *u = token_table_find(a->table, p->token);

                token_file_drop(a, p);
                p->answer(&p->pending, u, u ? NULL : UNKNOWN_TOKEN, p->userdata);
                pending_free(p);
        }
}

/* ---- the file ---- */

static void on_token_gone(User *user, User *successor, void *userdata) {
        Auth *a = userdata;

        if (a->revoked)
                a->revoked(user, successor,
                           successor ? "what its user may do has changed" : "its token was revoked",
                           a->userdata);
}

static void token_file_tell_known(Auth *auth) {
        token_table_for_each(token_file(auth)->table, auth->known, auth->userdata);
}

/* TABLE, owned, comes into force. */
static void token_file_set(TokenFileAuth *a, TokenTable *table) {
        TokenTable *older = a->table;

        a->table = table;
        if (older)
                token_table_replace(table, older, on_token_gone, &a->auth);
        token_table_free(older);
        if (a->auth.known)
                token_file_tell_known(&a->auth);
}

/* Returns 0, -EINVAL with faults, or -ENOMEM. */
static int token_file_read(TokenFileAuth *a, ConfigList *faults) {
        TokenTable *table;
        int r;

        file_watch_use(&a->watch, a->file); /* before reading: what comes later is another version */
        r = token_table_read(&table, a->file, faults);
        if (r < 0)
                return r;
        if (token_table_is_empty(table))
                log_struct(LOG_NOTICE, LOG_FIELDS({ "PGROK_EVENT", "nobody" }),
                           "Nobody may log in yet, as %s has no user: `pgrokctl token add NAME' makes one",
                           a->file);
        token_file_set(a, table);
        return 0;
}

static void token_file_take(Auth *auth, Auth *newer) {
        TokenFileAuth *a = token_file(auth), *n = token_file(newer);

        free(a->file);
        a->file = TAKE_PTR(n->file);
        a->watch = n->watch;
        token_file_set(a, TAKE_PTR(n->table));
}

static void token_file_reload(TokenFileAuth *a) {
        ConfigList faults = {};
        int r = token_file_read(a, &faults);

        for (size_t i = 0; i < faults.n; i++)
                log_error("%s", faults.items[i]);
        config_list_done(&faults);
        if (r < 0)
                log_error("The tokens that were read before stay in force, until %s is right", a->file);
        else
                log_info("Read the tokens in %s", a->file);
}

static void token_file_poll(Auth *auth) {
        TokenFileAuth *a = token_file(auth);

        int r = file_watch_look(&a->watch, a->file);

        if (r > 0)
                token_file_reload(a);
        if (r >= 0)
                token_file_answer(a);
}

static void token_file_free(Auth *auth) {
        TokenFileAuth *a = token_file(auth);

        token_table_free(a->table);
        free(a->file);
        free(a);
}

static const AuthOps token_file_ops = {
        .ask = token_file_ask,
        .cancel = token_file_cancel,
        .poll = token_file_poll,
        .take = token_file_take,
        .tell_known = token_file_tell_known,
        .free = token_file_free,
};

int auth_token_file_new(Auth **ret, const char *file, ConfigList *faults) {
        TokenFileAuth *a = new0(TokenFileAuth, 1);
        int r;

        if (!a)
                return -ENOMEM;
        a->auth.ops = &token_file_ops;
        r = str_replace(&a->file, file);
        if (r >= 0)
                r = token_file_read(a, faults);
        if (r < 0) {
                token_file_free(&a->auth);
                return r;
        }
        *ret = &a->auth;
        return 0;
}
