/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/auth.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <uthash.h>

#include "base/str.h"

#define TOKEN_HASH_BYTES 32 /* SHA-256 */
#define USER_NAME_MAX 64
#define TOKEN_LINE_MAX 4096
#define TOKENS_MAX 1000000

typedef struct TokenUser {
        uint8_t hash[TOKEN_HASH_BYTES];
        char name[USER_NAME_MAX + 1];
        UT_hash_handle by_hash, by_name;
} TokenUser;

struct Auth {
        bool open;                    /* everybody may in */
        TokenUser *by_hash, *by_name; /* owned */
};

int auth_new_none(Auth **ret) {
        Auth *a = new0(Auth, 1);

        if (!a)
                return -ENOMEM;
        a->open = true;
        *ret = a;
        return 0;
}

static bool user_name_is_valid(const char *name) {
        size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-");

        return n > 0 && n <= USER_NAME_MAX && name[n] == '\0';
}

/* Returns NULL, or what is wrong with the line, which is cut up. */
static const char *auth_add_line(Auth *a, char *line) {
        char *save = NULL, *name, *hash;
        const char *hex;
        TokenUser *u, *other = NULL;

        line[strcspn(line, "#")] = '\0';
        name = strtok_r(line, " \t\r\n", &save);
        if (!name)
                return NULL;
        hash = strtok_r(NULL, " \t\r\n", &save);
        if (!user_name_is_valid(name))
                return "a user's name has 1 to 64 letters, digits or ._@-";
        hex = hash ? str_skip_prefix(hash, "sha256:") : NULL;
        if (!hex)
                return "a line is `NAME sha256:HEX`";
        if (strtok_r(NULL, " \t\r\n", &save))
                return "there is something behind the hash that this version doesn't know";
        if (HASH_CNT(by_hash, a->by_hash) >= TOKENS_MAX)
                return "there are too many users";
        u = new0(TokenUser, 1);
        if (!u)
                return "out of memory";
        strcpy(u->name, name);
        if (hex_decode(hex, u->hash, TOKEN_HASH_BYTES) < 0) {
                free(u);
                return "the hash is not 64 hex digits (the SHA-256 of the token)";
        }
        HASH_FIND(by_hash, a->by_hash, u->hash, TOKEN_HASH_BYTES, other);
        if (!other)
                HASH_FIND(by_name, a->by_name, u->name, strlen(u->name), other);
        if (other) {
                free(u);
                return "the same name or token stands in an earlier line";
        }
        HASH_ADD(by_hash, a->by_hash, hash, TOKEN_HASH_BYTES, u);
        HASH_ADD(by_name, a->by_name, name, strlen(u->name), u);
        return NULL;
}

static int add_fault(ConfigList *faults, const char *file, unsigned line, const char *why) {
        if (line == 0)
                return config_list_take(faults, str_format("%s: %s", file, why));
        return config_list_take(faults, str_format("%s:%u: %s", file, line, why));
}

int auth_new_token_file(Auth **ret, const char *file, ConfigList *faults) {
        _cleanup_(auth_freep) Auth *a = new0(Auth, 1);
        _cleanup_fclose_ FILE *f = NULL;
        char line[TOKEN_LINE_MAX];
        size_t n_faults = faults->n;

        if (!a)
                return -ENOMEM;
        f = fopen(file, "re");
        if (!f) {
                int error = errno;

                add_fault(faults, file, 0, strerror(error));
                return -EINVAL;
        }
        for (unsigned number = 1; fgets(line, sizeof(line), f); number++) {
                bool whole = strchr(line, '\n') || feof(f);
                const char *why = whole ? auth_add_line(a, line) : "the line is too long";

                if (why && add_fault(faults, file, number, why) < 0)
                        return -ENOMEM;
                if (!whole)
                        break;
        }
        explicit_bzero(line, sizeof(line));
        if (ferror(f))
                add_fault(faults, file, 0, "can't be read");
        if (faults->n > n_faults)
                return -EINVAL;
        *ret = TAKE_PTR(a);
        return 0;
}

const char *auth_check(Auth *a, const char *token) {
        uint8_t hash[TOKEN_HASH_BYTES];
        TokenUser *u = NULL;

        if (a->open)
                return "";
        if (gnutls_hash_fast(GNUTLS_DIG_SHA256, token, strlen(token), hash) < 0)
                return NULL;
        /* The lookup's time depends on the hash only, which tells nothing of the token. */
        HASH_FIND(by_hash, a->by_hash, hash, TOKEN_HASH_BYTES, u);
        return u && memory_equal_const_time(u->hash, hash, TOKEN_HASH_BYTES) ? u->name : NULL;
}

Auth *auth_free(Auth *a) {
        TokenUser *u, *next;

        if (!a)
                return NULL;
        HASH_ITER(by_hash, a->by_hash, u, next) {
                HASH_DELETE(by_hash, a->by_hash, u);
                HASH_DELETE(by_name, a->by_name, u);
                free(u);
        }
        free(a);
        return NULL;
}
