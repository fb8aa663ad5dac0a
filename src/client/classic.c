/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/classic.h"

#include <config.h>
#include <errno.h>
#include <sys/utsname.h>

#include "base/log.h"
#include "base/str.h"
#include "client/identity.h"
#include "client/proxies.h"
#include "net/timer.h"

/*  OPENING ──connected, Auth is sent──► AUTHENTICATING ──AuthResp──► ONLINE
 *
 * Whatever goes wrong, in any state, is told once by ops->ended. One timer serves them all: the first
 * answer's, then the Pong's. */

typedef enum ClassicState { CLASSIC_OPENING, CLASSIC_AUTHENTICATING, CLASSIC_ONLINE } ClassicState;

struct Classic {
        SessionParams params;
        ClassicState state;
        LinkParams proxy_link; /* to the address that the control connection has */
        char *peer;            /* owned: that address */
        char *client_id;       /* owned: the one that the server told us */
        Link *link;            /* owned */
        Channel *channel;      /* owned; NULL while opening */
        Proxies *proxies;      /* owned; NULL until online */
        Timer *deadline;       /* owned */
        Timer *ping;           /* owned */
        const SessionOps *ops; /* borrowed */
        void *userdata;        /* borrowed */
};

/* The last thing done with C. */
static void classic_end(Classic *c, SessionEnd end, const char *why) {
        c->ops->ended(end, why, c->userdata);
}

/* ERROR: what the channel says, or our own; 0 when the server ended the connection. */
static void classic_fail(Classic *c, int error) {
        const char *why = c->channel ? stream_explain(channel_stream(c->channel)) : NULL;

        if (error == 0)
                why = "the server closed the connection";
        else if (error == -EBADMSG || error == -EPROTO)
                why = why ? why : "the server breaks the protocol; is this a tunnel server's port?";
        else if (!why)
                why = strerror(-error);
        classic_end(c, error == -EKEYREJECTED ? SESSION_UNTRUSTED : SESSION_LOST, why);
}

static int classic_send(Classic *c, const Message *m) {
        int r = channel_queue(c->channel, m);

        log_debug("Sent %s%s%s", message_type_to_string(m->type), r < 0 ? ": " : "",
                  r < 0 ? strerror(-r) : "");
        return r;
}

static void on_classic_deadline(void *userdata) {
        Classic *c = userdata;

        classic_end(c, SESSION_LOST,
                    c->state == CLASSIC_ONLINE ? "the server does not answer any more"
                                               : "the server does not answer");
}

static void on_classic_ping(void *userdata) {
        Classic *c = userdata;
        int r = classic_send(c, &(Message) { .type = MESSAGE_PING });

        if (r < 0)
                classic_fail(c, r);
        else
                timer_start(c->deadline, CLASSIC_PONG_TIMEOUT_USEC);
}

void classic_ask(Classic *c) {
        Message m = { .type = MESSAGE_REQ_TUNNEL };

        while (tunnels_ask_next(c->params.tunnels, &m.req_tunnel)) {
                int r = classic_send(c, &m);

                if (r < 0) {
                        classic_fail(c, r);
                        return;
                }
        }
}

static void on_classic_visitor(Stream *stream, Buffer *head, const MessageStartProxy *start, void *userdata) {
        Classic *c = userdata;

        c->ops->visitor(stream, head, start, c->userdata);
}

static int classic_go_online(Classic *c, const MessageAuthResp *m) {
        int r;

        if (identity_check(message_str(m->client_id)) < 0)
                return -EPROTO;
        r = str_replace(&c->client_id, m->client_id);
        if (r >= 0)
                r = proxies_new(&c->proxies, &c->proxy_link, c->client_id, on_classic_visitor, c);
        if (r >= 0)
                r = timer_new(&c->ping, c->params.link.worker, on_classic_ping, c);
        if (r < 0)
                return r;
        c->state = CLASSIC_ONLINE;
        timer_stop(c->deadline);
        timer_start_every(c->ping, CLASSIC_PING_USEC);
        return 0;
}

static void on_auth_resp(Classic *c, const MessageAuthResp *m) {
        int r;

        if (*message_str(m->error)) {
                classic_end(c, SESSION_REFUSED, m->error);
                return;
        }
        r = classic_go_online(c, m);
        if (r < 0)
                classic_fail(c, r);
        else
                c->ops->online(c->client_id, c->userdata);
}

static void on_new_tunnel(Classic *c, const MessageNewTunnel *m) {
        Tunnel *tunnel = NULL;
        int r = tunnels_answer(c->params.tunnels, m, &tunnel);

        if (r < 0)
                classic_fail(c, r);
        else if (r == TUNNEL_ANSWER_UP)
                c->ops->tunnel_up(tunnel, c->userdata);
        else if (r == TUNNEL_ANSWER_REFUSED)
                c->ops->tunnel_refused(tunnel, m->error, c->userdata);
        else {
                log_debug("What tunnel %s had before is gone: %s", tunnel->config->name, m->error);
                classic_ask(c);
        }
}

static void on_server_ping(Classic *c) {
        int r = classic_send(c, &(Message) { .type = MESSAGE_PONG });

        if (r < 0)
                classic_fail(c, r);
}

static void on_online_message(Classic *c, const Message *m) {
        switch (m->type) {
        case MESSAGE_NEW_TUNNEL:
                on_new_tunnel(c, &m->new_tunnel);
                break;
        case MESSAGE_REQ_PROXY:
                proxies_want(c->proxies);
                break;
        case MESSAGE_PING:
                on_server_ping(c);
                break;
        case MESSAGE_PONG:
                timer_stop(c->deadline);
                break;
        case MESSAGE_UNKNOWN:
                break; /* of a newer server */
        default:
                classic_fail(c, -EPROTO);
        }
}

static void on_classic_message(Channel *channel _unused_, const Message *m, int error, void *userdata) {
        Classic *c = userdata;

        if (m)
                log_debug("Received %s", message_type_to_string(m->type));
        if (!m)
                classic_fail(c, error);
        else if (c->state == CLASSIC_ONLINE)
                on_online_message(c, m);
        else if (m->type == MESSAGE_AUTH_RESP)
                on_auth_resp(c, &m->auth_resp);
        else
                classic_fail(c, -EPROTO);
}

/* Strings are borrowed. */
static int classic_authenticate(Classic *c) {
        struct utsname system = {};
        Message m = {
                .type = MESSAGE_AUTH,
                .auth = {
                        .version = (char*) MESSAGE_PROTOCOL_VERSION,
                        .mm_version = (char*) PACKAGE_VERSION,
                        .user = (char*) c->params.token,
                        .os = (char*) "linux",
                        .arch = system.machine,
                        .client_id = (char*) c->params.client_id,
                        .half_close = true,
                },
        };

        (void) uname(&system);
        return classic_send(c, &m);
}

/* A name may lead to several servers; only the one that holds the session knows our ClientId. */
static int classic_set_proxy_link(Classic *c, const Address *peer) {
        char ip[ADDRESS_TEXT_MAX];

        c->proxy_link = c->params.link;
        if (c->params.link.http_proxy)
                return 0; /* who resolves the name, each time anew */
        c->peer = strdup(address_format_ip(peer, ip));
        c->proxy_link.host = c->peer;
        return c->peer ? 0 : -ENOMEM;
}

static void on_classic_open(Link *l _unused_, Channel *channel, const Address *peer, const char *why,
                            void *userdata) {
        Classic *c = userdata;
        int r;

        if (!channel) {
                classic_end(c, SESSION_LOST, why);
                return;
        }
        c->channel = channel;
        c->state = CLASSIC_AUTHENTICATING;
        r = classic_set_proxy_link(c, peer);
        if (r >= 0)
                r = timer_new_after(&c->deadline, c->params.link.worker, CLASSIC_ANSWER_TIMEOUT_USEC,
                                    on_classic_deadline, c);
        if (r >= 0)
                r = classic_authenticate(c);
        if (r < 0)
                classic_fail(c, r);
}

int classic_new(Classic **ret, const SessionParams *params, const SessionOps *ops, void *userdata) {
        Classic *c = new0(Classic, 1);
        int r;

        if (!c)
                return -ENOMEM;
        *c = (Classic) { .params = *params, .ops = ops, .userdata = userdata };
        tunnels_restart(params->tunnels);
        r = link_new(&c->link, &c->params.link, on_classic_message, on_classic_open, c);
        if (r < 0) {
                free(c);
                return r;
        }
        *ret = c;
        return 0;
}

Classic *classic_free(Classic *c) {
        if (!c)
                return NULL;
        if (c->state == CLASSIC_ONLINE) { /* a farewell; nobody waits for it */
                (void) stream_shutdown(channel_stream(c->channel));
                (void) stream_flush(channel_stream(c->channel));
        }
        proxies_free(c->proxies);
        link_free(c->link);
        channel_free(c->channel);
        timer_free(c->deadline);
        timer_free(c->ping);
        free(c->client_id);
        free(c->peer);
        free(c);
        return NULL;
}
