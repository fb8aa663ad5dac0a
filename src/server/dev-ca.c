/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/dev-ca.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <sys/file.h>
#include <time.h>
#include <uthash.h>

#include "base/files.h"
#include "base/str.h"
#include "proto/hostname.h"

#define DEV_CA_DAYS 3650
#define DEV_LEAF_DAYS 365
#define DEV_LEAVES_MAX 4096
#define DAY_SEC 86400

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

static int new_key(gnutls_x509_privkey_t *ret) {
        gnutls_x509_privkey_t key;
        int r = gnutls_x509_privkey_init(&key);

        if (r < 0)
                return r;
        r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                         GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
        if (r < 0) {
                gnutls_x509_privkey_deinit(key);
                return r;
        }
        *ret = key;
        return 0;
}

/* What the CA's certificate and its leaves have in common. Valid from yesterday: clocks differ. */
static int fill_certificate(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *common_name,
                            int days) {
        uint8_t serial[16];
        time_t now = time(NULL);
        int r;

        random_bytes(serial, sizeof(serial));
        serial[0] = (uint8_t) ((serial[0] & 0x7f) | 0x40); /* positive, of full length */
        r = gnutls_x509_crt_set_version(crt, 3);
        if (r >= 0)
                r = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
        if (r >= 0)
                r = gnutls_x509_crt_set_key(crt, key);
        if (r >= 0)
                r = gnutls_x509_crt_set_activation_time(crt, now - DAY_SEC);
        if (r >= 0)
                r = gnutls_x509_crt_set_expiration_time(crt, now + (time_t) days * DAY_SEC);
        if (r >= 0)
                r = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, common_name,
                                                  (unsigned) strlen(common_name));
        return r;
}

static int set_key_id(gnutls_x509_crt_t crt, gnutls_x509_crt_t of, bool authority) {
        uint8_t id[64];
        size_t n = sizeof(id);
        int r = gnutls_x509_crt_get_key_id(of, 0, id, &n);

        if (r < 0)
                return r;
        return authority ? gnutls_x509_crt_set_authority_key_id(crt, id, n)
                         : gnutls_x509_crt_set_subject_key_id(crt, id, n);
}

static int make_ca(DevCa *ca) {
        gnutls_x509_crt_t crt;
        int r = new_key(&ca->key);

        if (r < 0)
                return r;
        r = gnutls_x509_crt_init(&ca->certificate);
        if (r < 0)
                return r;
        crt = ca->certificate;
        r = fill_certificate(crt, ca->key, "pgrok development CA", DEV_CA_DAYS);
        if (r >= 0)
                r = gnutls_x509_crt_set_basic_constraints(crt, 1, 0);
        if (r >= 0)
                r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
        if (r >= 0)
                r = set_key_id(crt, crt, false);
        return r < 0 ? r : gnutls_x509_crt_sign2(crt, crt, ca->key, GNUTLS_DIG_SHA256, 0);
}

static int add_names(gnutls_x509_crt_t crt, const char *name) {
        static const uint8_t v4[] = { 127, 0, 0, 1 }, v6[16] = { [15] = 1 };
        int r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name, (unsigned) strlen(name),
                                                     GNUTLS_FSAN_SET);

        if (r < 0 || !streq(name, "localhost"))
                return r;
        r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, v4, sizeof(v4),
                                                 GNUTLS_FSAN_APPEND);
        if (r < 0)
                return r;
        return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, v6, sizeof(v6),
                                                    GNUTLS_FSAN_APPEND);
}

static int sign_leaf(DevCa *ca, gnutls_x509_crt_t crt, const char *name) {
        int r = fill_certificate(crt, ca->leaf_key, "pgrok development", DEV_LEAF_DAYS);

        if (r >= 0)
                r = add_names(crt, name);
        if (r >= 0)
                r = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
        if (r >= 0)
                r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
        if (r >= 0)
                r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
        if (r >= 0)
                r = set_key_id(crt, crt, false);
        if (r >= 0)
                r = set_key_id(crt, ca->certificate, true);
        return r < 0 ? r : gnutls_x509_crt_sign2(crt, ca->certificate, ca->key, GNUTLS_DIG_SHA256, 0);
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
        r = l->name ? gnutls_x509_crt_init(&crt) : GNUTLS_E_MEMORY_ERROR;
        if (r >= 0)
                r = sign_leaf(ca, crt, name);
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

static int save_ca(const DevCa *ca, const char *certificate_file, const char *key_file) {
        gnutls_datum_t certificate = {}, key = {};
        int r = gnutls_x509_crt_export2(ca->certificate, GNUTLS_X509_FMT_PEM, &certificate);

        if (r >= 0)
                r = gnutls_x509_privkey_export2(ca->key, GNUTLS_X509_FMT_PEM, &key);
        r = r < 0 ? tls_errno(r) : files_replace(key_file, key.data, key.size, 0600);
        if (r >= 0)
                r = files_replace(certificate_file, certificate.data, certificate.size, 0644);
        gnutls_memset(key.data, 0, key.size);
        gnutls_free(key.data);
        gnutls_free(certificate.data);
        return r;
}

static int load_ca(DevCa *ca, const char *certificate_file, const char *key_file) {
        gnutls_datum_t certificate = {}, key = {};
        int r = gnutls_load_file(key_file, &key);

        if (r >= 0)
                r = gnutls_load_file(certificate_file, &certificate);
        if (r >= 0)
                r = gnutls_x509_privkey_init(&ca->key);
        if (r >= 0)
                r = gnutls_x509_privkey_import(ca->key, &key, GNUTLS_X509_FMT_PEM);
        if (r >= 0)
                r = gnutls_x509_crt_init(&ca->certificate);
        if (r >= 0)
                r = gnutls_x509_crt_import(ca->certificate, &certificate, GNUTLS_X509_FMT_PEM);
        if (key.data)
                gnutls_memset(key.data, 0, key.size);
        gnutls_free(key.data);
        gnutls_free(certificate.data);
        return r < 0 ? tls_errno(r) : 0;
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
                r = load_ca(ca, certificate_file, key_file);
                if (r < 0)
                        *ret_why = str_format(
                                "Can't use the development CA in %s: %s; remove the folder to get a "
                                "new one",
                                folder, strerror(-r));
                return r;
        }
        if (r >= 0)
                r = tls_errno(make_ca(ca));
        if (r >= 0)
                r = save_ca(ca, certificate_file, key_file);
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
                r = tls_errno(new_key(&ca->leaf_key));
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
