/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/tunnel-request.h"

#include <errno.h>
#include <utlist.h>

#include "base/log.h"
#include "base/str.h"
#include "server/upgrade.h"

struct TunnelRequest {
        Mail mail;
        Server *server; /* borrowed */
        SessionName session;
        char *client_id, *label;                 /* owned */
        Message request;                         /* owned: a ReqTunnel */
        TunnelGrant grants[TUNNEL_PROTOCOL_MAX]; /* owned, n of them */
        int n;                                   /* negative: refused */
        char *why;                               /* owned: then the reason */
        User *user;                              /* a reference */
        Address peer;                            /* the client's */
        AuthPending *pending;                    /* owned; the server lists the request meanwhile */
        TunnelRequest *prev, *next;              /* the server's */
};

static void tunnel_request_free(TunnelRequest *r) {
        for (int i = 0; i < r->n; i++) {
                tunnel_unref(r->grants[i].tunnel);
                safe_close(r->grants[i].fd);
        }
        message_done(&r->request);
        free(r->client_id);
        free(r->label);
        free(r->why);
        user_unref(r->user);
        free(r);
}

/* ---- back at the session ---- */

static void on_tunnel_answered(Worker *w, Mail *mail) {
        TunnelRequest *r = container_of(mail, TunnelRequest, mail);
        Session *s = shard_find_session(shard_of(w), r->session.id);

        if (s && r->n != -ESTALE) {
                for (int i = 0; i < r->n; i++)
                        if (r->grants[i].fd >= 0)
                                tcp_port_open(&s->ports, s->shard, TAKE_FD(r->grants[i].fd),
                                              r->grants[i].tunnel);
                s->n_tunnels += (unsigned) MAX(r->n, 0);
                s->ops->answer(s, &r->request.req_tunnel, r->grants, r->n, r->why ? r->why : "Out of memory");
        }
        tunnel_request_free(r);
}

/* ---- main ---- */

static void log_answer(const TunnelRequest *r) {
        for (int i = 0; i < r->n; i++)
                log_struct(LOG_INFO,
                           LOG_FIELDS({ "PGROK_EVENT", "tunnel" },
                                      { "PGROK_TUNNEL", r->grants[i].tunnel->url },
                                      { "PGROK_USER", r->grants[i].tunnel->user->name },
                                      { "PGROK_CLIENT", r->label }),
                           "Tunnel %s leads to client %s", r->grants[i].tunnel->url, r->label);
        if (r->why && log_kinds_admit(&r->server->log_kinds, LOG_KIND_TUNNEL))
                log_struct(LOG_WARNING,
                           LOG_FIELDS({ "PGROK_EVENT", "refused" }, { "PGROK_CLIENT", r->label }),
                           "Refused a tunnel to client %s: %s", r->label, r->why);
}

/* WHY: refused, and a sentence for the client; NULL: it may, if the registry can. */
static void tunnel_request_decided(TunnelRequest *r, const char *why) {
        Server *s = r->server;

        if (why) {
                r->n = -EKEYREJECTED;
                r->why = strdup(why);
        } else
                r->n = registry_add(s->registry, r->client_id, r->session, &r->request.req_tunnel, r->grants,
                                    &r->why);
        log_answer(r);
        if (r->n > 0)
                server_retry_parked(s);
        worker_post(s->shards[r->session.worker].worker, &r->mail, on_tunnel_answered);
}

static void on_auth_answer(AuthPending *p, User *user, const char *why, void *userdata) {
        TunnelRequest *r = userdata;

        if (p) {
                DL_DELETE(r->server->requests, r);
                r->pending = NULL;
        }
        tunnel_request_decided(r, user ? NULL : why);
}

/* After an upgrade the client asks the new process. */
static void on_tunnel_request(Worker *w _unused_, Mail *mail) {
        TunnelRequest *r = container_of(mail, TunnelRequest, mail);
        AuthClient client = { .user = r->user, .client_label = r->label, .peer = &r->peer };
        Server *s = r->server;
        AuthPending *pending;
        int q;

        if (upgrade_holds(s, mail))
                return;
        if (s->successor_fd >= 0) {
                tunnel_request_free(r);
                return;
        }
        q = auth_ask_tunnel(s->auth, &client, &r->request.req_tunnel, &pending, on_auth_answer, r);
        if (q < 0)
                tunnel_request_decided(
                        r, q == -ENOBUFS ? "The server has too many tunnels to check; try again later"
                                         : "The server is out of memory");
        else if (pending) {
                r->pending = pending;
                DL_APPEND(s->requests, r);
        }
}

void tunnel_request_cancel_all(Server *s) {
        TunnelRequest *r, *next;

        DL_FOREACH_SAFE(s->requests, r, next) {
                DL_DELETE(s->requests, r);
                auth_cancel(r->pending);
                tunnel_request_free(r);
        }
}

/* ---- the session ---- */

static int copy_request(const MessageReqTunnel *m, MessageReqTunnel *ret) {
        ret->remote_port = m->remote_port;
        if (str_replace(&ret->req_id, m->req_id) < 0 || str_replace(&ret->protocol, m->protocol) < 0 ||
            str_replace(&ret->hostname, m->hostname) < 0 || str_replace(&ret->subdomain, m->subdomain) < 0 ||
            str_replace(&ret->http_auth, m->http_auth) < 0 || str_replace(&ret->options, m->options) < 0)
                return -ENOMEM;
        return 0;
}

int tunnel_request_post(Session *s, const MessageReqTunnel *m) {
        TunnelRequest *r = new0(TunnelRequest, 1);

        if (!r)
                return -ENOMEM;
        r->server = s->shard->server;
        r->user = user_ref(s->spec.user);
        r->peer = s->spec.peer;
        r->session = (SessionName) { .worker = s->shard->worker->index, .id = s->spec.id };
        r->request.type = MESSAGE_REQ_TUNNEL;
        if (copy_request(m, &r->request.req_tunnel) < 0 ||
            str_replace(&r->client_id, s->spec.client_id) < 0 || str_replace(&r->label, s->label) < 0) {
                tunnel_request_free(r);
                return -ENOMEM;
        }
        worker_post(r->server->main, &r->mail, on_tunnel_request);
        return 0;
}
