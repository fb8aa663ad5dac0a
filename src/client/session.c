/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/session.h"

#include <config.h>
#include <errno.h>
#include <sys/utsname.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "client/arrivals.h"
#include "client/identity.h"
#include "client/proxies.h"
#include "net/mux.h"
#include "net/stream-tls.h"
#include "net/timer.h"

/*  OPENING ──TLS is up, Auth is sent──► AUTHENTICATING ──AuthResp──► ONLINE
 *
 * ALPN decides the transport: mux, where Auth goes on a stream of its own and each visitor comes as a stream,
 * or classic (ngrok 1.x), where this connection is the control connection and visitors come through proxy
 * connections. A mux server that drains sends GoAway: the session that follows takes over, the control stream
 * ends, and with the last visitor's stream this session does. Whatever goes wrong, in any state, is told once
 * by ops->ended. One timer serves the answer and, in classic, the Pong. */

#define ANSWER_TIMEOUT_USEC (10 * USEC_PER_SEC) /* TLS and AuthResp */
#define PING_USEC (20 * USEC_PER_SEC)
#define PONG_TIMEOUT_USEC (15 * USEC_PER_SEC)
#define PROBE_USEC (1 * USEC_PER_SEC) /* at least: four round trips */
#define MUX_SILENCE_USEC (45 * USEC_PER_SEC)

typedef enum SessionState { SESSION_OPENING, SESSION_AUTHENTICATING, SESSION_ONLINE } SessionState;

struct Session {
        SessionParams params;
        SessionState state;
        LinkParams proxy_link; /* to the address that the control connection has */
        char *peer;            /* owned: that address */
        char *client_id;       /* owned: the one that the server told us */
        Link *link;            /* owned */
        Channel *channel;      /* owned; NULL while opening */
        Mux *mux;              /* owned; NULL with classic */
        bool is_leaving;       /* mux only: the server said so before we were online */
        bool is_ours;          /* the server is a pgrokd, not one of the Go programs */
        bool is_draining;      /* mux only: another session takes over */
        Arrivals *arrivals;    /* owned, with mux */
        Proxies *proxies;      /* owned, with classic, once online */
        Timer *deadline;       /* owned */
        uint64_t probed_usec;  /* mux: when it last had to prove that it lives; 0: never */
        Timer *ping;           /* owned */
        uint64_t pinged_usec;  /* classic: when the Ping went that has no answer yet; 0: none */
        uint64_t round_trip_usec;
        const SessionOps *ops; /* borrowed */
        void *userdata;        /* borrowed */
};

/* The last thing done with C. */
static void session_end(Session *s, SessionEnd end, const char *why) {
        s->ops->ended(s, end, why, s->userdata);
}

/* ERROR: what the channel says, or our own; 0 when the server ended the connection. */
static void session_fail(Session *s, int error) {
        const char *why = s->channel ? channel_explain(s->channel) : NULL;
        SessionEnd end = SESSION_LOST;

        if (error == -EKEYREJECTED)
                end = SESSION_UNTRUSTED;
        else if (error == -EPROTONOSUPPORT)
                end = SESSION_NO_MUX;
        if (end == SESSION_NO_MUX && s->params.mux_only)
                why = "the server doesn't speak mux; try --transport auto";
        else if (error == 0)
                why = "the server closed the connection";
        else if (error == -EBADMSG || error == -EPROTO)
                why = why ? why : "the server breaks the protocol; is this a tunnel server's port?";
        else if (!why)
                why = strerror(-error);
        session_end(s, end, why);
}

static int session_send(Session *s, const Message *m) {
        int r = channel_queue(s->channel, m);

        log_debug("Sent %s%s%s", message_type_to_string(m->type), r < 0 ? ": " : "",
                  r < 0 ? strerror(-r) : "");
        return r;
}

static void on_session_deadline(void *userdata) {
        Session *s = userdata;

        if (s->mux && s->probed_usec > 0) {
                bool is_alive = mux_heard_usec(s->mux) >= s->probed_usec;

                s->probed_usec = 0;
                /* It may be late only, and has visitors: they stay until MUX_SILENCE_USEC are over. */
                if (is_alive || session_drain(s))
                        return;
        }
        session_end(s, SESSION_LOST,
                    s->state == SESSION_ONLINE ? "the server does not answer any more"
                                               : "the server does not answer");
}

static void session_watch_mux(Session *s) {
        if (clock_usec() - mux_heard_usec(s->mux) < MUX_SILENCE_USEC)
                mux_ping(s->mux);
        else
                session_end(s, SESSION_LOST, "the server does not answer any more");
}

static void on_session_ping(void *userdata) {
        Session *s = userdata;
        int r;

        if (s->mux) {
                session_watch_mux(s);
                return;
        }
        s->pinged_usec = clock_usec();
        r = session_send(s, &(Message) { .type = MESSAGE_PING });
        if (r < 0)
                session_fail(s, r);
        else
                timer_start(s->deadline, PONG_TIMEOUT_USEC);
}

void session_probe(Session *s) {
        int r = 0;

        if (s->state != SESSION_ONLINE || s->is_draining)
                return;
        s->probed_usec = clock_usec();
        timer_start(s->deadline, MAX(PROBE_USEC, 4 * session_round_trip_usec(s)));
        if (s->mux)
                mux_ping(s->mux);
        else
                r = session_send(s, &(Message) { .type = MESSAGE_PING });
        if (r < 0)
                session_fail(s, r);
}

void session_tell_health(Session *s, const char *url, bool is_failing) {
        Message m = {
                .type = MESSAGE_TUNNEL_HEALTH,
                .tunnel_health = { .url = (char*) url, .failing = is_failing }, /* borrowed */
        };
        int r = s->state == SESSION_ONLINE && s->is_ours && !s->is_draining ? session_send(s, &m) : 0;

        if (r < 0)
                session_fail(s, r);
}

void session_ask(Session *s) {
        Message m = { .type = MESSAGE_REQ_TUNNEL };

        while (tunnels_ask_next(s->params.tunnels, &m.req_tunnel)) {
                int r = session_send(s, &m);

                if (r < 0) {
                        session_fail(s, r);
                        return;
                }
        }
}

static void on_session_visitor(Stream *stream, Buffer *head, const MessageStartProxy *start, void *userdata) {
        Session *s = userdata;

        if (s->state == SESSION_ONLINE)
                s->ops->visitor(stream, head, start, s->userdata);
        else { /* nothing may come before AuthResp */
                buffer_put(&stream->worker->buffers, head);
                stream_reset(stream);
        }
}

static int session_go_online(Session *s, const MessageAuthResp *m) {
        int r;

        if (identity_check(message_str(m->client_id)) < 0)
                return -EPROTO;
        r = str_replace(&s->client_id, m->client_id);
        if (r >= 0 && !s->mux)
                r = proxies_new(&s->proxies, &s->proxy_link, s->client_id, on_session_visitor, s);
        if (r >= 0)
                r = timer_new(&s->ping, s->params.link.worker, on_session_ping, s);
        if (r < 0)
                return r;
        s->state = SESSION_ONLINE;
        s->is_ours = m->half_close;
        timer_stop(s->deadline);
        timer_start_every(s->ping, PING_USEC);
        if (s->mux)
                mux_ping(s->mux);
        return 0;
}

uint64_t session_round_trip_usec(const Session *s) {
        return s->mux ? mux_round_trip_usec(s->mux) : s->round_trip_usec;
}

bool session_drain(Session *s) {
        if (!s->mux || s->state != SESSION_ONLINE || s->is_draining)
                return false;
        s->is_draining = true;
        s->ops->draining(s, s->userdata);
        return true;
}

bool session_leave(Session *s) {
        if (!session_drain(s))
                return false;
        s->channel = channel_free(s->channel); /* which ends it for the server; visitors' streams go on */
        return true;
}

static void on_auth_resp(Session *s, const MessageAuthResp *m) {
        int r;

        if (*message_str(m->error)) {
                session_end(s, SESSION_REFUSED, m->error);
                return;
        }
        r = session_go_online(s, m);
        if (r < 0)
                session_fail(s, r);
        else if (s->is_leaving)
                (void) session_drain(s);
        else
                s->ops->online(m, s->userdata);
}

/* No visitor gets through it. */
static void session_refuse_tunnel(Session *s, Tunnel *tunnel) {
        _cleanup_free_ char *list = tunnel_options_list(tunnel->missing);
        _cleanup_free_ char *why = str_format("The server can't do what this tunnel needs (%s); without it "
                                              "the tunnel stays closed",
                                              list ? list : "");

        s->ops->tunnel_refused(tunnel, why ? why : "Out of memory", s->userdata);
}

static void on_new_tunnel(Session *s, const MessageNewTunnel *m) {
        Tunnel *tunnel = NULL;
        int r = s->params.tunnels ? tunnels_answer(s->params.tunnels, m, &tunnel) : -EPROTO;

        if (r < 0)
                session_fail(s, r);
        else if (r == TUNNEL_ANSWER_UP)
                s->ops->tunnel_up(tunnel, s->userdata);
        else if (r == TUNNEL_ANSWER_MISSING)
                session_refuse_tunnel(s, tunnel);
        else if (r == TUNNEL_ANSWER_REFUSED)
                s->ops->tunnel_refused(tunnel, m->error, s->userdata);
        else if (r == TUNNEL_ANSWER_AGAIN) {
                log_debug("What tunnel %s had before is gone: %s", tunnel->config->name, m->error);
                session_ask(s);
        }
}

static void on_server_ping(Session *s) {
        int r = session_send(s, &(Message) { .type = MESSAGE_PONG });

        if (r < 0)
                session_fail(s, r);
}

static void on_pong(Session *s) {
        timer_stop(s->deadline);
        if (s->pinged_usec > 0)
                s->round_trip_usec = clock_usec() - s->pinged_usec;
        s->pinged_usec = 0;
}

static void on_online_message(Session *s, const Message *m) {
        switch (m->type) {
        case MESSAGE_NEW_TUNNEL:
                on_new_tunnel(s, &m->new_tunnel);
                break;
        case MESSAGE_REQ_PROXY:
                if (s->proxies)
                        proxies_want(s->proxies);
                break;
        case MESSAGE_PING:
                on_server_ping(s);
                break;
        case MESSAGE_PONG:
                on_pong(s);
                break;
        case MESSAGE_UNKNOWN:
                break; /* of a newer server */
        default:
                session_fail(s, -EPROTO);
        }
}

static void on_session_message(Channel *channel _unused_, const Message *m, int error, void *userdata) {
        Session *s = userdata;

        if (m)
                log_debug("Received %s", message_type_to_string(m->type));
        if (s->is_draining) { /* replaced: what is left are visitors' streams */
                if (!m)
                        s->channel = channel_free(s->channel);
        } else if (!m)
                session_fail(s, error);
        else if (s->state == SESSION_ONLINE)
                on_online_message(s, m);
        else if (m->type == MESSAGE_AUTH_RESP)
                on_auth_resp(s, &m->auth_resp);
        else
                session_fail(s, -EPROTO);
}

/* Strings are borrowed. */
static int session_authenticate(Session *s) {
        struct utsname system = {};
        Message m = {
                .type = MESSAGE_AUTH,
                .auth = {
                        .version = (char*) MESSAGE_PROTOCOL_VERSION,
                        .mm_version = (char*) PACKAGE_VERSION,
                        .user = (char*) s->params.token,
                        .os = (char*) "linux",
                        .arch = system.machine,
                        .client_id = (char*) s->params.client_id,
                        .half_close = true,
                },
        };

        (void) uname(&system);
        if (s->mux) {
                m.auth.instance = (char*) s->params.instance;
                m.auth.session = (uint16_t) s->params.number;
        }
        return session_send(s, &m);
}

/* A name may lead to several servers; only the one that holds the session knows our ClientId. */
static int session_set_proxy_link(Session *s, const Address *peer) {
        char ip[ADDRESS_TEXT_MAX];

        s->proxy_link = s->params.link;
        s->proxy_link.alpn = NULL;
        if (s->params.link.http_proxy)
                return 0; /* who resolves the name, each time anew */
        s->peer = strdup(address_format_ip(peer, ip));
        s->proxy_link.host = s->peer;
        return s->peer ? 0 : -ENOMEM;
}

static void on_server_opened(Mux *m _unused_, Stream *stream, void *userdata) {
        Session *s = userdata;

        arrivals_add(s->arrivals, stream); /* also now that AuthResp may be here and not read yet */
}

static void on_mux_ended(Mux *m _unused_, int error, void *userdata) {
        session_fail(userdata, error);
}

static void on_go_away(Mux *m _unused_, void *userdata) {
        Session *s = userdata;

        if (s->state != SESSION_ONLINE)
                s->is_leaving = true; /* AuthResp may be here and not read yet */
        else
                (void) session_drain(s);
}

static void on_mux_emptied(Mux *m, void *userdata) {
        Session *s = userdata;

        mux_end(m);
        s->probed_usec = 0;
        timer_start(s->deadline, MUX_FAREWELL_USEC); /* else the server's end comes first */
}

static const MuxEvents mux_events = {
        .opened = on_server_opened,
        .ended = on_mux_ended,
        .go_away = on_go_away,
        .emptied = on_mux_emptied,
};

/* The connection speaks mux: Auth goes on its first stream. */
static int session_start_mux(Session *s) {
        Buffer *rest = NULL;
        Stream *transport = channel_release(TAKE_PTR(s->channel), &rest), *control = NULL;
        int r = arrivals_new(&s->arrivals, s->params.link.worker, on_session_visitor, s);

        if (r >= 0)
                r = mux_new(&s->mux, transport, true, &mux_events, s);
        buffer_put(&transport->worker->buffers, rest);
        if (r < 0) {
                stream_free(transport);
                return r;
        }
        r = mux_open(s->mux, &control);
        if (r >= 0)
                r = channel_new(&s->channel, control, NULL, on_session_message, s);
        if (r < 0)
                stream_free(control);
        return r;
}

/* TLS is up. */
static void on_session_writable(Channel *channel, void *userdata) {
        Session *s = userdata;
        int r = 0;

        if (s->state != SESSION_OPENING)
                return;
        s->state = SESSION_AUTHENTICATING;
        if (stream_tls_speaks(channel_stream(channel), MUX_ALPN))
                r = session_start_mux(s);
        else if (s->params.mux_only) {
                session_end(s, SESSION_NO_MUX, "the server doesn't speak mux; try --transport auto");
                return;
        }
        if (r >= 0)
                r = session_authenticate(s);
        if (r < 0)
                session_fail(s, r);
}

static void on_session_open(Link *l _unused_, Channel *channel, const Address *peer, const char *why,
                            void *userdata) {
        Session *s = userdata;
        int r;

        if (!channel) {
                session_end(s, SESSION_LOST, why);
                return;
        }
        s->channel = channel;
        channel_set_writable_fn(channel, on_session_writable);
        r = session_set_proxy_link(s, peer);
        if (r >= 0)
                r = timer_new_after(&s->deadline, s->params.link.worker, ANSWER_TIMEOUT_USEC,
                                    on_session_deadline, s);
        if (r < 0)
                session_fail(s, r);
}

int session_new(Session **ret, const SessionParams *params, const SessionOps *ops, void *userdata) {
        Session *s = new0(Session, 1);
        int r;

        if (!s)
                return -ENOMEM;
        *s = (Session) { .params = *params, .ops = ops, .userdata = userdata };
        if (params->tunnels)
                tunnels_restart(params->tunnels);
        r = link_new(&s->link, &s->params.link, on_session_message, on_session_open, s);
        if (r < 0) {
                free(s);
                return r;
        }
        *ret = s;
        return 0;
}

Session *session_free(Session *s) {
        if (!s)
                return NULL;
        if (s->mux && !mux_is_over(s->mux))
                mux_end(s->mux);
        else if (s->state == SESSION_ONLINE && s->channel) { /* a farewell; nobody waits for it */
                (void) stream_shutdown(channel_stream(s->channel));
                (void) stream_flush(channel_stream(s->channel));
        }
        proxies_free(s->proxies);
        arrivals_free(s->arrivals);
        link_free(s->link);
        channel_free(s->channel);
        mux_free(s->mux);
        timer_free(s->deadline);
        timer_free(s->ping);
        free(s->client_id);
        free(s->peer);
        free(s);
        return NULL;
}
