/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/login.h"

#include <errno.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "server/gate.h"
#include "server/server.h"
#include "server/session-classic.h"
#include "server/session-mux.h"

typedef struct Login {
        Mail mail;
        Server *server; /* borrowed */
        unsigned from;  /* the shard that accepted it */
        Stream *stream; /* owned, detached */
        Buffer *rest;   /* owned, or NULL */
        Mux *mux;       /* owned, detached; NULL for classic */
        char *token;    /* owned */
        char *instance; /* owned */
        SessionSpec spec;
        const char *why; /* static: refused */
} Login;

static void login_free(Login *l) {
        stream_free(l->stream);
        mux_free(l->mux);
        buffer_put(NULL, l->rest);
        if (l->token)
                explicit_bzero(l->token, strlen(l->token));
        free(l->token);
        free(l->instance);
        free(l->spec.client_id);
        free(l->spec.user);
        free(l);
}

/* ---- at the session's shard ---- */

static int login_attach(Login *l, Worker *w) {
        int r = l->mux ? mux_attach(l->mux, w) : 0;

        return r < 0 ? r : stream_attach(l->stream, w);
}

static int login_make_session(Login *l, Shard *sh) {
        return l->mux ? mux_session_new(sh, &l->spec, l->mux, l->stream, l->rest)
                      : classic_session_new(sh, &l->spec, l->stream, l->rest);
}

static void on_login_decided(Worker *w, Mail *mail) {
        Login *l = container_of(mail, Login, mail);
        Shard *sh = shard_of(w);

        if (login_attach(l, w) < 0 || sh->stopping)
                l->stream = stream_free(l->stream);
        else if (l->why)
                gate_refuse(sh, TAKE_PTR(l->stream), TAKE_PTR(l->mux), l->why);
        else if (login_make_session(l, sh) >= 0) {
                l->stream = NULL;
                l->rest = NULL;
                l->mux = NULL;
                l->spec.client_id = l->spec.user = NULL;
        }
        if (!l->why && l->spec.client_id) /* main counts on a session that has not come to be */
                logout_post(sh, &l->spec);
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
static const char *login_decide(Login *l, SessionName session) {
        const char *user = auth_check(l->server->auth, l->token);
        SessionName replaced[MESSAGE_SESSIONS_MAX];
        RegistryLogin login = {
                .client_id = l->spec.client_id,
                .user = user,
                .instance = message_str(l->instance),
                .number = l->spec.number,
                .session = session,
        };
        char *client_id = NULL;
        int r;

        if (!user)
                return "Authentication failed: the server doesn't know this token";
        if (l->spec.number >= MESSAGE_SESSIONS_MAX)
                return "The server takes no more sessions of one client";
        r = registry_login(l->server->registry, &login, &client_id, replaced);
        if (r == -EKEYREJECTED)
                return "This ClientId belongs to another user";
        if (r == -ENOENT)
                return "Session 0 of this client has to log in first";
        if (r == -ENOBUFS)
                return "The server has as many clients as it may have; try again later";
        if (r < 0)
                return "The server is out of memory";
        free(l->spec.client_id);
        l->spec.client_id = client_id;
        l->spec.id = session.id;
        for (int i = 0; i < r; i++)
                close_session(l->server, replaced[i]);
        l->spec.user = strdup(user);
        return l->spec.user ? NULL : "The server is out of memory";
}

static void on_login(Worker *w, Mail *mail) {
        Login *l = container_of(mail, Login, mail);
        Server *s = w->userdata;
        SessionName session = { .worker = server_choose_shard(s, l->spec.client_id, l->spec.number),
                                .id = ++s->last_session_id };
        char peer[ADDRESS_TEXT_MAX];

        l->why = login_decide(l, session);
        if (l->why) {
                log_struct(LOG_WARNING, LOG_FIELDS({ "PGROK_EVENT", "refused" }),
                           "Refused a client from %s: %s", address_format(&l->spec.peer, peer), l->why);
                session.worker = l->from;
        } else
                server_session_began(s, session.worker);
        worker_post(s->shards[session.worker].worker, &l->mail, on_login_decided);
}

/* ---- the accepting shard ---- */

void login_post(Shard *sh, Stream *stream, Buffer *rest, Mux *mux, const MessageAuth *auth,
                const Address *peer) {
        Login *l = new0(Login, 1);

        stream_detach(stream);
        if (mux)
                mux_detach(mux);
        if (!l) {
                stream_free(stream);
                mux_free(mux);
                buffer_put(&sh->worker->buffers, rest);
                return;
        }
        l->server = sh->server;
        l->from = sh->worker->index;
        l->stream = stream;
        l->rest = rest;
        l->mux = mux;
        l->spec.peer = *peer;
        l->spec.half_close = auth->half_close || mux;
        l->spec.number = mux ? auth->session : 0;
        if (str_replace(&l->token, auth->user) < 0 ||
            (mux && str_replace(&l->instance, message_str(auth->instance)) < 0) ||
            str_replace(&l->spec.client_id, auth->client_id) < 0)
                login_free(l);
        else
                worker_post(sh->server->main, &l->mail, on_login);
}

/* ---- logout ---- */

typedef struct Logout {
        Mail mail;
        char *client_id; /* owned */
        uint64_t id;
        unsigned worker;
} Logout;

static void on_logout(Worker *w, Mail *mail) {
        Logout *l = container_of(mail, Logout, mail);
        Server *s = w->userdata;

        registry_logout(s->registry, l->client_id, l->id, clock_usec());
        server_session_ended(s, l->worker);
        server_retry_parked(s); /* visitors that found it dead: there may be another one */
        free(l->client_id);
        free(l);
}

void logout_post(Shard *sh, const SessionSpec *spec) {
        Logout *l = new0(Logout, 1);

        if (!l || str_replace(&l->client_id, spec->client_id) < 0) {
                log_error("Out of memory: the names of a client that is gone stay taken until it comes back");
                free(l);
                return;
        }
        l->id = spec->id;
        l->worker = sh->worker->index;
        worker_post(sh->server->main, &l->mail, on_logout);
}
