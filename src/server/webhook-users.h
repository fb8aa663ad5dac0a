/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The users that a webhook has told of. Who has the same name and the same policy is one User, so that all
 * its clients share its quotas. loop: main */

#include "server/user.h"
#include "server/webhook-message.h"

#define WEBHOOK_USERS_MAX 100000

typedef struct WebhookUsers WebhookUsers;

/* Returns 0 or -ENOMEM. */
int webhook_users_new(WebhookUsers **ret);

/* The user of A, an allowed login, whose policy is taken. *RET is a reference. Returns 0, -ENOBUFS (too many
 * are in use), or -ENOMEM. */
int webhook_users_get(WebhookUsers *w, WebhookAnswer *a, User **ret);

/* Takes NULL; returns NULL. */
WebhookUsers *webhook_users_free(WebhookUsers *w);
