/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Makes keys and certificates, and keeps them in files. All return 0 or a negative errno. */

#include <gnutls/x509.h>
#include <stddef.h>
#include <time.h>

#include "base/macro.h"

typedef struct CertificateSpec {
        const char *common_name;
        const char *const *names; /* host names and addresses; NULL for a CA */
        size_t n_names;
        int days;
        gnutls_x509_crt_t issuer; /* NULL: it signs itself */
        gnutls_x509_privkey_t issuer_key;
} CertificateSpec;

/* A new key, owned by the caller. */
int certificate_new_key(gnutls_x509_privkey_t *ret);

/* A certificate for KEY, owned by the caller; without names it is a CA's. Valid from yesterday: clocks
 * differ. */
int certificate_new(gnutls_x509_crt_t *ret, gnutls_x509_privkey_t key, const CertificateSpec *spec);

/* To PEM files; the key's is 0600. */
int certificate_save(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *crt_file,
                     const char *key_file);

/* When the first certificate in a PEM file ends. */
int certificate_expires(const char *crt_file, time_t *ret);

/* From PEM files; both owned by the caller. */
int certificate_load(gnutls_x509_crt_t *ret_crt, gnutls_x509_privkey_t *ret_key, const char *crt_file,
                     const char *key_file);
