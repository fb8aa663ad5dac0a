/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the word is that signs a webhook's questions: a file, or a credential of systemd's. */

#include "base/config-key.h"

/* CONFIGURED: the file; NULL or "": $CREDENTIALS_DIRECTORY/webhook.secret, if there is one. Replaces *SECRET
 * (owned), which stays when there is none. A fault ("FILE: reason") is added to FAULTS. Returns 0, -EINVAL
 * with a fault, or -ENOMEM. */
int webhook_secret_read(const char *configured, char **secret, ConfigList *faults);
