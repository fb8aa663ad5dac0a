/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/proxy-arrival.h"

#include "server/server.h"

typedef struct ProxyArrival {
        Mail mail;
        Stream *stream; /* owned, detached */
        uint64_t session_id;
} ProxyArrival;

static void proxy_deliver(Shard *sh, Stream *stream, uint64_t session_id) {
        Session *s = shard_find_session(sh, session_id);

        if (s && s->ops->add_proxy)
                s->ops->add_proxy(s, stream);
        else
                stream_free(stream);
}

static void on_proxy_arrival(Worker *w, Mail *mail) {
        ProxyArrival *p = container_of(mail, ProxyArrival, mail);

        if (stream_attach(p->stream, w) < 0)
                stream_free(p->stream);
        else
                proxy_deliver(shard_of(w), p->stream, p->session_id);
        free(p);
}

void proxy_arrival_post(Shard *sh, Stream *stream, SessionName session) {
        ProxyArrival *p;

        if (session.worker == sh->worker->index) {
                proxy_deliver(sh, stream, session.id);
                return;
        }
        stream_detach(stream);
        p = new0(ProxyArrival, 1);
        if (!p) {
                stream_free(stream);
                return;
        }
        p->stream = stream;
        p->session_id = session.id;
        worker_post(sh->server->shards[session.worker].worker, &p->mail, on_proxy_arrival);
}
