/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who a client is, told by its token, and what it may do. Answers may take time: nobody waits for them. Each
 * method (none, a token file, ...) fills AuthOps in a file of its own. All of it is the main thread's. */

#include "net/address.h"
#include "proto/message.h"
#include "server/user.h"

typedef struct Auth Auth;
typedef struct AuthPending AuthPending;

/* A client wants to log in. Borrowed for the call; strings are never NULL but the last. */
typedef struct AuthQuestion {
        const char *token;
        const Address *peer;
        const char *client_label; /* how people see the client */
        const char *os, *arch, *version;
        const char *certificate_user; /* whom its certificate names, or NULL: it showed none */
} AuthQuestion;

/* A client that has logged in: wants a tunnel, or is gone. Borrowed for the call. */
typedef struct AuthClient {
        User *user;
        const char *client_label;
        const Address *peer;
} AuthClient;

/* Once, possibly before the question returns: then P is NULL. USER (borrowed) may; NULL: it may not, and WHY
 * is a sentence for the client. */
typedef void (*AuthAnswerFn)(AuthPending *p, User *user, const char *why, void *userdata);

/* USER may in no longer as it did: its sessions must end. SUCCESSOR has the same name and token and another
 * policy; NULL: the user is gone. WHY is half a sentence for the log. All borrowed. */
typedef void (*AuthRevokedFn)(User *user, User *successor, const char *why, void *userdata);

/* USER may log in, whether or not it ever will: what is its own whether it is there or not can be kept for
 * it. Borrowed. */
typedef void (*AuthKnownFn)(User *user, void *userdata);

typedef struct AuthOps {
        int (*ask)(Auth *a, const AuthQuestion *q, AuthPending **ret, AuthAnswerFn answer, void *userdata);
        /* NULL: the policy alone decides. */
        int (*ask_tunnel)(Auth *a, const AuthClient *c, const MessageReqTunnel *m, AuthPending **ret,
                          AuthAnswerFn answer, void *userdata);
        /* Frees the pending question. NULL: none is ever pending. */
        void (*cancel)(AuthPending *p);
        /* The client's session has ended. NULL: never mind. */
        void (*logout)(Auth *a, const AuthClient *c);
        /* Answers given to the user of that name (NULL: to all) are remembered no longer. NULL: none ever
         * is. */
        void (*forget)(Auth *a, const char *user);
        /* Several times a second: look whether something has changed. NULL: nothing can. */
        void (*poll)(Auth *a);
        /* Goes on as NEWER, of the same method, was configured, and takes what it needs from that. NULL:
         * there is nothing to configure. */
        void (*take)(Auth *a, Auth *newer);
        /* Calls a->known with each user. NULL: they aren't known before they log in. */
        void (*tell_known)(Auth *a);
        void (*free)(Auth *a);
} AuthOps;

/* The common part; each method embeds it. */
struct Auth {
        const AuthOps *ops;
        AuthRevokedFn revoked; /* NULL: nobody asks */
        AuthKnownFn known;     /* the same */
        void *userdata;        /* borrowed; of both */
};

/* The same, for a question that is not answered yet; freed by its method once it is. */
struct AuthPending {
        Auth *auth;     /* borrowed */
        bool undecided; /* once it is answered: no, but only because nobody could say */
};

#define AUTH_POLL_USEC (400 * UINT64_C(1000))

/* Return 0 (*RET is NULL when the answer has been given already), or a negative errno: then there will be no
 * answer (-ENOBUFS: too many questions wait for theirs). */
int auth_ask(Auth *a, const AuthQuestion *q, AuthPending **ret, AuthAnswerFn answer, void *userdata);
int auth_ask_tunnel(Auth *a, const AuthClient *c, const MessageReqTunnel *m, AuthPending **ret,
                    AuthAnswerFn answer, void *userdata);

/* There will be no answer. Takes NULL; returns NULL. */
AuthPending *auth_cancel(AuthPending *p);

void auth_logout(Auth *a, const AuthClient *c);
void auth_forget(Auth *a, const char *user);
void auth_poll(Auth *a);

/* Brings NEWER into force, which it owns, and returns what is in force then. If both are of one method, that
 * is A: questions go on, and so does each user that NEWER knows as A did. Else A is freed and nobody is
 * known; it must have nothing pending. */
Auth *auth_replace(Auth *a, Auth *newer);

/* FN is called when a user is revoked; never from within a question. */
void auth_set_revoked_fn(Auth *a, AuthRevokedFn fn, void *userdata);

/* FN is called with each user that is known now, and each time when there are new ones, with all again. */
void auth_set_known_fn(Auth *a, AuthKnownFn fn, void *userdata);

/* With nothing pending. Takes NULL; returns NULL. */
Auth *auth_free(Auth *a);

DEFINE_CLEANUP(Auth*, auth_free);
