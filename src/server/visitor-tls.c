/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/visitor-private.h"

#include <errno.h>

#include "net/stream-fd.h"
#include "net/stream-tls.h"
#include "proto/client-hello.h"

/* Visitors of the https port, as long as any name has a tunnel of tls. Their hello is read first: it says in
 * the clear where they belong.
 *
 *   HELLO ──a tunnel of tls──► lookup, as for tcp; the relay begins with what was read
 *     └──none, or no hello──► TLS ends here, beginning with what was read ──► HEAD */

static RegistryAnswer visitor_find_tls(Visitor *v, const ClientHello *h) {
        visitor_drop_tunnel(v);
        if (*h->server_name == '\0')
                return REGISTRY_UNKNOWN;
        return registry_find(v->shard->server->registry, TUNNEL_TLS, h->server_name, v->shard->worker->index,
                             &v->tunnel, &v->session);
}

static void visitor_follow(Visitor *v, RegistryAnswer answer) {
        if (shard_is_replaced(v->shard))
                visitor_pass(v);
        else if (answer == REGISTRY_FOUND && visitor_may_connect(v))
                visitor_open(v);
        else if (answer == REGISTRY_AWAY)
                visitor_park(v);
        else
                visitor_destroy(v, true);
}

void visitor_look_up_tls(Visitor *v) {
        ClientHello hello;
        int r = client_hello_parse(&hello, buffer_head(v->head), buffer_length(v->head));

        visitor_follow(v, r < 0 ? REGISTRY_UNKNOWN : visitor_find_tls(v, &hello));
}

int visitor_start_tls(Visitor *v, int fd) {
        return stream_tls_new_server(&v->stream, v->shard->worker, fd, v->shard->snapshot->https_tls,
                                     STREAM_TLS_LENIENT_END);
}

static void visitor_end_tls_here(Visitor *v) {
        _cleanup_close_ int fd = stream_fd_release(TAKE_PTR(v->stream));

        visitor_settle_protocol(v, TUNNEL_HTTPS);
        if (visitor_start_tls(v, fd) < 0) {
                visitor_destroy(v, false);
                return;
        }
        TAKE_FD(fd);
        visitor_set_state(v, VISITOR_HEAD);
        stream_tls_begin_with(v->stream, TAKE_PTR(v->head));
        visitor_await_request(v);
}

static void visitor_on_hello(Visitor *v, const ClientHello *h) {
        RegistryAnswer answer = visitor_find_tls(v, h);

        if (answer == REGISTRY_UNKNOWN) {
                visitor_end_tls_here(v);
                return;
        }
        visitor_settle_protocol(v, TUNNEL_TLS);
        if (v->crowded)
                visitor_destroy(v, true);
        else
                visitor_follow(v, answer);
}

static void on_visitor_hello_readable(Stream *s, unsigned events _unused_, void *userdata) {
        ClientHello hello = {};
        Visitor *v = userdata;
        ssize_t k = visitor_read(v);

        if (k <= 0) {
                if (k != -EAGAIN)
                        visitor_destroy(v, k < 0);
                return;
        }
        if (client_hello_parse(&hello, buffer_head(v->head), buffer_length(v->head)) == -EAGAIN)
                return;
        stream_set_events(s, 0);
        visitor_on_hello(v, &hello); /* what is none is empty, and TLS says what is wrong with it */
}

void visitor_await_hello(Visitor *v) {
        visitor_set_state(v, VISITOR_HELLO);
        stream_set_callback(v->stream, on_visitor_hello_readable, v);
        stream_set_events(v->stream, STREAM_READABLE);
}
