/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/certificate.h"

#include <errno.h>
#include <time.h>

#include "base/files.h"
#include "base/str.h"
#include "net/address.h"
#include "net/tls.h"

#define DAY_SEC 86400

int certificate_new_key(gnutls_x509_privkey_t *ret) {
        gnutls_x509_privkey_t key;
        int r = gnutls_x509_privkey_init(&key);

        if (r < 0)
                return tls_errno(r);
        r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                         GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
        if (r < 0) {
                gnutls_x509_privkey_deinit(key);
                return tls_errno(r);
        }
        *ret = key;
        return 0;
}

static int set_common(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const CertificateSpec *spec) {
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
                r = gnutls_x509_crt_set_expiration_time(crt, now + (time_t) spec->days * DAY_SEC);
        if (r >= 0)
                r = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, spec->common_name,
                                                  (unsigned) strlen(spec->common_name));
        return r;
}

static int add_name(gnutls_x509_crt_t crt, const char *name, bool first) {
        unsigned flags = first ? GNUTLS_FSAN_SET : GNUTLS_FSAN_APPEND;
        Address a;

        if (address_parse_ip(name, &a) < 0)
                return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
                                                            (unsigned) strlen(name), flags);
        if (a.sa.sa_family == AF_INET)
                return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, &a.in.sin_addr,
                                                            sizeof(a.in.sin_addr), flags);
        return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, &a.in6.sin6_addr,
                                                    sizeof(a.in6.sin6_addr), flags);
}

static int set_purpose(gnutls_x509_crt_t crt, const CertificateSpec *spec) {
        int r = 0;

        if (spec->n_names == 0) {
                r = gnutls_x509_crt_set_basic_constraints(crt, 1, 0);
                return r < 0 ? r
                             : gnutls_x509_crt_set_key_usage(crt,
                                                             GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
        }
        for (size_t i = 0; i < spec->n_names && r >= 0; i++)
                r = add_name(crt, spec->names[i], i == 0);
        if (r >= 0)
                r = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
        if (r >= 0)
                r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
        return r < 0 ? r : gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
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

static int fill_and_sign(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const CertificateSpec *spec) {
        gnutls_x509_crt_t issuer = spec->issuer ? spec->issuer : crt;
        int r = set_common(crt, key, spec);

        if (r >= 0)
                r = set_purpose(crt, spec);
        if (r >= 0)
                r = set_key_id(crt, crt, false);
        if (r >= 0 && spec->issuer)
                r = set_key_id(crt, issuer, true);
        if (r < 0)
                return r;
        return gnutls_x509_crt_sign2(crt, issuer, spec->issuer ? spec->issuer_key : key, GNUTLS_DIG_SHA256,
                                     0);
}

int certificate_new(gnutls_x509_crt_t *ret, gnutls_x509_privkey_t key, const CertificateSpec *spec) {
        gnutls_x509_crt_t crt;
        int r = gnutls_x509_crt_init(&crt);

        if (r < 0)
                return tls_errno(r);
        r = fill_and_sign(crt, key, spec);
        if (r < 0) {
                gnutls_x509_crt_deinit(crt);
                return tls_errno(r);
        }
        *ret = crt;
        return 0;
}

int certificate_save(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *crt_file,
                     const char *key_file) {
        gnutls_datum_t crt_pem = {}, key_pem = {};
        int r = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &crt_pem);

        if (r >= 0)
                r = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_pem);
        r = r < 0 ? tls_errno(r) : files_replace(key_file, key_pem.data, key_pem.size, 0600);
        if (r >= 0)
                r = files_replace(crt_file, crt_pem.data, crt_pem.size, 0644);
        gnutls_memset(key_pem.data, 0, key_pem.size);
        gnutls_free(key_pem.data);
        gnutls_free(crt_pem.data);
        return r;
}

static int load_crt(gnutls_x509_crt_t *ret, const gnutls_datum_t *pem) {
        int r = gnutls_x509_crt_init(ret);

        if (r < 0)
                return r;
        r = gnutls_x509_crt_import(*ret, pem, GNUTLS_X509_FMT_PEM);
        if (r < 0)
                gnutls_x509_crt_deinit(*ret);
        return r;
}

static int load_key(gnutls_x509_privkey_t *ret, const gnutls_datum_t *pem) {
        int r = gnutls_x509_privkey_init(ret);

        if (r < 0)
                return r;
        r = gnutls_x509_privkey_import(*ret, pem, GNUTLS_X509_FMT_PEM);
        if (r < 0)
                gnutls_x509_privkey_deinit(*ret);
        return r;
}

static int load_both(gnutls_x509_crt_t *ret_crt, gnutls_x509_privkey_t *ret_key,
                     const gnutls_datum_t *crt_pem, const gnutls_datum_t *key_pem) {
        gnutls_x509_privkey_t key;
        int r = load_key(&key, key_pem);

        if (r < 0)
                return r;
        r = load_crt(ret_crt, crt_pem);
        if (r < 0)
                gnutls_x509_privkey_deinit(key);
        else
                *ret_key = key;
        return r;
}

int certificate_load(gnutls_x509_crt_t *ret_crt, gnutls_x509_privkey_t *ret_key, const char *crt_file,
                     const char *key_file) {
        gnutls_datum_t crt_pem = {}, key_pem = {};
        int r = gnutls_load_file(key_file, &key_pem);

        if (r >= 0)
                r = gnutls_load_file(crt_file, &crt_pem);
        if (r >= 0)
                r = load_both(ret_crt, ret_key, &crt_pem, &key_pem);
        if (key_pem.data)
                gnutls_memset(key_pem.data, 0, key_pem.size);
        gnutls_free(key_pem.data);
        gnutls_free(crt_pem.data);
        return r < 0 ? tls_errno(r) : 0;
}

int certificate_expires(const char *crt_file, time_t *ret) {
        gnutls_datum_t pem = {};
        gnutls_x509_crt_t crt = NULL;
        int r = gnutls_load_file(crt_file, &pem);

        if (r >= 0)
                r = gnutls_x509_crt_init(&crt);
        if (r >= 0)
                r = gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM);
        if (r >= 0)
                *ret = gnutls_x509_crt_get_expiration_time(crt);
        if (crt)
                gnutls_x509_crt_deinit(crt);
        gnutls_free(pem.data);
        return r < 0 ? tls_errno(r) : 0;
}
