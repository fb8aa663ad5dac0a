/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/auth-webhook.h"

#include <errno.h>
#include <uthash.h>
#include <utlist.h>

#include "base/log-limit.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "net/tls.h"
#include "net/webhook.h"
#include "server/webhook-cache.h"
#include "server/webhook-message.h"
#include "server/webhook-secret.h"
#include "server/webhook-users.h"

/* A question is one call of the hook. Several logins may wait for one: a client that comes back over several
 * connections, or tries again and again, is one question. A tunnel's question is its own. */

#define WAITING_MAX 1024         /* for answers, with their connections */
#define WAITING_PER_PEER_MAX 128 /* an address that logs in, a client that asks for tunnels */
#define LOGOUTS_MAX 256          /* told at a time: who leaves must not stand in the way of who comes */

typedef struct HookAuth HookAuth;
typedef struct HookPending HookPending;
typedef struct HookQuestion HookQuestion;

struct HookPending {
        AuthPending pending;
        HookQuestion *question; /* borrowed; it lists us */
        AuthAnswerFn answer;
        void *userdata; /* borrowed */
        HookPending *prev, *next;
};

struct HookQuestion {
        HookAuth *auth; /* borrowed */
        WebhookEvent event;
        WebhookCall *call;     /* owned; NULL once it is answered */
        HookPending *pendings; /* owned */
        unsigned n_pendings;
        WebhookKey key; /* a login's */
        bool listed;    /* a login's: others may join, and the answer may be remembered */
        User *user;     /* a tunnel's: a reference */
        char *label;    /* owned */
        char address[ADDRESS_TEXT_MAX];
        HookQuestion *prev, *next;
        UT_hash_handle hh;
};

struct HookAuth {
        Auth auth;
        Webhook *hook;           /* owned */
        WebhookUsers *users;     /* owned */
        WebhookCache *cache;     /* owned */
        HookQuestion *questions; /* owned */
        HookQuestion *logins;    /* borrowed; by key: those that are listed */
        unsigned n_logouts;
        LogLimit failures; /* told in the log */
};

static HookAuth *hook_auth(Auth *a) {
        return container_of(a, HookAuth, auth);
}

/* ---- questions ---- */

static void question_unlist(HookQuestion *q) {
        if (q->listed)
                HASH_DEL(q->auth->logins, q);
        q->listed = false;
}

static void question_free(HookQuestion *q) {
        question_unlist(q);
        DL_DELETE(q->auth->questions, q);
        webhook_cancel(q->call);
        user_unref(q->user);
        free(q->label);
        free(q);
}

/* Everybody who waits for Q gets the answer, and Q goes. */
static void question_finish(HookQuestion *q, User *user, const char *why) {
        question_unlist(q);
        while (q->pendings) {
                HookPending *p = q->pendings;

                DL_DELETE(q->pendings, p);
                p->answer(&p->pending, user, why, p->userdata);
                free(p);
        }
        question_free(q);
}

static void question_log(const HookQuestion *q, const char *cause) {
        if (!log_limit_admit(&q->auth->failures, clock_usec()))
                return;
        log_struct(LOG_WARNING,
                   LOG_FIELDS({ "PGROK_EVENT", "webhook" }, { "PGROK_CLIENT", q->label },
                              { "PGROK_USER", q->user ? q->user->name : NULL }),
                   "The webhook has no answer about a %s from %s, which is therefore refused: %s",
                   q->event == WEBHOOK_LOGIN ? "login" : "tunnel", q->address, cause);
}

/* CAUSE is for the log, half a sentence. */
static void question_fail(HookQuestion *q, const char *cause, bool late) {
        HookPending *p;

        question_log(q, cause);
        DL_FOREACH(q->pendings, p)
                p->pending.undecided = true;
        question_finish(q, NULL,
                        late ? "The server's authentication service did not answer in time; try again later"
                             : "The server can't reach a decision at the moment; try again later");
}

/* What is wrong with a status other than 200; owned by the caller, or NULL. */
static char *explain_status(unsigned status) {
        return status >= 300 && status < 400
                       ? str_format("it answered with a redirect (status %u), and none is followed", status)
                       : str_format("it answered with status %u", status);
}

static const char *default_reason(WebhookEvent event) {
        return event == WEBHOOK_LOGIN ? "Authentication failed: the server doesn't know this token"
                                      : "The server doesn't allow this tunnel";
}

static void login_allowed(HookQuestion *q, WebhookAnswer *a) {
        _cleanup_(user_unrefp) User *user = NULL;
        int r = webhook_users_get(q->auth->users, a, &user);

        if (r < 0) {
                question_fail(q, r == -ENOBUFS ? "there are too many users" : "memory is out", false);
                return;
        }
        if (q->listed)
                webhook_cache_add(q->auth->cache, &q->key, user, clock_usec());
        question_finish(q, user, NULL);
}

static void question_answered(HookQuestion *q, const char *body, size_t n) {
        _cleanup_(webhook_answer_done) WebhookAnswer a = {};
        _cleanup_free_ char *why = NULL;
        int r = webhook_answer_parse(q->event, body, n, &a, &why);

        if (r < 0) {
                _cleanup_free_ char *cause =
                        str_format("its answer can't be used: %s", r == -EBADMSG ? why : "memory is out");

                question_fail(q, cause ? cause : "memory is out", false);
        } else if (!a.allow)
                question_finish(q, NULL, a.reason ? a.reason : default_reason(q->event));
        else if (q->event == WEBHOOK_LOGIN)
                login_allowed(q, &a);
        else
                question_finish(q, q->user, NULL);
}

static void on_question_reply(const WebhookReply *reply, void *userdata) {
        HookQuestion *q = userdata;
        _cleanup_free_ char *status = NULL;

        q->call = NULL;
        if (reply->error < 0)
                question_fail(q, reply->why, reply->error == -ETIMEDOUT);
        else if (reply->status != 200) {
                status = explain_status(reply->status);
                question_fail(q, status ? status : "memory is out", false);
        } else
                question_answered(q, reply->body, reply->n);
}

static int question_new(HookQuestion **ret, HookAuth *a, WebhookEvent event, const char *label,
                        const char *address) {
        HookQuestion *q = new0(HookQuestion, 1);

        if (!q || str_replace(&q->label, label) < 0) {
                free(q);
                return -ENOMEM;
        }
        q->auth = a;
        q->event = event;
        strcpy(q->address, address);
        DL_APPEND(a->questions, q);
        *ret = q;
        return 0;
}

/* Calls the hook. Returns 0, -ENOBUFS or -ENOMEM. */
static int question_post(HookQuestion *q, const WebhookQuestion *what) {
        char *body = webhook_question_encode(what);

        return body ? webhook_post(q->auth->hook, &q->call, body, on_question_reply, q) : -ENOMEM;
}

/* Who logs in is known by its address only; clients behind one address may each ask for their tunnels. */
static bool is_of_same_peer(const HookQuestion *a, const HookQuestion *b) {
        if (a->event != b->event)
                return false;
        return a->event == WEBHOOK_LOGIN ? streq(a->address, b->address) : streq(a->label, b->label);
}

/* Each who waits for a login holds a connection: there may be so many in all, and so many of one peer. */
static bool may_wait(const HookQuestion *question) {
        unsigned total = 0, here = 0;
        HookQuestion *q;

        DL_FOREACH(question->auth->questions, q) {
                total += q->n_pendings;
                here += is_of_same_peer(q, question) ? q->n_pendings : 0;
        }
        return total < WAITING_MAX && here < WAITING_PER_PEER_MAX;
}

/* One more waits for Q. */
static int question_join(HookQuestion *q, AuthPending **ret, AuthAnswerFn answer, void *userdata) {
        HookPending *p;

        if (!may_wait(q))
                return -ENOBUFS;
        p = new0(HookPending, 1);
        if (!p)
                return -ENOMEM;
        p->pending.auth = &q->auth->auth;
        p->question = q;
        p->answer = answer;
        p->userdata = userdata;
        DL_APPEND(q->pendings, p);
        q->n_pendings++;
        *ret = &p->pending;
        return 0;
}

/* Asks what a new Q is about, for one who waits; owns Q. */
static int question_ask(HookQuestion *q, const WebhookQuestion *what, AuthPending **ret, AuthAnswerFn answer,
                        void *userdata) {
        int r = question_post(q, what);

        if (r == -ENOBUFS)
                question_log(q, "too many questions wait for their answers");
        if (r >= 0)
                r = question_join(q, ret, answer, userdata);
        if (r < 0)
                question_free(q);
        return r;
}

/* ---- the operations ---- */

static int hook_auth_ask_anew(HookAuth *a, const AuthQuestion *q, const WebhookKey *key, const char *address,
                              AuthPending **ret, AuthAnswerFn answer, void *userdata) {
        const WebhookQuestion what = {
                .event = WEBHOOK_LOGIN,
                .token = q->token,
                .user = q->certificate_user,
                .client_id = q->client_label,
                .address = address,
                .os = q->os,
                .arch = q->arch,
                .version = q->version,
        };
        HookQuestion *question;
        int r = question_new(&question, a, WEBHOOK_LOGIN, q->client_label, address);

        if (r < 0)
                return r;
        question->key = *key;
        question->listed = true;
        HASH_ADD(hh, a->logins, key, sizeof(*key), question);
        return question_ask(question, &what, ret, answer, userdata);
}

static int hook_auth_ask(Auth *auth, const AuthQuestion *q, AuthPending **ret, AuthAnswerFn answer,
                         void *userdata) {
        HookAuth *a = hook_auth(auth);
        HookQuestion *same = NULL;
        char address[ADDRESS_TEXT_MAX];
        WebhookKey key;
        User *user;
        int r;

        address_format_ip(q->peer, address);
        r = webhook_key_make(&key, q->token, address, q->certificate_user);
        if (r < 0)
                return r;
        user = webhook_cache_find(a->cache, &key, clock_usec());
        if (user) {
                answer(NULL, user, NULL, userdata);
                return 0;
        }
        HASH_FIND(hh, a->logins, &key, sizeof(key), same);
        if (same)
                return question_join(same, ret, answer, userdata);
        return hook_auth_ask_anew(a, q, &key, address, ret, answer, userdata);
}

static int hook_auth_ask_tunnel(Auth *auth, const AuthClient *c, const MessageReqTunnel *m, AuthPending **ret,
                                AuthAnswerFn answer, void *userdata) {
        char address[ADDRESS_TEXT_MAX];
        const WebhookQuestion what = {
                .event = WEBHOOK_TUNNEL,
                .user = c->user->name,
                .client_id = c->client_label,
                .address = address_format_ip(c->peer, address),
                .tunnel = m,
        };
        HookQuestion *q;
        int r = question_new(&q, hook_auth(auth), WEBHOOK_TUNNEL, c->client_label, address);

        if (r < 0)
                return r;
        q->user = user_ref(c->user);
        return question_ask(q, &what, ret, answer, userdata);
}

static void hook_auth_cancel(AuthPending *pending) {
        HookPending *p = container_of(pending, HookPending, pending);
        HookQuestion *q = p->question;

        DL_DELETE(q->pendings, p);
        q->n_pendings--;
        free(p);
        if (!q->pendings && q->call) /* else it is being answered */
                question_free(q);
}

static void on_logout_reply(const WebhookReply *reply, void *userdata) {
        HookAuth *a = userdata;

        a->n_logouts--;
        if (reply->error < 0)
                log_warning("The webhook can't be told of a client that is gone, ignoring: %s", reply->why);
        else if (reply->status != 200)
                log_warning("The webhook answered with status %u when it was told of a client that is gone, "
                            "ignoring",
                            reply->status);
}

static void hook_auth_logout(Auth *auth, const AuthClient *c) {
        HookAuth *a = hook_auth(auth);
        char address[ADDRESS_TEXT_MAX];
        const WebhookQuestion what = {
                .event = WEBHOOK_LOGOUT,
                .user = c->user->name,
                .client_id = c->client_label,
                .address = address_format_ip(c->peer, address),
        };
        char *body = a->n_logouts < LOGOUTS_MAX ? webhook_question_encode(&what) : NULL;

        if (body && webhook_post(a->hook, NULL, body, on_logout_reply, a) >= 0)
                a->n_logouts++;
        else
                log_warning("The webhook is not told that client %s is gone: it has too much to do, ignoring",
                            c->client_label);
}

static void hook_auth_forget(Auth *auth, const char *user) {
        HookAuth *a = hook_auth(auth);
        HookQuestion *q, *next;

        webhook_cache_forget(a->cache, user);
        HASH_ITER(hh, a->logins, q, next) /* whose answer may be older than this */
                question_unlist(q);
}

/* What was answered by the old configuration is asked anew. */
static void hook_auth_take(Auth *auth, Auth *newer) {
        HookAuth *a = hook_auth(auth), *n = hook_auth(newer);

        hook_auth_forget(auth, NULL);
        webhook_swap_options(a->hook, n->hook);
        SWAP(a->cache, n->cache);
}

static void hook_auth_free(Auth *auth) {
        HookAuth *a = hook_auth(auth);

        webhook_free(a->hook);
        webhook_cache_free(a->cache);
        webhook_users_free(a->users);
        free(a);
}

static void hook_auth_poll(Auth *auth) {
        uint64_t n = log_limit_take_suppressed(&hook_auth(auth)->failures, clock_usec());

        if (n > 0)
                log_warning("%llu more questions without an answer of the webhook were suppressed",
                            (unsigned long long) n);
}

static const AuthOps hook_auth_ops = {
        .poll = hook_auth_poll,
        .ask = hook_auth_ask,
        .ask_tunnel = hook_auth_ask_tunnel,
        .cancel = hook_auth_cancel,
        .logout = hook_auth_logout,
        .forget = hook_auth_forget,
        .take = hook_auth_take,
        .free = hook_auth_free,
};

/* ---- set-up ---- */

/* libcurl would find out at the first question. */
static int check_ca_file(const char *file, ConfigList *faults) {
        TlsClient *tls = NULL;
        char *why = NULL;
        int r = str_is_empty(file) ? 0 : tls_client_new(&tls, file, &why);

        tls_client_unref(tls);
        if (r >= 0 || r == -ENOMEM)
                return r;
        r = config_list_take(faults, why ? why : str_format("%s: %s", file, strerror(-r)));
        return r < 0 ? r : -EINVAL;
}

static int hook_auth_set_up(HookAuth *a, Worker *w, const AuthWebhookOptions *o, const char *secret,
                            ConfigList *faults) {
        const WebhookOptions options = {
                .url = o->url,
                .ca_file = o->ca_file,
                .secret = secret,
                .timeout_usec = o->timeout_usec,
        };
        char *why = NULL;
        int r = webhook_users_new(&a->users);

        if (r >= 0)
                r = webhook_cache_new(&a->cache, o->cache_usec);
        if (r < 0)
                return r;
        r = webhook_new(&a->hook, w, &options, &why);
        if (!why)
                return r;
        r = config_list_take(faults, why);
        return r < 0 ? r : -EINVAL;
}

int auth_webhook_new(Auth **ret, Worker *w, const AuthWebhookOptions *o, ConfigList *faults) {
        _cleanup_free_ char *secret = NULL;
        HookAuth *a;
        int r = webhook_secret_read(o->secret_file, &secret, faults), q = check_ca_file(o->ca_file, faults);

        if (r < 0 || q < 0)
                return r < 0 ? r : q;
        a = new0(HookAuth, 1);
        if (!a)
                return -ENOMEM;
        a->auth.ops = &hook_auth_ops;
        log_limit_init(&a->failures);
        r = hook_auth_set_up(a, w, o, secret, faults);
        if (secret)
                explicit_bzero(secret, strlen(secret));
        if (r < 0) {
                hook_auth_free(&a->auth);
                return r;
        }
        *ret = &a->auth;
        return 0;
}
