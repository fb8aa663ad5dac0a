/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/webhook-secret.h"

#include <errno.h>

#include "base/files.h"
#include "base/str.h"
#include "net/webhook.h"

/* The file to read the secret from, owned by the caller, or NULL for none. */
static char *find_secret_file(const char *configured) {
        const char *credentials = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_free_ char *file = NULL;

        if (!str_is_empty(configured))
                return strdup(configured);
        if (str_is_empty(credentials))
                return NULL;
        file = str_format("%s/webhook.secret", credentials);
        return file && (access(file, F_OK) == 0 || errno != ENOENT) ? TAKE_PTR(file) : NULL;
}

int webhook_secret_read(const char *configured, char **secret, ConfigList *faults) {
        _cleanup_free_ char *file = find_secret_file(configured);
        int r = file ? files_read_word(file, WEBHOOK_SECRET_BYTES_MAX, secret) : 0;

        if (!file && !str_is_empty(configured))
                return -ENOMEM;
        if (r >= 0 || r == -ENOMEM)
                return r;
        r = config_list_take(
                faults,
                str_format("%s: %s", file,
                           r == -EINVAL ? "the webhook's secret is expected in it, one word" : strerror(-r)));
        return r < 0 ? r : -EINVAL;
}
