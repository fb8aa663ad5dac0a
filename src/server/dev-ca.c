/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/dev-ca.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <uthash.h>

#include "base/files.h"
#include "base/str.h"
#include "net/certificate.h"
#include "proto/hostname.h"

#define DEV_CA_DAYS 3650
#define DEV_LEAF_DAYS 365
#define DEV_LEAVES_MAX 4096

typedef struct DevLeaf {
        char *name;                                   /* owned */
        gnutls_certificate_credentials_t credentials; /* owned */
        UT_hash_handle hh;
} DevLeaf;

struct DevCa {
        gnutls_x509_crt_t certificate;  /* owned */
        gnutls_x509_privkey_t key;      /* owned */
        gnutls_x509_privkey_t leaf_key; /* owned: of all leaves of this run */
        pthread_mutex_t lock;           /* for what follows */
        DevLeaf *leaves;                /* owned, by name */
};

static int make_ca(DevCa *ca) {
        const CertificateSpec spec = { .common_name = "pgrok development CA", .days = DEV_CA_DAYS };
        int r = certificate_new_key(&ca->key);

        return r < 0 ? r : certificate_new(&ca->certificate, ca->key, &spec);
}

static int sign_leaf(DevCa *ca, const char *name, gnutls_x509_crt_t *ret) {
        const char *const names[] = { name, "127.0.0.1", "::1" };
        const CertificateSpec spec = {
                .common_name = "pgrok development",
                .names = names,
                .n_names = streq(name, "localhost") ? ELEMENTSOF(names) : 1,
                .days = DEV_LEAF_DAYS,
                .issuer = ca->certificate,
                .issuer_key = ca->key,
        };

        return certificate_new(ret, ca->leaf_key, &spec);
}

static void leaf_free(DevLeaf *l) {
        if (l->credentials)
                gnutls_certificate_free_credentials(l->credentials);
        free(l->name);
        free(l);
}

static DevLeaf *leaf_new(DevCa *ca, const char *name) {
        DevLeaf *l = new0(DevLeaf, 1);
        gnutls_x509_crt_t crt = NULL;
        int r;

        if (!l)
                return NULL;
        l->name = strdup(name);
        r = l->name ? sign_leaf(ca, name, &crt) : -ENOMEM;
        if (r >= 0)
                r = gnutls_certificate_allocate_credentials(&l->credentials);
        if (r >= 0)
                r = gnutls_certificate_set_x509_key(l->credentials, &crt, 1, ca->leaf_key);
        if (crt)
                gnutls_x509_crt_deinit(crt);
        if (r < 0) {
                leaf_free(l);
                return NULL;
        }
        return l;
}

gnutls_certificate_credentials_t dev_ca_select(const char *name, void *userdata) {
        DevCa *ca = userdata;
        DevLeaf *l;

        if (*name == '\0')
                name = "localhost";
        if (!hostname_is_valid(name))
                return NULL;
        pthread_mutex_lock(&ca->lock);
        HASH_FIND_STR(ca->leaves, name, l);
        if (!l && HASH_COUNT(ca->leaves) < DEV_LEAVES_MAX) {
                l = leaf_new(ca, name);
                if (l)
                        HASH_ADD_KEYPTR(hh, ca->leaves, l->name, strlen(l->name), l);
        }
        pthread_mutex_unlock(&ca->lock);
        return l ? l->credentials : NULL;
}

/* ---- the state folder ---- */

char *dev_ca_folder(void) {
        _cleanup_free_ char *state = files_user_state();

        return state ? str_format("%s/dev", state) : NULL;
}

/* Under a lock of the folder, so that daemons started together share one CA. */
static int load_or_make_ca(DevCa *ca, const char *folder, char **ret_why) {
        _cleanup_free_ char *certificate_file = str_format("%s/ca.pem", folder);
        _cleanup_free_ char *key_file = str_format("%s/ca-key.pem", folder);
        _cleanup_close_ int fd = -1;
        int r;

        if (!certificate_file || !key_file)
                return -ENOMEM;
        r = files_make_folder(folder);
        if (r >= 0) {
                fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                r = fd < 0 || flock(fd, LOCK_EX) < 0 ? -errno : 0;
        }
        if (r >= 0)
                r = access(certificate_file, F_OK) == 0 ? 1 : 0;
        if (r > 0) {
                r = certificate_load(&ca->certificate, &ca->key, certificate_file, key_file);
                if (r < 0)
                        *ret_why = str_format(
                                "Can't use the development CA in %s: %s; remove the folder to get a "
                                "new one",
                                folder, strerror(-r));
                return r;
        }
        if (r >= 0)
                r = make_ca(ca);
        if (r >= 0)
                r = certificate_save(ca->certificate, ca->key, certificate_file, key_file);
        if (r < 0)
                *ret_why = str_format("Can't make a development CA in %s: %s", folder, strerror(-r));
        return r;
}

int dev_ca_new(DevCa **ret, const char *folder, char **ret_why) {
        DevCa *ca = new0(DevCa, 1);
        int r;

        if (!ca)
                return -ENOMEM;
        pthread_mutex_init(&ca->lock, NULL);
        r = load_or_make_ca(ca, folder, ret_why);
        if (r >= 0)
                r = certificate_new_key(&ca->leaf_key);
        if (r < 0) {
                dev_ca_free(ca);
                return r;
        }
        *ret = ca;
        return 0;
}

DevCa *dev_ca_free(DevCa *ca) {
        DevLeaf *l, *next;

        if (!ca)
                return NULL;
        HASH_ITER(hh, ca->leaves, l, next) {
                HASH_DEL(ca->leaves, l);
                leaf_free(l);
        }
        if (ca->certificate)
                gnutls_x509_crt_deinit(ca->certificate);
        if (ca->key)
                gnutls_x509_privkey_deinit(ca->key);
        if (ca->leaf_key)
                gnutls_x509_privkey_deinit(ca->leaf_key);
        pthread_mutex_destroy(&ca->lock);
        free(ca);
        return NULL;
}
