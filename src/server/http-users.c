/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/http-users.h"

#include <crypt.h>
#include <errno.h>
#include <gnutls/crypto.h>

#include "net/tls.h"

struct HttpUsers {
        ConfigList plain;  /* in base64, as browsers send them */
        ConfigList hashed; /* "USER:HASH" */
        uint8_t id[HTTP_USERS_ID_BYTES];
};

static int add_plain(ConfigList *l, const char *user) {
        size_t n = strlen(user);
        char *text = malloc(BASE64_SIZE(n));

        if (text)
                base64_encode((const uint8_t*) user, n, text);
        return config_list_take(l, text);
}

static int add_user(HttpUsers *u, const char *user) {
        return http_user_is_hashed(user) ? config_list_add(&u->hashed, user) : add_plain(&u->plain, user);
}

static int make_id(HttpUsers *u) {
        const ConfigList *lists[] = { &u->plain, &u->hashed };
        gnutls_hash_hd_t hash;
        int r = gnutls_hash_init(&hash, GNUTLS_DIG_SHA256);

        if (r < 0)
                return tls_errno(r);
        for (size_t i = 0; i < ELEMENTSOF(lists) && r >= 0; i++)
                for (size_t k = 0; k < lists[i]->n && r >= 0; k++)
                        r = gnutls_hash(hash, lists[i]->items[k], strlen(lists[i]->items[k]) + 1);
        gnutls_hash_deinit(hash, u->id);
        return tls_errno(r);
}

int http_users_new(HttpUsers **ret, const char *classic, const ConfigList *list) {
        HttpUsers *u;
        int r = 0;

        if (*classic == '\0' && list->n == 0) {
                *ret = NULL;
                return 0;
        }
        u = new0(HttpUsers, 1);
        if (!u)
                return -ENOMEM;
        for (size_t i = 0; i < list->n && r >= 0; i++)
                r = add_user(u, list->items[i]);
        if (list->n == 0)
                r = add_plain(&u->plain, classic); /* never a hash: its senders know none */
        if (r >= 0)
                r = make_id(u);
        if (r < 0)
                http_users_free(u);
        else
                *ret = u;
        return r;
}

static void list_done(ConfigList *l) {
        for (size_t i = 0; i < l->n; i++)
                explicit_bzero(l->items[i], strlen(l->items[i]));
        config_list_done(l);
}

HttpUsers *http_users_free(HttpUsers *u) {
        if (!u)
                return NULL;
        list_done(&u->plain);
        list_done(&u->hashed);
        free(u);
        return NULL;
}

const uint8_t *http_users_id(const HttpUsers *u) {
        return u->id;
}

HttpSlice http_credentials(const HttpHead *request) {
        const HttpField *f = http_head_find(request, "Authorization");
        static const char scheme[] = "Basic ";
        size_t n = strlen(scheme);

        if (!f || f->value.length <= n || !str_equal_nocase(f->value.data, n, scheme))
                return (HttpSlice){};
        return http_slice(f->value.data + n, f->value.data + f->value.length);
}

bool http_users_know(const HttpUsers *u, HttpSlice credentials) {
        unsigned found = 0;

        for (size_t i = 0; i < u->plain.n; i++)
                found |= strlen(u->plain.items[i]) == credentials.length &&
                         memory_equal_const_time(u->plain.items[i], credentials.data, credentials.length);
        return found;
}

bool http_users_are_hashed(const HttpUsers *u) {
        return u->hashed.n > 0;
}

static bool hash_is_of(const char *hash, const char *password) {
        struct crypt_data *data = new0(struct crypt_data, 1);
        const char *again = data ? crypt_rn(password, hash, data, sizeof(*data)) : NULL;
        bool equal =
                again && strlen(again) == strlen(hash) && memory_equal_const_time(again, hash, strlen(hash));

        if (data)
                explicit_bzero(data, sizeof(*data));
        free(data);
        return equal;
}

/* Of whom NAME is, which has a colon behind it; or NULL. */
static const char *find_hash(const HttpUsers *u, const char *name, size_t n_name) {
        for (size_t i = 0; i < u->hashed.n; i++)
                if (strncmp(u->hashed.items[i], name, n_name + 1) == 0)
                        return u->hashed.items[i] + n_name + 1;
        return NULL;
}

/* An unknown name takes as long as a known one, and each as long as one hash. */
static bool verify(const HttpUsers *u, const char *name, const char *colon) {
        const char *hash = find_hash(u, name, (size_t) (colon - name)),
                   *any = strchr(u->hashed.items[0], ':') + 1;
        bool is_right = hash_is_of(hash ? hash : any, colon + 1);

        return hash && is_right;
}

bool http_users_verify(const HttpUsers *u, const char *credentials) {
        char text[HTTP_CREDENTIALS_BYTES_MAX];
        ssize_t n = base64_decode(credentials, strlen(credentials), (uint8_t*) text, sizeof(text) - 1);
        bool is_right = false;
        const char *colon;

        if (n < 0 || memchr(text, '\0', (size_t) n))
                return false;
        text[n] = '\0';
        colon = strchr(text, ':');
        if (colon && strlen(colon + 1) <= HTTP_HASHED_PASSWORD_BYTES_MAX)
                is_right = verify(u, text, colon);
        explicit_bzero(text, sizeof(text));
        return is_right;
}
