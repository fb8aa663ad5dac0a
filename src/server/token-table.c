/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/token-table.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <uthash.h>

#include "base/str.h"

#define TOKEN_HASH_BYTES 32 /* SHA-256 */
#define TOKEN_LINE_MAX 4096
#define TOKENS_MAX 1000000
#define BLANKS " \t\r\n"

typedef struct TokenLine {
        uint8_t hash[TOKEN_HASH_BYTES];
        User *user; /* a reference */
        char *text; /* owned: its KEY=VALUE, as written */
        UT_hash_handle by_hash, by_name;
} TokenLine;

struct TokenTable {
        TokenLine *by_hash, *by_name; /* owned */
};

static void token_line_free(TokenLine *l) {
        user_unref(l->user);
        free(l->text);
        free(l);
}

static int refuse(char **ret_why, const char *why) {
        *ret_why = strdup(why);
        return *ret_why ? -EINVAL : -ENOMEM;
}

/* Cuts TEXT up. */
static int parse_policy(char *text, Policy *p, char **ret_why) {
        char *save = NULL;

        for (char *item = strtok_r(text, BLANKS, &save); item; item = strtok_r(NULL, BLANKS, &save)) {
                char *value = strchr(item, '=');
                int r;

                if (!value)
                        return refuse(ret_why, "behind the hash only KEY=VALUE may stand");
                *value++ = '\0';
                r = policy_set(p, item, value, ret_why);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* NAME and REST, the policy, come from a line; REST is cut up. */
static int token_line_fill(TokenLine *l, const char *name, const char *hex, char *rest, char **ret_why) {
        Policy policy = {};
        int r;

        if (hex_decode(hex, l->hash, TOKEN_HASH_BYTES) < 0)
                return refuse(ret_why, "the hash is not 64 hex digits (the SHA-256 of the token)");
        r = str_replace(&l->text, rest);
        if (r >= 0)
                r = parse_policy(rest, &policy, ret_why);
        if (r < 0) {
                policy_done(&policy);
                return r;
        }
        return user_new(&l->user, name, &policy);
}

static int table_add(TokenTable *t, TokenLine *l, char **ret_why) {
        TokenLine *other;

        HASH_FIND(by_hash, t->by_hash, l->hash, TOKEN_HASH_BYTES, other);
        if (!other)
                HASH_FIND(by_name, t->by_name, l->user->name, strlen(l->user->name), other);
        if (other)
                return refuse(ret_why, "the same name or token stands in an earlier line");
        if (HASH_CNT(by_hash, t->by_hash) >= TOKENS_MAX)
                return refuse(ret_why, "there are too many users");
        HASH_ADD(by_hash, t->by_hash, hash, TOKEN_HASH_BYTES, l);
        HASH_ADD_KEYPTR(by_name, t->by_name, l->user->name, strlen(l->user->name), l);
        return 0;
}

/* The line is cut up. Returns 0, -EINVAL with *RET_WHY what is wrong with it, or -ENOMEM. */
static int table_add_line(TokenTable *t, char *line, char **ret_why) {
        char *rest = NULL, *name, *hash;
        const char *hex;
        TokenLine *l;
        int r;

        line[strcspn(line, "#")] = '\0';
        name = strtok_r(line, BLANKS, &rest);
        if (!name)
                return 0;
        hash = strtok_r(NULL, BLANKS, &rest);
        if (!user_name_is_valid(name))
                return refuse(ret_why, "a user's name has 1 to 64 letters, digits or ._@-");
        hex = hash ? str_skip_prefix(hash, "sha256:") : NULL;
        if (!hex)
                return refuse(ret_why, "a line is `NAME sha256:HEX [KEY=VALUE...]`");
        l = new0(TokenLine, 1);
        if (!l)
                return -ENOMEM;
        r = token_line_fill(l, name, hex, str_trim(rest), ret_why);
        if (r >= 0)
                r = table_add(t, l, ret_why);
        if (r < 0)
                token_line_free(l);
        return r;
}

static int add_fault(ConfigList *faults, const char *file, unsigned line, const char *why) {
        if (line == 0)
                return config_list_take(faults, str_format("%s: %s", file, why));
        return config_list_take(faults, str_format("%s:%u: %s", file, line, why));
}

static int read_lines(TokenTable *t, FILE *f, const char *file, ConfigList *faults) {
        char line[TOKEN_LINE_MAX];
        bool whole = true;
        int r = 0;

        for (unsigned number = 1; r >= 0 && whole && fgets(line, sizeof(line), f); number++) {
                _cleanup_free_ char *why = NULL;

                whole = strchr(line, '\n') || feof(f);
                r = whole ? table_add_line(t, line, &why) : refuse(&why, "the line is too long");
                if (r == -EINVAL)
                        r = add_fault(faults, file, number, why);
        }
        explicit_bzero(line, sizeof(line));
        if (r >= 0 && ferror(f))
                r = add_fault(faults, file, 0, "can't be read");
        return r;
}

int token_table_read(TokenTable **ret, const char *file, ConfigList *faults) {
        _cleanup_(token_table_freep) TokenTable *t = new0(TokenTable, 1);
        _cleanup_fclose_ FILE *f = NULL;
        size_t n_faults = faults->n;
        int r;

        if (!t)
                return -ENOMEM;
        f = fopen(file, "re");
        if (f)
                r = read_lines(t, f, file, faults);
        else
                r = add_fault(faults, file, 0, strerror(errno));
        if (r == -ENOMEM)
                return r;
        if (faults->n > n_faults || r < 0)
                return -EINVAL;
        *ret = TAKE_PTR(t);
        return 0;
}

User *token_table_find(const TokenTable *t, const char *token) {
        uint8_t hash[TOKEN_HASH_BYTES];
        TokenLine *l;

        if (gnutls_hash_fast(GNUTLS_DIG_SHA256, token, strlen(token), hash) < 0)
                return NULL;
        /* The lookup's time depends on the hash only, which tells nothing of the token. */
        HASH_FIND(by_hash, t->by_hash, hash, TOKEN_HASH_BYTES, l);
        return l && memory_equal_const_time(l->hash, hash, TOKEN_HASH_BYTES) ? l->user : NULL;
}

bool token_table_is_empty(const TokenTable *t) {
        return !t->by_name;
}

void token_table_for_each(const TokenTable *t, void (*fn)(User *user, void *userdata), void *userdata) {
        for (const TokenLine *l = t->by_name; l; l = l->by_name.next)
                fn(l->user, userdata);
}

void token_table_replace(TokenTable *t, TokenTable *older, TokenGoneFn fn, void *userdata) {
        TokenLine *was, *next;

        HASH_ITER(by_name, older->by_name, was, next) {
                TokenLine *is;

                HASH_FIND(by_name, t->by_name, was->user->name, strlen(was->user->name), is);
                if (!is || memcmp(is->hash, was->hash, TOKEN_HASH_BYTES) != 0)
                        fn(was->user, NULL, userdata);
                else if (!streq(is->text, was->text))
                        fn(was->user, is->user, userdata);
                else {
                        User *fresh = is->user;

                        is->user = was->user;
                        is->by_name.key = is->user->name; /* the same name in another place */
                        was->user = fresh;
                }
        }
}

TokenTable *token_table_free(TokenTable *t) {
        TokenLine *l, *next;

        if (!t)
                return NULL;
        HASH_ITER(by_hash, t->by_hash, l, next) {
                HASH_DELETE(by_hash, t->by_hash, l);
                HASH_DELETE(by_name, t->by_name, l);
                token_line_free(l);
        }
        free(t);
        return NULL;
}
