/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/auth-token-file.h"

#include <errno.h>

#include "base/file-watch.h"
#include "base/log.h"
#include "base/str.h"
#include "server/token-table.h"

typedef struct TokenFileAuth {
        Auth auth;
        char *file;        /* owned */
        TokenTable *table; /* owned: the version in force */
        FileWatch watch;   /* of the version that was read last, also when it was refused */
} TokenFileAuth;

static TokenFileAuth *token_file(Auth *a) {
        return container_of(a, TokenFileAuth, auth);
}

static int token_file_ask(Auth *auth, const AuthQuestion *q, AuthPending **ret _unused_, AuthAnswerFn answer,
                          void *userdata) {
        User *u = token_table_find(token_file(auth)->table, q->token);

        answer(NULL, u, u ? NULL : "Authentication failed: the server doesn't know this token", userdata);
        return 0;
}

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

        if (file_watch_look(&a->watch, a->file) > 0)
                token_file_reload(a);
}

static void token_file_free(Auth *auth) {
        TokenFileAuth *a = token_file(auth);

        token_table_free(a->table);
        free(a->file);
        free(a);
}

static const AuthOps token_file_ops = {
        .ask = token_file_ask,
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
