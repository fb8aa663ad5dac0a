/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/session.h"

#include <errno.h>
#include <limits.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "base/version.h"
#include "server/login.h"
#include "server/server.h"

void session_init(Session *s, const SessionOps *ops, Shard *shard, const SessionSpec *spec) {
        char peer[ADDRESS_TEXT_MAX];

        s->ops = ops;
        s->shard = shard;
        s->spec = *spec;
        s->started_usec = clock_usec();
        client_label(spec->client_id, s->label);
        s->is_counted = crowd_enter(shard->server->crowd, CROWD_SESSION, &spec->peer) != UINT_MAX;
        HASH_ADD(hh, shard->sessions, spec.id, sizeof(s->spec.id), s);
        shard_update_listeners(shard);
        log_struct(LOG_INFO,
                   LOG_FIELDS({ "PGROK_EVENT", "login" }, { "PGROK_CLIENT", s->label },
                              { "PGROK_USER", s->spec.user->name }),
                   "Client %s%s%s has logged in from %s, session %u", s->label,
                   *s->spec.user->name ? " of " : "", s->spec.user->name, address_format(&s->spec.peer, peer),
                   s->spec.number);
}

void session_done(Session *s) {
        if (s->is_counted)
                crowd_leave(s->shard->server->crowd, CROWD_SESSION, &s->spec.peer);
        explicit_bzero(s->spec.client_id, strlen(s->spec.client_id));
        free(s->spec.client_id);
        user_unref(s->spec.user);
}

void session_destroy(Session *s) {
        Shard *shard = s->shard;

        HASH_DEL(shard->sessions, s); /* first: a visitor that is let go looks for it again */
        tcp_port_close_all(&s->ports);
        s->ops->destroy(s);
        if (!shard->stopping)
                shard_update_listeners(shard);
}

void session_describe(const Session *s, SessionInfo *ret) {
        *ret = (SessionInfo) {
                .user = user_ref(s->spec.user),
                .transport = s->ops->transport,
                .peer = s->spec.peer,
                .started_usec = s->started_usec,
                .n_tunnels = s->n_tunnels,
        };
        strcpy(ret->label, s->label);
}

void session_stop(Session *s) {
        tcp_port_close_all(&s->ports);
        if (s->ops->drain)
                s->ops->drain(s);
        else if (s->shard->server->successor_fd >= 0)
                session_end(s, "another process serves it now");
}

void session_open_stream(Session *s, Opening *o, Tunnel *t, const Address *visitor, OpenedFn opened) {
        o->session = s;
        o->tunnel = t;
        o->visitor = visitor;
        o->opened = opened;
        s->ops->open_stream(s, o);
}

void opening_cancel(Opening *o) {
        Session *s = TAKE_PTR(o->session);

        if (s)
                s->ops->cancel(s, o);
}

int opening_write_start(const Opening *o, Stream *stream) {
        char peer[ADDRESS_TEXT_MAX], server[ADDRESS_TEXT_MAX];
        Message m = { .type = MESSAGE_START_PROXY };
        Buffer *frame = buffer_get(&stream->worker->buffers);
        int r;

        if (!frame)
                return -ENOMEM;
        m.start_proxy.url = o->tunnel->url;
        m.start_proxy.client_addr = (char*) address_format(o->visitor, peer);
        if (o->server)
                m.start_proxy.server_addr = (char*) address_format(o->server, server);
        r = message_encode(&m, frame);
        if (r >= 0) {
                ssize_t k = stream_write(stream, buffer_head(frame), buffer_length(frame));

                r = k < 0 ? (int) k : k == (ssize_t) buffer_length(frame) ? 0 : -ENOBUFS;
        }
        buffer_put(&stream->worker->buffers, frame);
        return r;
}

void opening_finish(Opening *o, Stream *stream) {
        o->half_close = stream && o->session->spec.half_close;
        o->hides_end = stream && o->session->ops->hides_end;
        o->session = NULL;
        o->opened(o, stream);
}

int session_send_auth_resp(const Session *s, Channel *control, uint16_t max) {
        Message m = { .type = MESSAGE_AUTH_RESP };

        m.auth_resp.version = (char*) MESSAGE_PROTOCOL_VERSION;
        m.auth_resp.mm_version = (char*) PGROK_VERSION;
        m.auth_resp.client_id = s->spec.client_id;
        m.auth_resp.user = s->spec.user->name;
        m.auth_resp.sessions = max;
        m.auth_resp.half_close = s->spec.half_close;
        return channel_queue(control, &m);
}

static int send_new_tunnel(Channel *control, const MessageReqTunnel *request, const Tunnel *t,
                           const char *why) {
        Message m = { .type = MESSAGE_NEW_TUNNEL };
        _cleanup_free_ char *options = NULL;
        int r = tunnel_options_encode(t ? t->options : NULL, &options);

        if (r < 0)
                return r;
        m.new_tunnel.options = options;
        m.new_tunnel.req_id = request->req_id;
        m.new_tunnel.protocol = t ? (char*) tunnel_protocol_to_string(t->protocol) : request->protocol;
        m.new_tunnel.url = t ? t->url : NULL;
        m.new_tunnel.error = (char*) why;
        return channel_queue(control, &m);
}

int session_send_answer(Channel *control, const MessageReqTunnel *request, const TunnelGrant *grants, int n,
                        const char *why) {
        int r = n > 0 ? 0 : send_new_tunnel(control, request, NULL, why);

        for (int i = 0; i < n && r >= 0; i++)
                r = send_new_tunnel(control, request, grants[i].tunnel, NULL);
        return r;
}

void session_set_health(Session *s, const MessageTunnelHealth *m) {
        registry_set_failing(s->shard->server->registry, s->spec.client_id, message_str(m->url), m->failing);
}

void session_end(Session *s, const char *reason) {
        log_struct(LOG_INFO,
                   LOG_FIELDS({ "PGROK_EVENT", "logout" }, { "PGROK_CLIENT", s->label },
                              { "PGROK_USER", s->spec.user->name }),
                   "Client %s%s%s is gone, session %u: %s", s->label, *s->spec.user->name ? " of " : "",
                   s->spec.user->name, s->spec.number, reason);
        logout_post(s->shard, &s->spec);
        session_destroy(s);
}
