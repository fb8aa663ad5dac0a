/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether visitors may pass the basic authentication of a tunnel. Hashed passwords are computed by threads of
 * its own, a few and started when the first is wanted, whose verdicts are remembered for a while: by a keyed
 * hash of who asks, what they say and of whom it was said, never in clear. Whoever fails ATTEMPTS_MAX times
 * is not listened to for a while, but for what was right from there before. Any thread. */

#include "net/address.h"
#include "net/worker.h"
#include "server/tunnel.h"

#define GUARD_THREADS 2
#define GUARD_WAITING_MAX 256 /* visitors */
#define GUARD_WAITING_OF_USER_MAX \
        64 /* of these for the tunnels of one user, so that the others have their turn */

typedef struct Guard Guard;
typedef struct GuardCheck GuardCheck;

typedef enum GuardAnswer {
        GUARD_ADMITTED,
        GUARD_UNASKED, /* no credentials are shown */
        GUARD_WRONG,
        GUARD_LIMITED, /* too many were wrong */
        GUARD_UNSURE,  /* guard_check() will find out */
} GuardAnswer;

/* Once: ask again. */
typedef void (*GuardCheckedFn)(void *userdata);

/* Returns 0, -ENOMEM, or what GnuTLS fails with. */
int guard_new(Guard **ret);

/* When no worker runs any more that has asked for something. Takes NULL; returns NULL. */
Guard *guard_free(Guard *g);

/* CREDENTIALS: as of http_credentials(); VISITOR: who shows them to T, which has users. */
GuardAnswer guard_ask(Guard *g, const Tunnel *t, HttpSlice credentials, const Ip *visitor);

/* The same, when nothing but computing helps. CHECKED is called on W, never before this returns. Returns 0,
 * -ENOBUFS when too many wait, or -ENOMEM. loop: W */
int guard_check(GuardCheck **ret, Guard *g, Worker *w, Tunnel *t, HttpSlice credentials, const Ip *visitor,
                GuardCheckedFn checked, void *userdata);

/* Before it was called; takes NULL. Returns NULL. loop: the check's */
GuardCheck *guard_cancel(GuardCheck *c);
