/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The private CA of --dev: made once in the user's state folder, where pgrok --dev finds its certificate, and
 * a certificate of the exact name for each SNI, because clients refuse a wildcard below localhost. */

#include "net/tls.h"

typedef struct DevCa DevCa;

/* FOLDER is made if it isn't there. Returns 0, or a negative errno with *RET_WHY, a sentence owned by the
 * caller. */
int dev_ca_new(DevCa **ret, const char *folder, char **ret_why);

/* A TlsSelectFn: USERDATA is the DevCa. Any thread. */
gnutls_certificate_credentials_t dev_ca_select(const char *name, void *userdata);

/* "$XDG_STATE_HOME/pgrok/dev", else "~/.local/state/pgrok/dev". Owned by the caller, or NULL. */
char *dev_ca_folder(void);

/* Takes NULL; returns NULL. */
DevCa *dev_ca_free(DevCa *ca);
