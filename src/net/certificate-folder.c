/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/certificate-folder.h"

#include <dirent.h>
#include <errno.h>
#include <gnutls/x509.h>
#include <uthash.h>
#include <utlist.h>

#include "base/str.h"
#include "net/tls-credentials.h"
#include "proto/hostname.h"

/* Names are found by hash, wildcards under what hostname_key() makes of them: with two looks each connection
 * has its certificate, however many there are. */

typedef struct FolderName {
        char *name;                                   /* owned; lower case */
        gnutls_certificate_credentials_t credentials; /* borrowed from an item */
        UT_hash_handle hh;                            /* by hostname_key() */
} FolderName;

typedef struct FolderItem {
        gnutls_certificate_credentials_t credentials; /* owned */
        struct FolderItem *next;
} FolderItem;

struct CertificateFolder {
        FolderItem *items; /* owned */
        FolderName *names; /* owned */
};

/* ---- names ---- */

static FolderName *find_key(const CertificateFolder *f, const char *key) {
        FolderName *n;

        HASH_FIND_STR(f->names, key, n);
        return n;
}

/* Who was first has it. */
static int add_name(CertificateFolder *f, char *name, gnutls_certificate_credentials_t credentials) {
        FolderName *n;

        str_lower(name);
        if (!(hostname_is_valid(name) || hostname_is_wildcard(name)) || find_key(f, hostname_key(name)))
                return 0;
        n = new0(FolderName, 1);
        if (!n)
                return -ENOMEM;
        n->name = strdup(name);
        if (!n->name) {
                free(n);
                return -ENOMEM;
        }
        n->credentials = credentials;
        HASH_ADD_KEYPTR(hh, f->names, hostname_key(n->name), strlen(hostname_key(n->name)), n);
        return 0;
}

/* Returns how many it has, or a negative errno. */
static int add_names_of(CertificateFolder *f, gnutls_x509_crt_t crt,
                        gnutls_certificate_credentials_t credentials) {
        int n_names = 0, r = 0;

        for (unsigned i = 0; i < CERTIFICATE_FOLDER_NAMES_MAX && r >= 0; i++) {
                char name[HOSTNAME_LENGTH_MAX + 1];
                size_t n = sizeof(name) - 1;
                int type = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &n, NULL);

                if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                        break;
                if (type != GNUTLS_SAN_DNSNAME)
                        continue;
                name[n] = '\0';
                n_names++;
                if (strlen(name) == n)
                        r = add_name(f, name, credentials);
        }
        return r < 0 ? r : n_names;
}

static int add_names(CertificateFolder *f, gnutls_certificate_credentials_t credentials, const char *file,
                     char **ret_why) {
        gnutls_x509_crt_t *chain = NULL;
        unsigned n = 0;
        int r = gnutls_certificate_get_x509_crt(credentials, 0, &chain, &n);

        if (r < 0)
                return tls_fail(r, ret_why, "Can't read the certificate", file);
        r = n > 0 ? add_names_of(f, chain[0], credentials) : 0;
        for (unsigned i = 0; i < n; i++)
                gnutls_x509_crt_deinit(chain[i]);
        gnutls_free(chain);
        if (r != 0)
                return r;
        if (ret_why)
                *ret_why = str_format("The certificate %s is for no host name (subjectAltName)", file);
        return -EINVAL;
}

/* ---- files ---- */

static int add_pair(CertificateFolder *f, const char *certificate, const char *key, char **ret_why) {
        FolderItem *item = new0(FolderItem, 1);
        int r;

        if (!item)
                return -ENOMEM;
        LL_PREPEND(f->items, item);
        r = gnutls_certificate_allocate_credentials(&item->credentials);
        r = r < 0 ? tls_errno(r) : tls_load_certificate(item->credentials, certificate, key, ret_why);
        if (r < 0)
                return r;
        r = add_names(f, item->credentials, certificate, ret_why);
        return r < 0 ? r : 0;
}

static int add_file(CertificateFolder *f, const char *path, const char *name, char **ret_why) {
        int n = (int) (strlen(name) - strlen(".crt"));
        bool has_key_apart = str_has_suffix(name, ".crt");
        _cleanup_free_ char *certificate = str_format("%s/%s", path, name);
        _cleanup_free_ char *key = str_format("%s/%.*s.key", path, n, name);

        return certificate && key ? add_pair(f, certificate, has_key_apart ? key : certificate, ret_why)
                                  : -ENOMEM;
}

static int is_certificate(const struct dirent *e) {
        const char *name = e->d_name;

        return *name != '.' && (str_has_suffix(name, ".crt") || str_has_suffix(name, ".pem"));
}

static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

int certificate_folder_new(CertificateFolder **ret, const char *path, char **ret_why) {
        _cleanup_(certificate_folder_freep) CertificateFolder *f = new0(CertificateFolder, 1);
        struct dirent **entries;
        int n, r = 0;

        if (!f)
                return -ENOMEM;
        n = scandir(path, &entries, is_certificate, by_name);
        if (n < 0)
                r = -errno;
        else if (n > CERTIFICATE_FOLDER_MAX)
                r = -ENOBUFS;
        if (r < 0 && ret_why)
                *ret_why = str_format("Can't read the certificates in %s: %s", path,
                                      r == -ENOBUFS ? "there are too many" : strerror(-r));
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = add_file(f, path, entries[i]->d_name, ret_why);
                free(entries[i]);
        }
        if (n >= 0)
                free(entries);
        if (r >= 0)
                *ret = TAKE_PTR(f);
        return r;
}

int certificate_folder_trust(CertificateFolder *f, const char *ca_file, char **ret_why) {
        FolderItem *item;
        int r = 0;

        LL_FOREACH(f->items, item)
                if (r >= 0)
                        r = tls_load_cas(item->credentials, ca_file, ret_why);
        return r;
}

gnutls_certificate_credentials_t certificate_folder_find(const CertificateFolder *f, const char *name) {
        const char *above = strchr(name, '.');
        const FolderName *n = find_key(f, name);

        if (!n && above && strchr(above + 1, '.')) /* a wildcard's, for one label */
                n = find_key(f, above);
        return n ? n->credentials : NULL;
}

CertificateFolder *certificate_folder_free(CertificateFolder *f) {
        FolderItem *item, *next_item;
        FolderName *n, *next;

        if (!f)
                return NULL;
        HASH_ITER(hh, f->names, n, next) {
                HASH_DEL(f->names, n);
                free(n->name);
                free(n);
        }
        LL_FOREACH_SAFE(f->items, item, next_item) {
                if (item->credentials)
                        gnutls_certificate_free_credentials(item->credentials);
                free(item);
        }
        free(f);
        return NULL;
}
