/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/str.h"
#include "net/stream-fd.h"
#include "server/pass.h"
#include "server/visitor-private.h"

/* Visitors that this process has accepted, and that its successor serves. A plain connection goes there as it
 * is. Of a TLS connection this process keeps the keys: the successor gets one end of a socket pair, with the
 * other end of which the connection is joined, and tells the visitor not to come again on it. */

/* ---- the old process ---- */

static void on_passed_relayed(Relay *r _unused_, const RelayResult *result, void *userdata) {
        Visitor *v = userdata;

        visitor_end_relay(v);
        if (result->error == 0 && result->a_is_unread)
                visitor_linger(v);
        else
                visitor_destroy(v, result->error < 0);
}

static int visitor_join(Visitor *v, int fd) {
        _cleanup_close_ int owned = fd;
        RelayOptions options = { .a_head = v->head };
        int r = stream_fd_new(&v->leg, v->shard->worker, fd);

        if (r < 0)
                return r;
        TAKE_FD(owned);
        visitor_set_state(v, VISITOR_PASSED);
        v->timeout = timer_free(v->timeout);
        r = relay_new(&v->relay, v->stream, v->leg, &options, on_passed_relayed, v);
        if (r >= 0)
                v->head = NULL;
        return r;
}

/* V stays, as the way to its TLS. */
static int visitor_pass_pair(Visitor *v, Passed *p) {
        _cleanup_close_ int theirs = -1, ours = -1;
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        p->fd = theirs = pair[1];
        r = pass_send(v->shard->server->successor_fd, p);
        return r < 0 ? r : visitor_join(v, TAKE_FD(ours));
}

static int visitor_pass_connection(Visitor *v, Passed *p) {
        int r;

        p->data = v->head ? buffer_head(v->head) : NULL;
        p->n = buffer_length(v->head);
        r = pass_send(v->shard->server->successor_fd, p);
        if (r >= 0)
                visitor_destroy(v, false);
        return r;
}

static void visitor_refuse_pass(Visitor *v, int error) {
        log_debug("A visitor can't be passed on: %s", strerror(-error));
        if (!tunnel_protocol_is_http(v->protocol) || v->relay || v->leg)
                visitor_destroy(v, true);
        else
                visitor_refuse_away(v);
}

void visitor_pass(Visitor *v) {
        Passed p = {
                .protocol = v->protocol, .peer = v->peer, .port = v->port, .fd = stream_fd_number(v->stream)
        };
        int r;

        visitor_drop_tunnel(v);
        v->entry = access_entry_free(v->entry);
        if (v->asked)
                snprintf(p.asked, sizeof(p.asked), "%s", v->asked);
        else if (v->protocol == TUNNEL_HTTPS)
                stream_tls_asked_name(v->stream, p.asked);
        p.is_proved = v->protocol == TUNNEL_HTTPS && visitor_is_proved(v);
        if (p.fd >= 0 && buffer_length(v->head) <= PASS_BYTES_MAX)
                r = visitor_pass_connection(v, &p);
        else
                r = visitor_pass_pair(v, &p);
        if (r < 0)
                visitor_refuse_pass(v, r);
}

/* ---- the new process ---- */

static int visitor_take_data(Visitor *v, const Passed *p) {
        if (p->n == 0)
                return 0;
        v->head = buffer_get(&v->shard->worker->buffers);
        return v->head ? buffer_append(v->head, p->data, p->n) : -ENOMEM;
}

void visitor_new_passed(Shard *sh, const Passed *p) {
        _cleanup_close_ int fd = p->fd;
        Visitor *v = visitor_new(sh, &p->peer, p->protocol, true);

        if (!v)
                return;
        v->port = p->port;
        v->fd = fd;
        v->was_proved = p->is_proved;
        if (visitor_take_data(v, p) < 0 ||
            (p->protocol == TUNNEL_HTTPS && str_replace(&v->asked, p->asked) < 0) ||
            stream_fd_new(&v->stream, sh->worker, fd) < 0) {
                visitor_destroy(v, true);
                return;
        }
        TAKE_FD(fd);
        if (tunnel_protocol_is_http(p->protocol))
                visitor_go_on(v);
        else if (p->protocol == TUNNEL_TLS && !v->head) /* there was too much of it to be passed on here */
                visitor_await_hello(v);
        else
                visitor_look_up(v);
}
