/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/gate.h"

#include <errno.h>
#include <limits.h>
#include <utlist.h>

#include "base/log.h"
#include "base/str.h"
#include "base/version.h"
#include "net/channel.h"
#include "net/linger.h"
#include "net/socket.h"
#include "net/stream-tls.h"
#include "net/timer.h"
#include "server/answer.h"
#include "server/login.h"
#include "server/proxy-arrival.h"
#include "server/server.h"

struct Gate {
        Shard *shard;           /* borrowed */
        Stream *stream;         /* owned; until ALPN has told what it speaks */
        Mux *mux;               /* owned; NULL for classic */
        Channel *channel;       /* owned; NULL before that, and once it is being refused */
        Linger *linger;         /* owned, while it is being refused */
        Timer *timeout;         /* owned */
        char *certificate_user; /* owned, or NULL: it showed no certificate */
        char *why;              /* owned: why it is refused */
        bool is_koding;         /* it is told so by HTTP */
        Address peer;
        bool is_counted;   /* among those of its address */
        Gate *prev, *next; /* the shard's */
};

static Gate *gate_alloc(Shard *sh, const Address *peer) {
        Gate *g = new0(Gate, 1);

        if (!g)
                return NULL;
        g->shard = sh;
        g->peer = *peer;
        DL_APPEND(sh->gates, g);
        sh->n_gates++;
        shard_update_gates(sh);
        return g;
}

Gate *gate_free(Gate *g) {
        Shard *sh;

        if (!g)
                return NULL;
        sh = g->shard;
        stream_free(g->stream);
        channel_free(g->channel);
        linger_free(g->linger);
        mux_free(g->mux); /* after its stream */
        timer_free(g->timeout);
        free(g->certificate_user);
        free(g->why);
        if (g->is_counted)
                crowd_leave(sh->server->crowd, CROWD_PENDING, &g->peer);
        DL_DELETE(sh->gates, g);
        sh->n_gates--;
        shard_update_gates(sh);
        free(g);
        return NULL;
}

/* Counts G among those of its address. Where a client has logged in many may come at once: of a classic
 * client each visitor needs one. */
static bool gate_has_room(Gate *g) {
        Server *s = g->shard->server;
        unsigned n = crowd_enter(s->crowd, CROWD_PENDING, &g->peer);

        g->is_counted = n != UINT_MAX;
        return n <= g->shard->snapshot->config->max_pending_per_address ||
               (g->is_counted && crowd_count(s->crowd, CROWD_SESSION, &g->peer) > 0);
}

/* Only the version is too old or new: what a client can act upon. */
static void gate_refuse_version(Gate *g, const char *version) {
        _cleanup_free_ char *why = str_format("Incompatible versions. Server %s, client %.32s. "
                                              "This server speaks version %s of the protocol.",
                                              PGROK_VERSION, version, MESSAGE_PROTOCOL_VERSION);
        Shard *sh = g->shard;
        Address peer = g->peer;
        Buffer *rest;
        Stream *stream = channel_release(TAKE_PTR(g->channel), &rest);
        Mux *mux = TAKE_PTR(g->mux);

        buffer_put(&sh->worker->buffers, rest);
        gate_free(g);
        gate_refuse(sh, stream, mux, &peer, why ? why : "Incompatible versions.", 0);
}

static void gate_on_auth(Gate *g, const MessageAuth *auth) {
        Shard *sh = g->shard;
        Buffer *rest = NULL;
        Stream *stream;

        if (!streq(message_str(auth->version), MESSAGE_PROTOCOL_VERSION)) {
                gate_refuse_version(g, message_str(auth->version));
                return;
        }
        /* AUTH lives in a message of the channel's reader, which outlasts the channel. */
        stream = channel_release(TAKE_PTR(g->channel), &rest);
        login_post(sh, stream, rest, TAKE_PTR(g->mux), auth, &g->peer, g->certificate_user);
        gate_free(g);
}

static void gate_on_reg_proxy(Gate *g, const char *client_id) {
        SessionName session;
        Shard *sh = g->shard;

        if (registry_find_session(sh->server->registry, client_id, &session) >= 0) {
                Buffer *rest = NULL;
                Stream *stream = channel_release(TAKE_PTR(g->channel), &rest);

                buffer_put(&sh->worker->buffers, rest); /* nothing may come before StartProxy */
                proxy_arrival_post(sh, stream, session);
        } else
                log_debug("A proxy connection of an unknown client, closing");
        gate_free(g);
}

static void on_gate_message(Channel *c, const Message *m, int error, void *userdata) {
        Gate *g = userdata;
        char peer[ADDRESS_TEXT_MAX];

        if (m && m->type == MESSAGE_AUTH)
                gate_on_auth(g, &m->auth);
        else if (m && m->type == MESSAGE_REG_PROXY && !g->mux)
                gate_on_reg_proxy(g, message_str(m->reg_proxy.client_id));
        else {
                const char *why = channel_explain(c);

                log_debug("A connection from %s is no client: %s", address_format(&g->peer, peer),
                          m     ? message_type_to_string(m->type)
                          : why ? why
                                : strerror(-error));
                gate_free(g);
        }
}

static void on_gate_timeout(void *userdata) {
        gate_free(userdata);
}

/* ---- which transport ---- */

static void on_gate_mux_ended(Mux *m _unused_, int error _unused_, void *userdata) {
        gate_free(userdata);
}

/* With the control stream: there is no other before AuthResp, and none at all after a refusal. */
static const MuxEvents gate_closed_events = { .ended = on_gate_mux_ended };

/* The client opens its control stream. */
static void on_gate_mux_opened(Mux *m, Stream *s, void *userdata) {
        Gate *g = userdata;

        mux_set_events(m, &gate_closed_events, g);
        if (channel_new(&g->channel, s, NULL, on_gate_message, g) < 0)
                stream_free(s);
}

static const MuxEvents gate_mux_events = { .opened = on_gate_mux_opened, .ended = on_gate_mux_ended };

/* The handshake is over, or has failed. */
static void on_gate_ready(Stream *s, unsigned events _unused_, void *userdata) {
        Gate *g = userdata;
        int r;

        r = stream_tls_peer_name(s, &g->certificate_user);
        if (r < 0) {
                gate_free(g);
                return;
        }
        if (stream_tls_speaks(s, MUX_ALPN))
                r = mux_new(&g->mux, s, false, &gate_mux_events, g);
        else
                r = channel_new(&g->channel, s, NULL, on_gate_message, g);
        if (r < 0)
                gate_free(g);
        else
                g->stream = NULL;
}

static void gate_watch(Gate *g) {
        stream_set_callback(g->stream, on_gate_ready, g);
        stream_set_events(g->stream, STREAM_WRITABLE);
}

static int gate_start(Gate *g, int fd) {
        int r = timer_new_after(&g->timeout, g->shard->worker, GATE_TIMEOUT_USEC, on_gate_timeout, g);

        if (r >= 0)
                r = stream_tls_new_server(&g->stream, g->shard->worker, fd, g->shard->snapshot->tunnel_tls,
                                          0);
        if (r < 0) {
                safe_close(fd);
                return r;
        }
        socket_set_tunnel_options(fd);
        gate_watch(g);
        return 0;
}

void gate_new(Shard *sh, int fd, const Address *peer) {
        Gate *g = gate_alloc(sh, peer);

        if (!g || !gate_has_room(g)) {
                safe_close(fd);
                gate_free(g);
        } else if (gate_start(g, fd) < 0)
                gate_free(g);
}

void gate_adopt(Shard *sh, Stream *stream, const Address *peer) {
        Gate *g = gate_alloc(sh, peer);

        if (!g) {
                stream_free(stream);
                return;
        }
        g->stream = stream;
        stream_tls_set_tunnel_options(stream);
        if (!gate_has_room(g) ||
            timer_new_after(&g->timeout, sh->worker, GATE_TIMEOUT_USEC, on_gate_timeout, g) < 0)
                gate_free(g);
        else
                gate_watch(g);
}

static void on_gate_lingered(Linger *l _unused_, void *userdata) {
        gate_free(userdata);
}

static int gate_write_answer(const Gate *g, Buffer *out) {
        Message m = { .type = MESSAGE_AUTH_RESP, .auth_resp = { .error = g->why } };

        const Answer a = { .page = { .status = 502, .reason = g->why, .host = "" }, .fields = "" };

        return g->is_koding ? (int) answer_write(&a, g->shard->snapshot->error_pages, out)
                            : message_encode(&m, out);
}

static int gate_answer(Gate *g) {
        Buffer *answer = buffer_get(&g->shard->worker->buffers);
        int r = answer ? gate_write_answer(g, answer) : -ENOMEM;

        if (r >= 0)
                r = linger_new(&g->linger, TAKE_PTR(g->stream), buffer_head(answer), buffer_length(answer),
                               on_gate_lingered, g);
        buffer_put(&g->shard->worker->buffers, answer);
        return r;
}

static void on_gate_delayed(void *userdata) {
        Gate *g = userdata;

        if (gate_answer(g) < 0)
                gate_free(g);
}

static void refuse(Shard *sh, Stream *stream, Mux *mux, bool koding, const Address *peer, const char *why,
                   uint64_t delay_usec) {
        Gate *g = gate_alloc(sh, peer);
        int r;

        if (!g || !gate_has_room(g)) {
                gate_free(g);
                stream_free(stream);
                mux_free(mux);
                return;
        }
        g->stream = stream;
        g->mux = mux;
        g->is_koding = koding;
        if (mux)
                mux_set_events(mux, &gate_closed_events, g);
        r = str_replace(&g->why, why);
        if (r >= 0 && delay_usec > 0)
                r = timer_new_after(&g->timeout, sh->worker, delay_usec, on_gate_delayed, g);
        else if (r >= 0)
                r = gate_answer(g);
        if (r < 0)
                gate_free(g);
}

void gate_refuse(Shard *sh, Stream *stream, Mux *mux, const Address *peer, const char *why,
                 uint64_t delay_usec) {
        refuse(sh, stream, mux, false, peer, why, delay_usec);
}

void gate_refuse_koding(Shard *sh, Stream *stream, const Address *peer, const char *why,
                        uint64_t delay_usec) {
        refuse(sh, stream, NULL, true, peer, why, delay_usec);
}
