/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Users that an HTTP server of the operator's knows (net/webhook.h, webhook-message.h): it is asked for each
 * login that isn't remembered (webhook-cache.h) and for each tunnel, and told when a client is gone. Without
 * a clear yes the answer is no. */

#include "net/worker.h"
#include "server/auth.h"

typedef struct AuthWebhookOptions { /* all borrowed for the call */
        const char *url;
        const char *secret_file; /* NULL or "": $CREDENTIALS_DIRECTORY/webhook.secret, if there is one */
        const char *ca_file;     /* the same: the system's certificates */
        uint64_t timeout_usec;   /* of a question */
        uint64_t cache_usec;     /* 0: nothing is remembered */
} AuthWebhookOptions;

/* What is wrong with the files, or a libcurl that is missing, is added to FAULTS. Returns 0, -EINVAL with
 * faults, or -ENOMEM. loop: W */
int auth_webhook_new(Auth **ret, Worker *w, const AuthWebhookOptions *o, ConfigList *faults);
