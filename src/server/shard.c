/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/shard.h"

#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "server/gate.h"
#include "server/server.h"
#include "server/session-mux.h"
#include "server/stopper.h"
#include "server/visitor.h"

static void on_http_accept(Listener *l _unused_, int fd, const Address *peer, void *userdata) {
        visitor_new_http(userdata, fd, peer, false);
}

static void on_https_accept(Listener *l _unused_, int fd, const Address *peer, void *userdata) {
        visitor_new_http(userdata, fd, peer, true);
}

static void on_tunnel_accept(Listener *l _unused_, int fd, const Address *peer, void *userdata) {
        gate_new(userdata, fd, peer);
}

static const ListenerAcceptFn accept_fns[LISTEN_KIND_MAX] = {
        [LISTEN_HTTP] = on_http_accept,
        [LISTEN_HTTPS] = on_https_accept,
        [LISTEN_TUNNEL] = on_tunnel_accept,
};

static int shard_listen(Shard *sh, const PublicSocket *socket) {
        _cleanup_close_ int fd = fcntl(socket->fd, F_DUPFD_CLOEXEC, 3);
        int r;

        if (fd < 0)
                return -errno;
        r = listener_new(&sh->listeners[sh->n_listeners], sh->worker, fd, accept_fns[socket->kind], sh);
        if (r < 0)
                return r;
        TAKE_FD(fd);
        sh->kinds[sh->n_listeners++] = socket->kind;
        return 0;
}

static void shard_close_listeners(Shard *sh) {
        while (sh->n_listeners > 0)
                listener_free(sh->listeners[--sh->n_listeners]);
}

void shard_update_listeners(Shard *sh) {
        bool wanted = (sh->worker->index == 0 || sh->sessions) && !sh->stopping;

        if (!wanted) {
                shard_close_listeners(sh);
                return;
        }
        if (sh->n_listeners > 0)
                return;
        for (unsigned i = 0; i < sh->server->n_sockets; i++) {
                int r = shard_listen(sh, &sh->server->sockets[i]);

                if (r < 0)
                        log_error("Can't accept on this thread: %s", strerror(-r));
        }
        shard_update_gates(sh);
}

void shard_update_gates(Shard *sh) {
        bool full = sh->n_gates >= MAX(sh->server->config->max_pending / sh->server->n_shards, UINT64_C(1));

        for (unsigned i = 0; i < sh->n_listeners; i++) {
                if (sh->kinds[i] != LISTEN_TUNNEL)
                        continue;
                if (full)
                        listener_pause(sh->listeners[i]);
                else
                        listener_resume(sh->listeners[i]);
        }
}

Session *shard_find_session(Shard *sh, uint64_t id) {
        Session *s;

        HASH_FIND(hh, sh->sessions, &id, sizeof(id), s);
        return s;
}

static void shard_close_gates(Shard *sh) {
        while (sh->gates)
                gate_free(sh->gates);
}

void shard_stop(Shard *sh) {
        Session *s, *next;

        sh->stopping = true;
        shard_close_listeners(sh);
        shard_close_gates(sh);
        HASH_ITER(hh, sh->sessions, s, next)
                session_stop(s);
        visitor_stop_waiting(sh);
        shard_check_idle(sh);
}

void shard_abort(Shard *sh) {
        Session *s, *next;

        shard_stop(sh);
        visitor_free_all(sh);
        HASH_ITER(hh, sh->sessions, s, next)
                session_destroy(s);
        mux_tail_free_all(sh);
}

void shard_check_idle(Shard *sh) {
        if (sh->n_visitors > 0 || sh->told_idle)
                return;
        sh->told_idle = true;
        worker_post(sh->server->main, &sh->idle_mail, stopper_on_idle);
}
