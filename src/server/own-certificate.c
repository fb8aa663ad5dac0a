/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/own-certificate.h"

#include <errno.h>
#include <unistd.h>

#include "base/files.h"
#include "base/log.h"
#include "base/str.h"
#include "net/certificate.h"
#include "server/state.h"

#define OWN_CERTIFICATE_DAYS 3650

static int make(const char *domain, const char *certificate_file, const char *key_file) {
        _cleanup_free_ char *wildcard = str_format("*.%s", domain);
        const char *const names[] = { domain, wildcard };
        const CertificateSpec spec = {
                .common_name = "pgrokd, signed by itself", /* a domain may be too long for it */
                .names = names,
                .n_names = ELEMENTSOF(names),
                .days = OWN_CERTIFICATE_DAYS,
        };
        gnutls_x509_privkey_t key = NULL;
        gnutls_x509_crt_t crt = NULL;
        int r = wildcard ? certificate_new_key(&key) : -ENOMEM;

        if (r >= 0)
                r = certificate_new(&crt, key, &spec);
        if (r >= 0)
                r = certificate_save(crt, key, certificate_file, key_file);
        if (crt)
                gnutls_x509_crt_deinit(crt);
        if (key)
                gnutls_x509_privkey_deinit(key);
        return r;
}

int own_certificate(const char *domain, char **ret_certificate, char **ret_key, char **ret_why) {
        _cleanup_free_ char *state = state_folder(), *folder = state ? str_format("%s/tls", state) : NULL;
        _cleanup_free_ char *certificate = folder ? str_format("%s/%s.crt", folder, domain) : NULL;
        _cleanup_free_ char *key = folder ? str_format("%s/%s.key", folder, domain) : NULL;
        int r = certificate && key ? files_make_folder(folder) : -ENOMEM;

        if (r >= 0 && access(certificate, F_OK) < 0)
                r = make(domain, certificate, key);
        if (r < 0) {
                *ret_why = str_format("Can't make a certificate in %s: %s; set server.tls.certificate and "
                                      "server.tls.key",
                                      folder ? folder : "the state folder", strerror(-r));
                return r;
        }
        log_warning(
                "server.tls.certificate is not set: using %s, which signs itself; clients trust it with --ca-file, "
                "browsers don't",
                certificate);
        *ret_certificate = TAKE_PTR(certificate);
        *ret_key = TAKE_PTR(key);
        return 0;
}
