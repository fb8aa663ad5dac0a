/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Questions to an HTTP server: each a POST of a JSON body, signed when there is a secret, over connections
 * that are kept. Nothing is taken from the environment: no proxy, no .netrc. The server proves its name;
 * without TLS only loopback is asked. libcurl does the work on the worker's loop (net/curl.h). */

#include <stddef.h>
#include <stdint.h>

#include "net/worker.h"

#define WEBHOOK_CALLS_MAX 16         /* under way at a time, each on a connection */
#define WEBHOOK_QUEUE_MAX 1024       /* wait for that */
#define WEBHOOK_BODY_MAX (64 * 1024) /* of an answer */
#define WEBHOOK_SECRET_BYTES_MAX 4096
#define WEBHOOK_SIGNATURE_SIZE 96 /* "t=UNIX,v1=HEX" and a NUL */

typedef struct Webhook Webhook;
typedef struct WebhookCall WebhookCall;

typedef struct WebhookOptions { /* all copied */
        const char *url;        /* as of webhook_check_url() */
        const char *ca_file;    /* PEM certificates to trust instead of the system's; NULL or "": those */
        const char *secret;     /* signs; NULL: nothing is signed */
        uint64_t timeout_usec;  /* of a call as a whole, the wait for its turn included */
} WebhookOptions;

typedef struct WebhookReply { /* borrowed for the call */
        int error;            /* 0: there is a status and a body. -ETIMEDOUT, -ENOBUFS (the body is too long),
                               * -EKEYREJECTED (the server's certificate), -EIO: there is none, and WHY */
        unsigned status;
        const char *body; /* not terminated */
        size_t n;
        const char *why; /* for the log */
} WebhookReply;

/* Once, never before webhook_post() has returned. The call is gone by then. May post and cancel, but not free
 * the hook. */
typedef void (*WebhookFn)(const WebhookReply *reply, void *userdata);

/* A ConfigCheckFn: https://HOST[:PORT][/PATH][?QUERY], without user or fragment; http:// for localhost and
 * loopback addresses only. */
const char *webhook_check_url(const char *url);

/* Writes what the header X-Pgrok-Signature says: HMAC-SHA256 over "UNIX.BODY". Returns 0 or a negative
 * errno. */
int webhook_sign(const char *secret, int64_t unix_time, const char *body,
                 char ret[static WEBHOOK_SIGNATURE_SIZE]);

/* Returns 0, or a negative errno with *RET_WHY a sentence, owned by the caller (NULL: memory is out).
 * loop: W */
int webhook_new(Webhook **ret, Worker *w, const WebhookOptions *o, char **ret_why);

/* From their next calls on each is as the other was made. */
void webhook_swap_options(Webhook *a, Webhook *b);

/* Forgets all calls. Takes NULL; returns NULL. */
Webhook *webhook_free(Webhook *h);

/* Owns BODY (a secret: wiped before it is freed), also on failure. *RET, for webhook_cancel(), may be NULL.
 * Returns 0, -ENOBUFS (too many wait), or -ENOMEM. */
int webhook_post(Webhook *h, WebhookCall **ret, char *body, WebhookFn done, void *userdata);

/* DONE is not called any more. Takes NULL. */
void webhook_cancel(WebhookCall *c);

DEFINE_CLEANUP(Webhook*, webhook_free);
