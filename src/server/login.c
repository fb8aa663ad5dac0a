/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/login.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <time.h>
#include <utlist.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "server/gate.h"
#include "server/server.h"
#include "server/session-classic.h"
#include "server/session-koding.h"
#include "server/session-mux.h"
#include "server/upgrade.h"

#define OUT_OF_MEMORY "The server is out of memory"
#define TOO_BUSY "The server has too many logins to check; try again later"
#define KODING_CLIENT_ID_SIZE 65

struct Login {
        Mail mail;
        Server *server;         /* borrowed */
        unsigned from;          /* the shard that accepted it */
        unsigned trust;         /* the snapshot's, there */
        Stream *stream;         /* owned, detached */
        Buffer *rest;           /* owned, or NULL */
        Mux *mux;               /* owned, detached; NULL for classic and koding */
        bool is_koding;         /* it has said CONNECT, ... */
        bool is_tls;            /* ... and nobody on the way could see its secret */
        Message auth;           /* owned: an Auth */
        char *certificate_user; /* owned, or NULL */
        SessionSpec spec;
        AuthPending *pending; /* owned; the server lists the login meanwhile */
        char *why;            /* owned: refused */
        uint64_t delay_usec;  /* until it is told so */
        Login *prev, *next;   /* the server's */
};

static void login_free(Login *l) {
        stream_free(l->stream);
        mux_free(l->mux);
        buffer_put(NULL, l->rest);
        if (l->auth.auth.user)
                explicit_bzero(l->auth.auth.user, strlen(l->auth.auth.user));
        message_done(&l->auth);
        free(l->spec.client_id);
        user_unref(l->spec.user);
        free(l->certificate_user);
        free(l->why);
        free(l);
}

/* ---- at the session's shard ---- */

static int login_attach(Login *l, Worker *w) {
        int r = l->mux ? mux_attach(l->mux, w) : 0;

        return r < 0 ? r : stream_attach(l->stream, w);
}

static int login_make_session(Login *l, Shard *sh) {
        if (l->is_koding)
                return koding_session_new(sh, &l->spec, l->stream, l->rest);
        return l->mux ? mux_session_new(sh, &l->spec, l->mux, l->stream, l->rest)
                      : classic_session_new(sh, &l->spec, l->stream, l->rest);
}

/* WHY may be NULL: there was no memory for it. */
static void login_answer_refusal(Login *l, Shard *sh) {
        const char *why = l->why ? l->why : OUT_OF_MEMORY;

        if (l->is_koding)
                gate_refuse_koding(sh, TAKE_PTR(l->stream), &l->spec.peer, why, l->delay_usec);
        else
                gate_refuse(sh, TAKE_PTR(l->stream), TAKE_PTR(l->mux), &l->spec.peer, why, l->delay_usec);
}

/* The registry has told visitors of the session before it was there. */
static void on_login_made(Worker *w, Mail *mail) {
        server_retry_parked(w->userdata);
        login_free(container_of(mail, Login, mail));
}

static void on_login_decided(Worker *w, Mail *mail) {
        Login *l = container_of(mail, Login, mail);
        Shard *sh = shard_of(w);
        bool refused = !l->spec.user, made = false;

        if (login_attach(l, w) < 0 || sh->stopping)
                l->stream = stream_free(l->stream);
        else if (refused)
                login_answer_refusal(l, sh);
        else if (login_make_session(l, sh) >= 0) {
                l->stream = NULL;
                l->rest = NULL;
                l->mux = NULL;
                l->spec.client_id = NULL;
                l->spec.user = NULL;
                made = true;
        }
        if (!refused && l->spec.client_id) /* main counts on a session that has not come to be */
                logout_post(sh, &l->spec);
        if (made)
                worker_post(l->server->main, &l->mail, on_login_made);
        else
                login_free(l);
}

/* ---- main ---- */

typedef struct SessionClose {
        Mail mail;
        uint64_t id;
} SessionClose;

static void on_session_close(Worker *w, Mail *mail) {
        SessionClose *c = container_of(mail, SessionClose, mail);
        Session *s = shard_find_session(shard_of(w), c->id);

        if (s)
                session_end(s, "the client has logged in anew");
        free(c);
}

/* Without memory for the message the old session ends by its silence. */
static void close_session(Server *s, SessionName name) {
        SessionClose *c = new0(SessionClose, 1);

        if (!c)
                return;
        c->id = name.id;
        worker_post(s->shards[name.worker].worker, &c->mail, on_session_close);
}

/* Returns NULL, or why not. */
static const char *login_enter(Login *l, User *user, SessionName session) {
        SessionName replaced[MESSAGE_SESSIONS_MAX];
        RegistryLogin login = {
                .client_id = l->spec.client_id,
                .user = user,
                .peer = &l->spec.peer,
                .instance = l->mux ? message_str(l->auth.auth.instance) : "",
                .number = l->spec.number,
                .session = session,
        };
        char *client_id = NULL;
        int r;

        if (l->spec.number >= MESSAGE_SESSIONS_MAX)
                return "The server takes no more sessions of one client";
        r = registry_login(l->server->registry, &login, &client_id, replaced);
        if (r == -EKEYREJECTED)
                return "This ClientId belongs to another user; pgrok gets a new one when its file *.id is "
                       "removed";
        if (r == -ENOENT)
                return "Session 0 of this client has to log in first";
        if (r == -ENOBUFS)
                return "The server has as many clients as it may have; try again later";
        if (r < 0)
                return OUT_OF_MEMORY;
        free(l->spec.client_id);
        l->spec.client_id = client_id;
        l->spec.id = session.id;
        l->spec.user = user_ref(user);
        for (int i = 0; i < r; i++)
                close_session(l->server, replaced[i]);
        return NULL;
}

static void login_refuse(Login *l, int level, const char *why) {
        char peer[ADDRESS_TEXT_MAX];

        if (log_is_on(level) && log_kinds_admit(&l->server->log_kinds, LOG_KIND_LOGIN))
                log_struct(level, LOG_FIELDS({ "PGROK_EVENT", "refused" }), "Refused a client from %s: %s",
                           address_format(&l->spec.peer, peer), why);
        l->why = strdup(why);
        worker_post(l->server->shards[l->from].worker, &l->mail, on_login_decided);
}

static void login_accept(Login *l, User *user) {
        Server *s = l->server;
        SessionName session = { .worker = server_choose_shard(s, l->spec.client_id, l->spec.number),
                                .id = ++s->last_session_id };
        const char *why = s->stopper ? "The server is stopping; try again" /* the shard may be gone by then */
                                     : login_enter(l, user, session);

        if (why) {
                login_refuse(l, LOG_WARNING, why);
                return;
        }
        server_session_began(s, session.worker);
        worker_post(s->shards[session.worker].worker, &l->mail, on_login_decided);
}

/* Returns NULL, or why not. */
static const char *koding_admit(const Login *l, const Policy *p) {
        if (p->koding == POLICY_KODING_NO)
                return "This identifier is not for clients of koding/tunnel; its token needs koding=tls";
        if (p->koding == POLICY_KODING_TLS && !l->is_tls)
                return "This identifier may be used over https only; change it, it was sent for all to see";
        return NULL;
}

/* Whoever has that token may not use it everywhere, for ever, with each client and each certificate. */
static int login_check(const Login *l, const User *user, char **ret_why) {
        const char *name = l->certificate_user, *why = l->is_koding ? koding_admit(l, &user->policy) : NULL;
        Ip peer = address_ip(&l->spec.peer);

        if (!why && (!name || streq(name, user->name)))
                return policy_admit(&user->policy, &peer, time(NULL), ret_why);
        *ret_why =
                why ? strdup(why)
                    : str_format("The token is of another user than the certificate, which is of %s", name);
        return *ret_why ? -EKEYREJECTED : -ENOMEM;
}

static void login_fail(Login *l, const char *why) {
        char peer[ADDRESS_TEXT_MAX];

        l->server->n_auth_failures++;
        if (attempts_failed(l->server->attempts, &l->spec.peer, clock_usec()) &&
            log_kinds_admit(&l->server->log_kinds, LOG_KIND_LOGIN))
                log_warning("Too many logins from %s have failed; its next ones wait until %u s are over",
                            address_format_ip(&l->spec.peer, peer),
                            (unsigned) (ATTEMPTS_EVERY_USEC / USEC_PER_SEC));
        login_refuse(l, LOG_WARNING, why);
}

static void on_auth_answer(AuthPending *p, User *user, const char *why, void *userdata) {
        Login *l = userdata;
        bool undecided = p && p->undecided; /* not the client's fault */
        _cleanup_free_ char *reason = NULL;

        if (p) {
                DL_DELETE(l->server->logins, l);
                l->pending = NULL;
        }
        if (undecided)
                login_refuse(l, LOG_WARNING, why);
        else if (!user)
                login_fail(l, why);
        else if (login_check(l, user, &reason) < 0)
                login_fail(l, reason ? reason : OUT_OF_MEMORY);
        else
                login_accept(l, user);
}

static void login_ask(Login *l) {
        Server *s = l->server;
        const MessageAuth *m = &l->auth.auth;
        char label[CLIENT_LABEL_MAX];
        AuthPending *pending;
        int r;
        AuthQuestion q = {
                .token = message_str(m->user),
                .peer = &l->spec.peer,
                .client_label = client_label(l->spec.client_id, label),
                .os = message_str(m->os),
                .arch = message_str(m->arch),
                .version = message_str(m->mm_version),
                .certificate_user = l->certificate_user,
        };

        r = auth_ask(s->auth, &q, &pending, on_auth_answer, l);
        if (r < 0)
                login_refuse(l, LOG_WARNING, r == -ENOBUFS ? TOO_BUSY : OUT_OF_MEMORY);
        else if (pending) {
                l->pending = pending;
                DL_APPEND(s->logins, l);
        }
}

static void on_login(Worker *w, Mail *mail) {
        Login *l = container_of(mail, Login, mail);
        Server *s = w->userdata;
        uint64_t wait_usec = attempts_wait_usec(s->attempts, &l->spec.peer, clock_usec());
        char why[96];

        if (upgrade_holds(s, mail))
                return;
        if (l->trust != s->snapshot->trust) { /* it comes again, and tells otherwise who it is */
                login_free(l);
                return;
        }
        if (l->certificate_user && !user_name_is_valid(l->certificate_user)) {
                login_refuse(l, LOG_WARNING,
                             "The name in your certificate is not one of a user: 1 to 64 "
                             "letters, digits or ._@-");
                return;
        }
        if (wait_usec == 0) {
                login_ask(l);
                return;
        }
        l->delay_usec = ATTEMPTS_DELAY_USEC;
        snprintf(why, sizeof(why), "Too many logins from your address have failed; try again in %llu s",
                 (unsigned long long) (wait_usec / USEC_PER_SEC + 1));
        login_refuse(l, LOG_DEBUG, why);
}

void login_cancel_all(Server *s) {
        Login *l, *next;

        DL_FOREACH_SAFE(s->logins, l, next) {
                DL_DELETE(s->logins, l);
                auth_cancel(l->pending);
                login_free(l);
        }
}

/* ---- the accepting shard ---- */

static int copy_auth(const MessageAuth *m, Message *ret) {
        MessageAuth *a = &ret->auth;

        ret->type = MESSAGE_AUTH;
        if (str_replace(&a->user, m->user) < 0 || str_replace(&a->mm_version, m->mm_version) < 0 ||
            str_replace(&a->os, m->os) < 0 || str_replace(&a->arch, m->arch) < 0 ||
            str_replace(&a->instance, m->instance) < 0)
                return -ENOMEM;
        return 0;
}

/* Owns STREAM, REST and MUX. Returns NULL when memory is out. */
static Login *login_new(Shard *sh, Stream *stream, Buffer *rest, Mux *mux, const Address *peer) {
        Login *l = new0(Login, 1);

        stream_detach(stream);
        if (mux)
                mux_detach(mux);
        if (!l) {
                stream_free(stream);
                mux_free(mux);
                buffer_put(&sh->worker->buffers, rest);
                return NULL;
        }
        l->server = sh->server;
        l->from = sh->worker->index;
        l->trust = sh->snapshot->trust;
        l->stream = stream;
        l->rest = rest;
        l->mux = mux;
        l->spec.peer = *peer;
        return l;
}

static void login_send(Login *l, const MessageAuth *auth) {
        if (copy_auth(auth, &l->auth) < 0 || str_replace(&l->spec.client_id, auth->client_id) < 0)
                login_free(l);
        else
                worker_post(l->server->main, &l->mail, on_login);
}

void login_post(Shard *sh, Stream *stream, Buffer *rest, Mux *mux, const MessageAuth *auth,
                const Address *peer, const char *certificate_user) {
        Login *l = login_new(sh, stream, rest, mux, peer);

        if (!l)
                return;
        l->spec.half_close = auth->half_close || mux;
        l->spec.number = mux ? auth->session : 0;
        if (certificate_user && str_replace(&l->certificate_user, certificate_user) < 0)
                login_free(l);
        else
                login_send(l, auth);
}

/* Nobody knows it who doesn't know the identifier, and no two identifiers have the same. */
static void koding_client_id(const char *identifier, size_t n, char ret[static KODING_CLIENT_ID_SIZE]) {
        static const char name[] = "koding";
        uint8_t hash[32] = {};

        (void) gnutls_hmac_fast(GNUTLS_MAC_SHA256, name, strlen(name), identifier, n, hash);
        hex_encode(hash, sizeof(hash), ret);
}

void login_post_koding(Shard *sh, Stream *stream, const char *identifier, size_t n, bool tls, Buffer *rest,
                       size_t n_head, const Address *peer) {
        char client_id[KODING_CLIENT_ID_SIZE];
        _cleanup_free_ char *token = strndup(identifier, n);
        MessageAuth auth = { .user = token, .client_id = client_id };
        Login *l;

        koding_client_id(identifier, n, client_id);
        buffer_consume(rest, n_head);
        l = login_new(sh, stream, rest, NULL, peer);
        if (!l || !token) {
                if (l)
                        login_free(l);
                return;
        }
        l->is_koding = true;
        l->is_tls = tls;
        login_send(l, &auth);
        explicit_bzero(token, n);
}

/* ---- logout ---- */

typedef struct Logout {
        Mail mail;
        char *client_id; /* owned */
        User *user;      /* a reference */
        Address peer;
        uint64_t id;
        unsigned worker, number;
} Logout;

static void logout_free(Logout *l) {
        free(l->client_id);
        user_unref(l->user);
        free(l);
}

static void on_logout(Worker *w, Mail *mail) {
        Logout *l = container_of(mail, Logout, mail);
        Server *s = w->userdata;
        char label[CLIENT_LABEL_MAX];
        AuthClient client = {
                .user = l->user,
                .client_label = client_label(l->client_id, label),
                .peer = &l->peer,
        };

        registry_logout(s->registry, l->client_id, l->id, clock_usec());
        server_session_ended(s, l->worker);
        if (l->number == 0 && s->successor_fd < 0) /* the others come and go with it */
                auth_logout(s->auth, &client);
        server_retry_parked(s); /* visitors that found it dead: there may be another one */
        logout_free(l);
}

void logout_post(Shard *sh, const SessionSpec *spec) {
        Logout *l = new0(Logout, 1);

        if (!l || str_replace(&l->client_id, spec->client_id) < 0) {
                log_error("Out of memory: the names of a client that is gone stay taken until it comes back");
                free(l);
                return;
        }
        l->user = user_ref(spec->user);
        l->peer = spec->peer;
        l->id = spec->id;
        l->number = spec->number;
        l->worker = sh->worker->index;
        worker_post(sh->server->main, &l->mail, on_logout);
}
