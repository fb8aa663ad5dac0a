/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The certificates of a folder, to choose from by the name that a client asks for: of X.crt with its key in
 * X.key, and of X.pem with both. What else lies there is of no interest. Immutable once it is set up; any
 * thread. */

#include <gnutls/gnutls.h>

#include "base/macro.h"

#define CERTIFICATE_FOLDER_MAX 10000       /* certificates in a folder */
#define CERTIFICATE_FOLDER_NAMES_MAX 10000 /* names in a certificate */

typedef struct CertificateFolder CertificateFolder;

/* Reads all of them: each must be usable, fit its key and have a host name (dNSName). Returns 0, or a
 * negative errno with *RET_WHY, unless RET_WHY is NULL, a sentence that names the file, owned by the caller,
 * or NULL. */
int certificate_folder_new(CertificateFolder **ret, const char *path, char **ret_why);

/* Clients that come to one of these names are to show certificates of a CA in CA_FILE. Returns as above. */
int certificate_folder_trust(CertificateFolder *f, const char *ca_file, char **ret_why);

/* The credentials whose certificate is good for NAME (lower case), see hostname_matches_certificate(): of
 * that very name rather than of a wildcard, and of several the file that is first in C-locale order.
 * Borrowed, or NULL. */
gnutls_certificate_credentials_t certificate_folder_find(const CertificateFolder *f, const char *name);

CertificateFolder *certificate_folder_free(CertificateFolder *f); /* NULL; takes NULL */

DEFINE_CLEANUP(CertificateFolder*, certificate_folder_free);
