/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/tls-credentials.h"

#include <errno.h>

#include "base/str.h"

int tls_errno(int gnutls_error) {
        if (gnutls_error >= 0)
                return 0;
        switch (gnutls_error) {
        case GNUTLS_E_AGAIN:
        case GNUTLS_E_INTERRUPTED:
                return -EAGAIN;
        case GNUTLS_E_MEMORY_ERROR:
                return -ENOMEM;
        case GNUTLS_E_FILE_ERROR:
                return -ENOENT;
        case GNUTLS_E_CERTIFICATE_ERROR:
        case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
                return -EKEYREJECTED;
        case GNUTLS_E_NO_APPLICATION_PROTOCOL:
                return -EPROTONOSUPPORT;
        case GNUTLS_E_PULL_ERROR:
        case GNUTLS_E_PUSH_ERROR:
                return -ECONNRESET;
        case GNUTLS_E_PREMATURE_TERMINATION:
                return -ECONNABORTED;
        default:
                return -EPROTO;
        }
}

int tls_fail(int gnutls_error, char **ret_why, const char *what, const char *file) {
        if (ret_why)
                *ret_why = str_format("%s %s: %s", what, file, gnutls_strerror(gnutls_error));
        return tls_errno(gnutls_error);
}

int tls_load_cas(gnutls_certificate_credentials_t credentials, const char *ca_file, char **ret_why) {
        int r = gnutls_certificate_set_x509_trust_file(credentials, ca_file, GNUTLS_X509_FMT_PEM);

        if (r == 0)
                r = GNUTLS_E_NO_CERTIFICATE_FOUND;
        return r < 0 ? tls_fail(r, ret_why, "Can't read the CA file", ca_file) : 0;
}

int tls_load_certificate(gnutls_certificate_credentials_t credentials, const char *certificate,
                         const char *key, char **ret_why) {
        int r = gnutls_certificate_set_x509_key_file(credentials, certificate, key, GNUTLS_X509_FMT_PEM);

        return r < 0 ? tls_fail(r, ret_why, "Can't use the certificate and its key:", certificate) : 0;
}
