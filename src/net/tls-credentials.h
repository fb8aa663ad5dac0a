/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What GnuTLS reads from PEM files, and what it says when it can't. */

#include <gnutls/gnutls.h>

/* Converts what GnuTLS returned: 0 for success, -EAGAIN, -ENOMEM, -ENOENT (file), -EKEYREJECTED
 * (certificate), -EPROTONOSUPPORT (ALPN), -ECONNRESET, -ECONNABORTED (end without close_notify), else
 * -EPROTO. */
int tls_errno(int gnutls_error);

/* The same, with the sentence "WHAT FILE: the reason" in *RET_WHY (NULL: nobody wants it), owned by the
 * caller. */
int tls_fail(int gnutls_error, char **ret_why, const char *what, const char *file);

/* A certificate chain and its key, which may be one file; CAs that the peer's certificate may be of. Return
 * 0, or a negative errno with *RET_WHY as above. */
int tls_load_certificate(gnutls_certificate_credentials_t credentials, const char *certificate,
                         const char *key, char **ret_why);
int tls_load_cas(gnutls_certificate_credentials_t credentials, const char *ca_file, char **ret_why);
