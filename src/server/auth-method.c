/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/auth-method.h"

#include <errno.h>

#include "server/auth-none.h"
#include "server/auth-token-file.h"
#include "server/auth-webhook.h"

int auth_method_new(Auth **ret, Worker *w, const ServerConfig *c, ConfigList *faults) {
        const AuthWebhookOptions webhook = {
                .url = c->webhook_url,
                .secret_file = c->webhook_secret_file,
                .ca_file = c->webhook_ca_file,
                .timeout_usec = c->webhook_timeout_usec,
                .cache_usec = c->webhook_cache_usec,
        };

        switch (c->auth) {
        case AUTH_NONE:
                return auth_none_new(ret);
        case AUTH_TOKEN_FILE:
                return auth_token_file_new(ret, c->token_file, faults);
        case AUTH_WEBHOOK:
                return auth_webhook_new(ret, w, &webhook, faults);
        default:
                return -EINVAL;
        }
}

int auth_method_check(const ServerConfig *c, ConfigList *faults) {
        _cleanup_(worker_freep) Worker *w = NULL; /* after the method that is on its loop */
        _cleanup_(auth_freep) Auth *a = NULL;
        int r = worker_new(&w, 0);

        return r < 0 ? r : auth_method_new(&a, w, c, faults);
}
