/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/sibling.h"

#include <errno.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "client/backoff.h"
#include "client/draining.h"
#include "client/session.h"
#include "client/visitors.h"
#include "net/mux.h"
#include "net/timer.h"

/*  idle ──go──► connecting ──► session ──lost or refused──► waiting (back-off) ──► connecting …
 *    ▲                                                          │
 *    └───────────────────────────── pause ──────────────────────┘
 *
 * Orders come from the main thread by mail. What both threads see does not change or has a lock. */

#define RECONNECT_MIN_USEC (1 * USEC_PER_SEC)
#define RECONNECT_MAX_USEC (30 * USEC_PER_SEC)
#define REFUSED_MIN_USEC (60 * USEC_PER_SEC) /* unless session 0 comes anew: then at once */
#define REFUSED_MAX_USEC (300 * USEC_PER_SEC)
#define STABLE_USEC (10 * USEC_PER_SEC) /* online for so long: the next loss is a new one */

/* How to log in. */
typedef struct Pass {
        Mail mail;
        const ClientConfig *config; /* borrowed; but for its token */
        char *token;                /* owned, or NULL */
        char *client_id;            /* owned */
} Pass;

struct Sibling {
        Worker *worker; /* owned */
        const SiblingParams *params;
        unsigned number;
        Mail stop;

        /* loop: worker */
        Visitors *visitors; /* owned */
        Pass *pass, *next;  /* owned, or NULL: what the session uses, and what the next one shall use */
        Session *session;   /* owned, or NULL */
        Draining draining;  /* those that the server has told to be replaced */
        Timer *retry;       /* owned */
        Backoff lost, refused;
        uint64_t online_usec; /* since when; 0: not online */
        bool is_wanted;
        bool has_complained; /* of being refused */
};

static Pass *pass_free(Pass *p) {
        if (!p)
                return NULL;
        if (p->token)
                explicit_bzero(p->token, strlen(p->token));
        free(p->token);
        free(p->client_id);
        free(p);
        return NULL;
}

/* ---- the session ---- */

static void on_sibling_online(const MessageAuthResp *answer _unused_, void *userdata) {
        Sibling *s = userdata;

        s->online_usec = clock_usec();
        s->has_complained = false;
        backoff_reset(&s->refused);
        log_debug("Session %u is online", s->number);
}

static void on_sibling_visitor(Stream *stream, Buffer *head, const MessageStartProxy *start, void *userdata) {
        Sibling *s = userdata;

        visitors_add(s->visitors, stream, head, start);
}

static uint64_t sibling_delay(Sibling *s, SessionEnd end) {
        if (end != SESSION_LOST)
                return backoff_next(&s->refused);
        if (s->online_usec > 0 && clock_usec() - s->online_usec >= STABLE_USEC)
                backoff_reset(&s->lost);
        return backoff_next(&s->lost);
}

static void sibling_wait(Sibling *s, SessionEnd end) {
        uint64_t delay = sibling_delay(s, end);

        s->online_usec = 0;
        if (s->is_wanted)
                timer_start(s->retry, delay);
}

static void sibling_log_end(Sibling *s, SessionEnd end, const char *why) {
        if (end == SESSION_LOST)
                log_info("Session %u has ended: %s", s->number, why);
        else if (!s->has_complained)
                log_warning("Session %u is refused, so there are fewer connections: %s, ignoring", s->number,
                            why);
        s->has_complained = end != SESSION_LOST;
}

static void on_sibling_ended(Session *session, SessionEnd end, const char *why, void *userdata) {
        Sibling *s = userdata;

        if (session != s->session) {
                log_debug("A replaced session %u has ended: %s", s->number, why);
                (void) draining_remove(&s->draining, session);
                return;
        }
        sibling_log_end(s, end, why);
        s->session = session_free(s->session);
        sibling_wait(s, end);
}

/* Not at once, as session 0 does it: if the whole server drains, that one must be there first. */
static void on_sibling_draining(Session *session, void *userdata) {
        Sibling *s = userdata;

        if (session != s->session)
                return;
        draining_add(&s->draining, TAKE_PTR(s->session));
        sibling_wait(s, SESSION_LOST);
}

static const SessionOps sibling_ops = {
        .online = on_sibling_online,
        .visitor = on_sibling_visitor,
        .draining = on_sibling_draining,
        .ended = on_sibling_ended,
};

static void sibling_connect(Sibling *s) {
        static const char *const alpn[] = { MUX_ALPN, NULL };
        const ClientConfig *config = s->pass->config;
        SessionParams params = {
                .link = {
                        .worker = s->worker,
                        .tls = config->tls,
                        .host = config->server_host,
                        .port = config->server_port,
                        .tls_name = config->tls_name,
                        .http_proxy = config->http_proxy,
                        .alpn = alpn,
                },
                .token = s->pass->token,
                .client_id = s->pass->client_id,
                .instance = s->params->instance,
                .number = s->number,
                .mux_only = true,
        };

        if (session_new(&s->session, &params, &sibling_ops, s) < 0)
                sibling_wait(s, SESSION_LOST);
}

static void on_sibling_retry(void *userdata) {
        Sibling *s = userdata;

        if (s->next) {
                pass_free(s->pass); /* a session that drains has used it */
                s->pass = TAKE_PTR(s->next);
        }
        sibling_connect(s);
}

/* ---- orders ---- */

static void on_sibling_go(Worker *w, Mail *mail) {
        Sibling *s = w->userdata;

        pass_free(s->next);
        s->next = container_of(mail, Pass, mail);
        s->is_wanted = true;
        if (!s->session)
                timer_start(s->retry, 0);
}

static void on_sibling_pause(Worker *w, Mail *mail) {
        Sibling *s = w->userdata;

        free(mail);
        s->is_wanted = false;
        timer_stop(s->retry);
        if (s->online_usec == 0)
                s->session = session_free(s->session);
}

static void on_sibling_leave(Worker *w, Mail *mail) {
        Sibling *s = w->userdata;

        on_sibling_pause(w, mail);
        if (s->session && !session_leave(s->session))
                s->session = session_free(s->session);
}

static void on_sibling_wake(Worker *w, Mail *mail) {
        Sibling *s = w->userdata;

        free(mail);
        backoff_reset(&s->lost);
        if (s->session && s->online_usec > 0)
                session_probe(s->session);
        else if (s->is_wanted && !s->session)
                timer_start(s->retry, 0);
}

static void on_sibling_tunnel_up(Worker *w, Mail *mail) {
        Sibling *s = w->userdata;

        free(mail);
        visitors_tunnel_up(s->visitors);
}

/* Lets go of everything that keeps the loop running. */
static void sibling_close(Sibling *s) {
        s->session = session_free(s->session);
        draining_done(&s->draining);
        s->visitors = visitors_free(s->visitors);
        s->retry = timer_free(s->retry);
}

static void on_sibling_stop(Worker *w, Mail *mail _unused_) {
        sibling_close(w->userdata);
        worker_end(w);
}

/* ---- main ---- */

static int sibling_init(Sibling *s) {
        int r = worker_new(&s->worker, s->number);

        if (r < 0)
                return r;
        s->worker->userdata = s;
        r = visitors_new(&s->visitors, s->worker, s->params->tunnels, s->params->report, s->params->records);
        if (r >= 0)
                r = timer_new(&s->retry, s->worker, on_sibling_retry, s);
        return r < 0 ? r : worker_start(s->worker);
}

int sibling_new(Sibling **ret, unsigned number, const SiblingParams *params) {
        Sibling *s = new0(Sibling, 1);
        int r;

        if (!s)
                return -ENOMEM;
        *s = (Sibling) {
                .params = params,
                .number = number,
                .lost = { RECONNECT_MIN_USEC, RECONNECT_MAX_USEC, 0 },
                .refused = { REFUSED_MIN_USEC, REFUSED_MAX_USEC, 0 },
        };
        r = sibling_init(s);
        if (r < 0) {
                sibling_close(s);
                sibling_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

/* Without memory it comes the next time, or its visitors wait for their timeout. */
static void sibling_order(Sibling *s, MailFn deliver) {
        Mail *mail = new0(Mail, 1);

        if (mail)
                worker_post(s->worker, mail, deliver);
}

void sibling_go(Sibling *s, const ClientConfig *config, const char *client_id) {
        const char *token = config->token;
        Pass *p = new0(Pass, 1);

        if (p && (!token || str_replace(&p->token, token) >= 0) &&
            str_replace(&p->client_id, client_id) >= 0) {
                p->config = config;
                worker_post(s->worker, &p->mail, on_sibling_go);
        } else
                pass_free(p);
}

void sibling_pause(Sibling *s) {
        sibling_order(s, on_sibling_pause);
}

void sibling_leave(Sibling *s) {
        sibling_order(s, on_sibling_leave);
}

void sibling_wake(Sibling *s) {
        sibling_order(s, on_sibling_wake);
}

void sibling_tunnel_up(Sibling *s) {
        sibling_order(s, on_sibling_tunnel_up);
}

void sibling_stop(Sibling *s) {
        worker_post(s->worker, &s->stop, on_sibling_stop);
}

Sibling *sibling_free(Sibling *s) {
        if (!s)
                return NULL;
        if (s->worker)
                worker_join(s->worker);
        worker_free(s->worker);
        pass_free(s->pass);
        pass_free(s->next);
        free(s);
        return NULL;
}
