/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/session-classic.h"

#include <errno.h>
#include <utlist.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "base/version.h"
#include "net/channel.h"
#include "net/timer.h"
#include "server/shard.h"
#include "server/tunnel-request.h"

/* Visitors wait in order, and get the proxy connections in the order in which those come. How many are wanted
 * follows from what is there: one for each waiting visitor, and some for the pool. */

#define POOL_MAX 10
#define POOL_KEEP_USEC (60 * USEC_PER_SEC)
#define ASK_AGAIN_USEC (5 * USEC_PER_SEC)   /* Go clients don't try again by themselves */
#define SILENCE_USEC (30 * USEC_PER_SEC)    /* clients ping every 20 s */

typedef struct ClassicSession ClassicSession;

typedef struct Proxy {
        ClassicSession *session; /* borrowed */
        Stream *stream;          /* owned */
        uint64_t since_usec;
        struct Proxy *prev, *next;
} Proxy;

struct ClassicSession {
        Session session;
        Channel *control;  /* owned */
        Timer *timer;      /* owned: the next thing that is due */
        Proxy *pool;       /* owned, the oldest first */
        Opening *waiters;  /* borrowed, the oldest first */
        unsigned n_pool, n_waiters;
        unsigned n_asked;  /* ReqProxy sent and not answered */
        unsigned target;   /* proxies to keep in the pool */
        uint64_t asked_usec; /* when something was last asked for, or came */
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
        if (c->n_asked > 0)
                due = MIN(due, c->asked_usec + ASK_AGAIN_USEC);
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

/* As many as waiters and pool lack. What the control connection doesn't take now is asked for when it does. */
static void classic_ask(ClassicSession *c) {
        static const Message req_proxy = { .type = MESSAGE_REQ_PROXY };

        while (c->n_waiters + c->target > c->n_pool + c->n_asked) {
                if (channel_send(c->control, &req_proxy) < 0)
                        break; /* an error shows at the control connection's next event */
                c->n_asked++;
                c->asked_usec = clock_usec();
        }
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

static int start_proxy(Stream *stream, const Opening *o) {
        char peer[ADDRESS_TEXT_MAX];
        Message m = { .type = MESSAGE_START_PROXY };
        Buffer *frame = buffer_get(&stream->worker->buffers);
        int r;

        if (!frame)
                return -ENOMEM;
        m.start_proxy.url = o->tunnel->url;
        m.start_proxy.client_addr = (char*) address_format(o->visitor, peer);
        r = message_encode(&m, frame);
        if (r >= 0) {
                ssize_t k = stream_write(stream, buffer_head(frame), buffer_length(frame));

                r = k == (ssize_t) buffer_length(frame) ? 0 : -ECONNRESET;
        }
        buffer_put(&stream->worker->buffers, frame);
        return r; /* not flushed: the relay does, with the visitor's first bytes */
}

/* Joins waiting visitors and pooled connections while there are both. */
static void classic_pair(ClassicSession *c) {
        while (c->waiters && c->pool) {
                Opening *o = c->waiters;
                Stream *stream = proxy_release(c->pool);

                if (start_proxy(stream, o) < 0) {
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

        if (c->n_asked > 0)
                c->n_asked--;
        c->asked_usec = clock_usec();
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
        if (c->n_asked > 0 && now >= c->asked_usec + ASK_AGAIN_USEC)
                c->n_asked = 0;
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
                r = tunnel_request_post(&c->session, &m->req_tunnel);
                break;
        default:
                log_debug("Client %s sent %s on its control connection, ignoring", c->session.label,
                          message_type_to_string(m->type));
        }
        if (r < 0)
                classic_end(c, r);
}

static int send_new_tunnel(ClassicSession *c, const MessageReqTunnel *request, const Tunnel *t, const char *why) {
        Message m = { .type = MESSAGE_NEW_TUNNEL };

        m.new_tunnel.req_id = request->req_id;
        m.new_tunnel.protocol = t ? (char*) tunnel_protocol_to_string(t->protocol) : request->protocol;
        m.new_tunnel.url = t ? t->url : NULL;
        m.new_tunnel.error = (char*) why;
        return channel_queue(c->control, &m);
}

static void classic_answer(Session *s, const MessageReqTunnel *request, const TunnelGrant *grants, int n,
                           const char *why) {
        ClassicSession *c = classic(s);
        int r = 0;

        if (n <= 0)
                r = send_new_tunnel(c, request, NULL, why);
        for (int i = 0; i < n && r >= 0; i++)
                r = send_new_tunnel(c, request, grants[i].tunnel, NULL);
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
        channel_free(c->control);
        timer_free(c->timer);
        session_done(s);
        free(c);
}

static const SessionOps classic_ops = {
        .open_stream = classic_open_stream,
        .cancel = classic_cancel,
        .answer = classic_answer,
        .add_proxy = classic_add_proxy,
        .destroy = classic_destroy,
};

static int send_auth_resp(ClassicSession *c) {
        Message m = { .type = MESSAGE_AUTH_RESP };

        m.auth_resp.version = (char*) MESSAGE_PROTOCOL_VERSION;
        m.auth_resp.mm_version = (char*) PGROK_VERSION;
        m.auth_resp.client_id = c->session.spec.client_id;
        m.auth_resp.half_close = c->session.spec.half_close;
        return channel_queue(c->control, &m);
}

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
        (void) send_auth_resp(c); /* a failure shows at the connection's next event */
        classic_ask(c);
        return 0;
}
