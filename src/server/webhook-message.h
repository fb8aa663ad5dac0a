/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is asked of an operator's HTTP server about clients, and what it answers: pure logic. What is
 * not quite right is no answer. */

#include <stdbool.h>
#include <stddef.h>

#include "proto/message.h"
#include "proto/policy.h"

#define WEBHOOK_REASON_BYTES_MAX 256 /* of a denial's, before it is escaped */

typedef enum WebhookEvent { WEBHOOK_LOGIN, WEBHOOK_TUNNEL, WEBHOOK_LOGOUT } WebhookEvent;

typedef struct WebhookQuestion { /* all borrowed; what is NULL is left out */
        WebhookEvent event;
        const char *token, *user;
        const char *client_id; /* as people see it: the real one is a secret */
        const char *address;   /* without a port */
        const char *os, *arch, *version;
        const MessageReqTunnel *tunnel;
} WebhookQuestion;

/* Returns the JSON text, owned by the caller, or NULL when memory is out. */
char *webhook_question_encode(const WebhookQuestion *q);

typedef struct WebhookAnswer {
        bool allow;
        char *user;        /* owned; a login's */
        Policy policy;     /* the same */
        char *policy_text; /* owned: its KEY=VALUE, a line each */
        char *reason;      /* owned: a denial's, printable; NULL: it has none */
} WebhookAnswer;

/* Parses the N bytes of an answer to EVENT: of logins a user is demanded. Returns 0, -EBADMSG with *RET_WHY
 * half a sentence for the log ("it is not JSON"), owned by the caller, or -ENOMEM; then *RET is untouched. */
int webhook_answer_parse(WebhookEvent event, const char *body, size_t n, WebhookAnswer *ret, char **ret_why);
void webhook_answer_done(WebhookAnswer *a);
