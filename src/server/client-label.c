/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/client-label.h"

#include <gnutls/crypto.h>

#include "base/str.h"

const char *client_label(const char *client_id, char ret[static CLIENT_LABEL_MAX]) {
        uint8_t hash[32] = {};

        ret[0] = '\0';
        if (*client_id != '\0') {
                (void) gnutls_hash_fast(GNUTLS_DIG_SHA256, client_id, strlen(client_id), hash);
                hex_encode(hash, (CLIENT_LABEL_MAX - 1) / 2, ret);
        }
        return ret;
}
