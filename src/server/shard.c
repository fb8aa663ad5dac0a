/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/shard.h"

#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "server/gate.h"
#include "server/proxied.h"
#include "server/server.h"
#include "server/session-mux.h"
#include "server/stopper.h"
#include "server/visitor.h"

static void on_http_accept(Listener *l _unused_, int fd, const Address *peer, void *userdata) {
        Shard *sh = userdata;

        if (sh->snapshot->config->proxies_http)
                proxied_new(sh, fd, peer, false);
        else
                visitor_new_http(sh, fd, peer, NULL, false);
}

static void on_https_accept(Listener *l _unused_, int fd, const Address *peer, void *userdata) {
        Shard *sh = userdata;

        if (sh->snapshot->config->proxies_https)
                proxied_new(sh, fd, peer, true);
        else
                visitor_new_http(sh, fd, peer, NULL, true);
}

static void on_tunnel_accept(Listener *l _unused_, int fd, const Address *peer, void *userdata) {
        gate_new(userdata, fd, peer);
}

static const ListenerAcceptFn accept_fns[LISTEN_KIND_MAX] = {
        [LISTEN_HTTP] = on_http_accept,
        [LISTEN_HTTPS] = on_https_accept,
        [LISTEN_TUNNEL] = on_tunnel_accept,
};

static int shard_listen(Shard *sh, const SnapshotSocket *slot) {
        _cleanup_close_ int fd = fcntl(slot->socket->fd, F_DUPFD_CLOEXEC, 3);
        ShardListener *l = &sh->listeners[sh->n_listeners];
        int r;

        if (fd < 0)
                return -errno;
        r = listener_new(&l->listener, sh->worker, fd, accept_fns[slot->kind], sh);
        if (r < 0)
                return r;
        TAKE_FD(fd);
        l->kind = slot->kind;
        l->socket = slot->socket;
        sh->n_listeners++;
        return 0;
}

static void shard_close_listeners(Shard *sh) {
        while (sh->n_listeners > 0)
                listener_free(sh->listeners[--sh->n_listeners].listener);
}

static bool shard_listens_on(const Shard *sh, const SnapshotSocket *slot) {
        for (unsigned i = 0; i < sh->n_listeners; i++)
                if (sh->listeners[i].kind == slot->kind && sh->listeners[i].socket == slot->socket)
                        return true;
        return false;
}

static void shard_open_listeners(Shard *sh) {
        for (unsigned i = 0; i < sh->snapshot->n_sockets; i++) {
                const SnapshotSocket *slot = &sh->snapshot->sockets[i];
                int r = shard_listens_on(sh, slot) ? 0 : shard_listen(sh, slot);

                if (r < 0)
                        log_error("Can't accept on this thread: %s", strerror(-r));
        }
        shard_update_gates(sh);
}

void shard_update_listeners(Shard *sh) {
        if ((sh->worker->index != 0 && !sh->sessions) || sh->stopping)
                shard_close_listeners(sh);
        else if (sh->n_listeners == 0)
                shard_open_listeners(sh);
}

/* Frees those listeners that SNAPSHOT has no more. */
static void shard_drop_listeners(Shard *sh, const Snapshot *snapshot) {
        unsigned n = 0;

        for (unsigned i = 0; i < sh->n_listeners; i++) {
                ShardListener *l = &sh->listeners[i];

                if (snapshot_has_socket(snapshot, l->kind, l->socket))
                        sh->listeners[n++] = *l;
                else
                        listener_free(l->listener);
        }
        sh->n_listeners = n;
}

static void shard_close_gates(Shard *sh) {
        while (sh->gates)
                gate_free(sh->gates);
}

void shard_set_snapshot(Shard *sh, Snapshot *snapshot) {
        Snapshot *older = sh->snapshot;
        bool listens = sh->n_listeners > 0;

        shard_drop_listeners(sh, snapshot);
        sh->snapshot = snapshot;
        if (listens)
                shard_open_listeners(sh);
        if (snapshot->trust != older->trust)
                shard_close_gates(sh); /* who was let in by the old rules; they come again */
        snapshot_unref(older);         /* the sockets of which were compared */
}

void shard_update_gates(Shard *sh) {
        uint64_t max_pending = sh->snapshot->config->max_pending;
        bool full = sh->n_gates >= MAX(max_pending / sh->server->n_shards, UINT64_C(1));

        for (unsigned i = 0; i < sh->n_listeners; i++) {
                if (sh->listeners[i].kind != LISTEN_TUNNEL)
                        continue;
                if (full)
                        listener_pause(sh->listeners[i].listener);
                else
                        listener_resume(sh->listeners[i].listener);
        }
}

Session *shard_find_session(Shard *sh, uint64_t id) {
        Session *s;

        HASH_FIND(hh, sh->sessions, &id, sizeof(id), s);
        return s;
}

bool shard_is_replaced(const Shard *sh) {
        return sh->stopping && sh->server->successor_fd >= 0;
}

void shard_stop(Shard *sh) {
        Session *s, *next;

        sh->stopping = true;
        shard_close_listeners(sh);
        shard_close_gates(sh);
        while (sh->proxied && !shard_is_replaced(sh))
                proxied_free(sh->proxied);
        HASH_ITER(hh, sh->sessions, s, next)
                session_stop(s);
        visitor_stop_waiting(sh);
        shard_check_idle(sh);
}

void shard_abort(Shard *sh) {
        Session *s, *next;

        shard_stop(sh);
        while (sh->proxied)
                proxied_free(sh->proxied);
        visitor_free_all(sh);
        HASH_ITER(hh, sh->sessions, s, next)
                session_destroy(s);
        mux_tail_free_all(sh);
}

void shard_check_idle(Shard *sh) {
        if (sh->n_visitors > 0 || sh->proxied || sh->told_idle)
                return;
        sh->told_idle = true;
        worker_post(sh->server->main, &sh->idle_mail, stopper_on_idle);
}
