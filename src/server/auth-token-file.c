/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/auth-token-file.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/str.h"
#include "server/token-table.h"

/* What tells versions of a file apart, also of one that was renamed into its place. */
typedef struct FileStamp {
        dev_t device;
        ino_t inode; /* 0: there is no file */
        off_t size;
        struct timespec modified, changed;
} FileStamp;

typedef struct TokenFileAuth {
        Auth auth;
        char *file;        /* owned */
        TokenTable *table; /* owned: the version in force */
        FileStamp read;    /* of the version that was read last, also when it was refused */
        FileStamp seen;    /* of the last look */
} TokenFileAuth;

static TokenFileAuth *token_file(Auth *a) {
        return container_of(a, TokenFileAuth, auth);
}

static FileStamp stamp_of(const char *file) {
        struct stat st;

        if (stat(file, &st) < 0)
                return (FileStamp){};
        return (FileStamp){
                .device = st.st_dev,
                .inode = st.st_ino,
                .size = st.st_size,
                .modified = st.st_mtim,
                .changed = st.st_ctim,
        };
}

static bool time_equal(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool stamp_equal(const FileStamp *a, const FileStamp *b) {
        return a->device == b->device && a->inode == b->inode && a->size == b->size &&
               time_equal(&a->modified, &b->modified) && time_equal(&a->changed, &b->changed);
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

/* Returns 0, -EINVAL with faults, or -ENOMEM. */
static int token_file_read(TokenFileAuth *a, ConfigList *faults) {
        TokenTable *table, *older;
        int r;

        a->read = a->seen = stamp_of(a->file); /* before reading: what comes later is another version */
        r = token_table_read(&table, a->file, faults);
        if (r < 0)
                return r;
        older = a->table;
        a->table = table;
        if (older)
                token_table_replace(table, older, on_token_gone, &a->auth);
        token_table_free(older);
        if (a->auth.known)
                token_file_tell_known(&a->auth);
        return 0;
}

static int token_file_reload(Auth *auth) {
        TokenFileAuth *a = token_file(auth);
        ConfigList faults = {};
        int r = token_file_read(a, &faults);

        for (size_t i = 0; i < faults.n; i++)
                log_error("%s", faults.items[i]);
        config_list_done(&faults);
        if (r < 0)
                log_error("The tokens that were read before stay in force, until %s is right", a->file);
        else
                log_info("Read the tokens in %s", a->file);
        return r;
}

/* A version is read once it has stood for one look: whoever writes into the file itself needs some time. */
static void token_file_poll(Auth *auth) {
        TokenFileAuth *a = token_file(auth);
        FileStamp now = stamp_of(a->file);
        bool settled = stamp_equal(&now, &a->seen);

        a->seen = now;
        if (settled && !stamp_equal(&now, &a->read))
                (void) token_file_reload(auth);
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
        .reload = token_file_reload,
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
