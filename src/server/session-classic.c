/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/session-classic.h"

#include <errno.h>
#include <utlist.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "net/channel.h"
#include "net/timer.h"
#include "server/shard.h"
#include "server/tunnel-request.h"

/* Visitors wait in order, and get the proxy connections in the order in which those come. How many are wanted
 * follows from what is there: one for each waiting visitor, and some for the pool. */

#define POOL_MAX 10
#define POOL_KEEP_USEC (60 * USEC_PER_SEC)
#define ASK_AGAIN_USEC (5 * USEC_PER_SEC) /* Go clients don't try again by themselves */
#define SILENCE_USEC (30 * USEC_PER_SEC)  /* clients ping every 20 s */
#define REQUESTS_MAX 16                   /* ReqTunnels with main; further ones wait in the connection */

typedef struct ClassicSession ClassicSession;

/* A ReqProxy that was not answered yet. Answers don't say which one they answer: the oldest. */
typedef struct Ask {
        uint64_t since_usec;
        struct Ask *prev, *next;
} Ask;

typedef struct Proxy {
        ClassicSession *session; /* borrowed */
        Stream *stream;          /* owned */
        uint64_t since_usec;
        struct Proxy *prev, *next;
} Proxy;

struct ClassicSession {
        Session session;
        Channel *control; /* owned */
        Timer *timer;     /* owned: the next thing that is due */
        Proxy *pool;      /* owned, the oldest first */
        Ask *asks;        /* owned, the oldest first */
        Opening *waiters; /* borrowed, the oldest first */
        unsigned n_pool, n_asked, n_waiters;
        unsigned n_requests; /* ReqTunnels that main has not answered */
        unsigned target;     /* proxies to keep in the pool */
        uint64_t heard_usec; /* when the client last said something */
};

static ClassicSession *classic(Session *s) {
        return container_of(s, ClassicSession, session);
}

/* ---- time ---- */

static void classic_update_timer(ClassicSession *c) {
        uint64_t now = clock_usec(), due = c->heard_usec + SILENCE_USEC;

        if (c->pool)
                due = MIN(due, c->pool->since_usec + POOL_KEEP_USEC);
        if (c->asks)
                due = MIN(due, c->asks->since_usec + ASK_AGAIN_USEC);
        timer_start(c->timer, due > now ? due - now : 0);
}

/* ---- proxies ---- */

static Stream *proxy_release(Proxy *p) {
        Stream *s = p->stream;

        stream_set_callback(s, NULL, NULL);
        stream_set_events(s, 0);
        DL_DELETE(p->session->pool, p);
        p->session->n_pool--;
        free(p);
        return s;
}

static void classic_drop_ask(ClassicSession *c) {
        Ask *a = c->asks;

        DL_DELETE(c->asks, a);
        c->n_asked--;
        free(a);
}

static int classic_ask_once(ClassicSession *c) {
        static const Message req_proxy = { .type = MESSAGE_REQ_PROXY };
        Ask *a = new0(Ask, 1);
        int r = a ? channel_send(c->control, &req_proxy) : -ENOMEM;

        if (r < 0) {
                free(a);
                return r;
        }
        a->since_usec = clock_usec();
        DL_APPEND(c->asks, a);
        c->n_asked++;
        return 0;
}

/* As many as waiters and pool lack. What the control connection doesn't take now is asked for later. */
static void classic_ask(ClassicSession *c) {
        while (c->n_waiters + c->target > c->n_pool + c->n_asked)
                if (classic_ask_once(c) < 0)
                        break; /* an error shows at the control connection's next event */
        classic_update_timer(c);
}

static void on_control_writable(Channel *control _unused_, void *userdata) {
        classic_ask(userdata);
}

/* A pooled connection has nothing to say: whatever comes ends it. */
static void on_pooled_event(Stream *s _unused_, unsigned events _unused_, void *userdata) {
        Proxy *p = userdata;
        ClassicSession *c = p->session;

        stream_free(proxy_release(p));
        classic_ask(c);
}

/* Joins waiting visitors and pooled connections while there are both. */
static void classic_pair(ClassicSession *c) {
        while (c->waiters && c->pool) {
                Opening *o = c->waiters;
                Stream *stream = proxy_release(c->pool);

                if (opening_write_start(o, stream) < 0) {
                        stream_free(stream);
                        continue;
                }
                DL_DELETE(c->waiters, o);
                c->n_waiters--;
                opening_finish(o, stream);
        }
        classic_ask(c);
}

static void classic_open_stream(Session *s, Opening *o) {
        ClassicSession *c = classic(s);

        if (!c->pool)
                c->target = MIN(c->target * 2, POOL_MAX);
        DL_APPEND(c->waiters, o);
        c->n_waiters++;
        classic_pair(c);
}

static void classic_cancel(Session *s, Opening *o) {
        ClassicSession *c = classic(s);

        DL_DELETE(c->waiters, o);
        c->n_waiters--;
}

static void classic_add_proxy(Session *s, Stream *stream) {
        ClassicSession *c = classic(s);
        Proxy *p;

        if (c->asks)
                classic_drop_ask(c);
        p = c->n_pool < POOL_MAX || c->waiters ? new0(Proxy, 1) : NULL;
        if (!p) {
                stream_free(stream);
                return;
        }
        *p = (Proxy) { .session = c, .stream = stream, .since_usec = clock_usec() };
        DL_APPEND(c->pool, p);
        c->n_pool++;
        stream_set_callback(stream, on_pooled_event, p);
        if (!c->waiters)
                stream_set_events(stream, STREAM_READABLE);
        classic_pair(c);
}

/* ---- the control connection ---- */

static void on_classic_timer(void *userdata) {
        ClassicSession *c = userdata;
        uint64_t now = clock_usec();

        if (now >= c->heard_usec + SILENCE_USEC) {
                session_end(&c->session, "it was silent for too long");
                return;
        }
        while (c->pool && now >= c->pool->since_usec + POOL_KEEP_USEC) {
                stream_free(proxy_release(c->pool));
                c->target = 1;
        }
        while (c->asks && now >= c->asks->since_usec + ASK_AGAIN_USEC)
                classic_drop_ask(c);
        classic_ask(c);
}

static void classic_end(ClassicSession *c, int error) {
        if (error == 0)
                session_end(&c->session, "it closed the connection");
        else if (error == -EBADMSG)
                session_end(&c->session, "it sent what is no message");
        else if (error == -ENOBUFS)
                session_end(&c->session, "it doesn't read what we send");
        else
                session_end(&c->session, strerror(-error));
}

static int classic_request(ClassicSession *c, const MessageReqTunnel *m) {
        int r = tunnel_request_post(&c->session, m);

        if (r >= 0 && ++c->n_requests == REQUESTS_MAX)
                channel_set_reading(c->control, false);
        return r;
}

static void on_control_message(Channel *control, const Message *m, int error, void *userdata) {
        static const Message pong = { .type = MESSAGE_PONG };
        ClassicSession *c = userdata;
        int r = 0;

        if (!m) {
                classic_end(c, error);
                return;
        }
        c->heard_usec = clock_usec();
        switch (m->type) {
        case MESSAGE_PING:
                r = channel_queue(control, &pong);
                break;
        case MESSAGE_REQ_TUNNEL:
                r = classic_request(c, &m->req_tunnel);
                break;
        case MESSAGE_TUNNEL_HEALTH:
                session_set_health(&c->session, &m->tunnel_health);
                break;
        default:
                log_debug("Client %s sent %s on its control connection, ignoring", c->session.label,
                          message_type_to_string(m->type));
        }
        if (r < 0)
                classic_end(c, r);
}

static void classic_answer(Session *s, const MessageReqTunnel *request, const TunnelGrant *grants, int n,
                           const char *why) {
        ClassicSession *c = classic(s);
        int r;

        if (c->n_requests-- == REQUESTS_MAX)
                channel_set_reading(c->control, true);
        r = session_send_answer(c->control, request, grants, n, why);
        if (r < 0)
                classic_end(c, r);
}

/* ---- life ---- */

static void classic_destroy(Session *s) {
        ClassicSession *c = classic(s);

        while (c->waiters) {
                Opening *o = c->waiters;

                DL_DELETE(c->waiters, o);
                opening_finish(o, NULL);
        }
        while (c->pool)
                stream_free(proxy_release(c->pool));
        while (c->asks)
                classic_drop_ask(c);
        channel_free(c->control);
        timer_free(c->timer);
        session_done(s);
        free(c);
}

static const SessionOps classic_ops = {
        .transport = "classic",
        .open_usec = SESSION_OPEN_USEC,
        .open_stream = classic_open_stream,
        .cancel = classic_cancel,
        .answer = classic_answer,
        .add_proxy = classic_add_proxy,
        .destroy = classic_destroy,
};

int classic_session_new(Shard *shard, const SessionSpec *spec, Stream *stream, Buffer *rest) {
        ClassicSession *c = new0(ClassicSession, 1);
        int r;

        if (!c)
                return -ENOMEM;
        c->target = 1;
        c->heard_usec = clock_usec();
        r = timer_new(&c->timer, shard->worker, on_classic_timer, c);
        if (r >= 0)
                r = channel_new(&c->control, stream, rest, on_control_message, c);
        if (r < 0) {
                timer_free(c->timer);
                free(c);
                return r;
        }
        session_init(&c->session, &classic_ops, shard, spec);
        channel_set_writable_fn(c->control, on_control_writable);
        /* a failure shows at the connection's next event */
        (void) session_send_auth_resp(&c->session, c->control, 0);
        classic_ask(c);
        return 0;
}
