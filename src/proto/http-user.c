/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-user.h"

#include "base/parse.h"
#include "base/str.h"
#include "proto/utf8.h"

#define BCRYPT_COST_MAX 12
#define BCRYPT_DIGITS 53
#define SHA_ROUNDS_MAX 500000
#define SHA_SALT_MAX 16
#define YESCRYPT_SALT_MAX 86
#define SHA256_DIGITS 43
#define SHA512_DIGITS 86

static const char hash_digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* S consists of N digits of a hash, and no more. */
static bool is_digits(const char *s, size_t n) {
        return strspn(s, hash_digits) == n && s[n] == '\0';
}

/* "NN$", then salt and digest together. */
static bool is_bcrypt(const char *s) {
        unsigned cost;

        if (!char_is_digit(s[0]) || !char_is_digit(s[1]) || s[2] != '$')
                return false;
        cost = (unsigned) (s[0] - '0') * 10 + (unsigned) (s[1] - '0');
        return cost >= 4 && cost <= BCRYPT_COST_MAX && is_digits(s + 3, BCRYPT_DIGITS);
}

/* "SALT$DIGEST". */
static bool is_salted(const char *s, size_t salt_max, size_t n_digits) {
        size_t n = strspn(s, hash_digits);

        return n <= salt_max && s[n] == '$' && is_digits(s + n + 1, n_digits);
}

/* Perhaps "rounds=N$" first. */
static bool is_sha(const char *s, size_t n_digits) {
        const char *rounds = str_skip_prefix(s, "rounds=");
        unsigned n = 0;

        for (; rounds && char_is_digit(*rounds) && n <= SHA_ROUNDS_MAX; rounds++)
                n = n * 10 + (unsigned) (*rounds - '0');
        if (rounds && (n < 1000 || n > SHA_ROUNDS_MAX || *rounds != '$'))
                return false;
        return is_salted(rounds ? rounds + 1 : s, SHA_SALT_MAX, n_digits);
}

static bool is_sha256(const char *s) {
        return is_sha(s, SHA256_DIGITS);
}

static bool is_sha512(const char *s) {
        return is_sha(s, SHA512_DIGITS);
}

/* Parameters first: "j", N from 2¹⁰ to 2¹⁴ blocks, of 1 or 4 KiB; see crypt_gensalt(3). */
static bool is_yescrypt(const char *s) {
        return s[0] == 'j' && s[1] && strchr("789AB", s[1]) && s[2] && strchr("5T", s[2]) && s[3] == '$' &&
               is_salted(s + 4, YESCRYPT_SALT_MAX, SHA256_DIGITS);
}

static const struct {
        const char *start;
        bool (*is_right)(const char *rest);
} hashes[] = {
        { "$2y$", is_bcrypt },
        { "$2b$", is_bcrypt },
        { "$2a$", is_bcrypt },
        { "$5$", is_sha256 },
        { "$6$", is_sha512 },
        { "$y$", is_yescrypt },
        /* Those that nobody should use any more: they are not taken for passwords. */
        { "$1$", NULL },
        { "$apr1$", NULL },
        { "$2x$", NULL },
        { "$2$", NULL },
        { "$7$", NULL },
        { "$gy$", NULL },
        { "$sha1$", NULL },
        { "{SHA}", NULL },
        { "{SSHA}", NULL },
};

/* The index in `hashes', or their number. */
static size_t find_hash(const char *secret) {
        size_t i = 0;

        while (i < ELEMENTSOF(hashes) && !str_skip_prefix(secret, hashes[i].start))
                i++;
        return i;
}

const char *http_user_check(const char *user) {
        const char *colon = strchr(user, ':');
        size_t i;

        if (!colon || colon == user)
                return "must be USER:PASSWORD";
        if (strlen(user) > HTTP_USER_BYTES_MAX)
                return "is too long";
        if (!utf8_is_valid(user, strlen(user)))
                return "must be in UTF-8";
        for (const char *p = user; *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        return "contains a control character";
        i = find_hash(colon + 1);
        if (i == ELEMENTSOF(hashes))
                return NULL;
        if (!hashes[i].is_right)
                return "has a hash of a kind that is not supported; make one with 'htpasswd -nB USER'";
        if (!hashes[i].is_right(colon + 1 + strlen(hashes[i].start)))
                return "has a hash that is damaged, or too expensive (bcrypt: a cost of 12 at most)";
        return NULL;
}

bool http_user_is_hashed(const char *user) {
        return find_hash(strchr(user, ':') + 1) < ELEMENTSOF(hashes);
}
