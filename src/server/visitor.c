/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/visitor-private.h"

#include <errno.h>
#include <limits.h>
#include <utlist.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "net/stream-fd.h"

/*    ┌───────────── the next request needs another leg, or none (http) ─────────────┐
 *    ▼                                                                              │
 *   HEAD ──► lookup ──► [PARKED ──► lookup] ──► [move to the session's shard] ──► OPENING ──► RELAY ──► gone
 *  tcp, tls ─────┘
 *
 * Where a password takes long to look at, CHECK stands between two lookups. Any state may end in ANSWER
 * (http) or a reset (tcp, tls). What is before HEAD of https, or the lookup of tls, is in visitor-tls.c. When
 * another process has replaced this one, a lookup ends there: directly, or by PASSED, where TLS stays here.
 */

#define VISITOR_WITHHOLD_USEC (5 * USEC_PER_SEC)
#define CROWD_PATIENCE \
        2 /* times limits.connections_per_visitor: from there on connections are closed unread */
#define VISITOR_MOVES_MAX 4 /* a session that ends and comes back all the time doesn't keep it for ever */

static void visitor_enter(Visitor *v, Shard *sh) {
        v->shard = sh;
        DL_APPEND(sh->visitors, v);
        sh->n_visitors++;
        sh->metrics.connections[v->protocol]++;
}

static void visitor_leave(Visitor *v) {
        if (v->state == VISITOR_PARKED)
                v->shard->n_parked--;
        DL_DELETE(v->shard->visitors, v);
        v->shard->n_visitors--;
        v->shard->metrics.connections[v->protocol]--;
        if (v->shard->stopping)
                shard_check_idle(v->shard);
}

void visitor_drop_tunnel(Visitor *v) {
        if (v->entered)
                tunnel_leave(v->tunnel);
        v->entered = false;
        v->tunnel = tunnel_unref(v->tunnel);
}

/* What it has relayed so far. */
static void visitor_get_bytes(const Visitor *v, uint64_t *ret_in, uint64_t *ret_out) {
        *ret_in = *ret_out = 0;
        if (v->relay)
                relay_get_bytes(v->relay, ret_in, ret_out);
}

/* From now on they are the shard's. */
void visitor_end_relay(Visitor *v) {
        uint64_t in, out;

        visitor_get_bytes(v, &in, &out);
        v->shard->metrics.bytes_in += in;
        v->shard->metrics.bytes_out += out;
        v->relay = relay_free(v->relay);
}

void visitor_destroy(Visitor *v, bool reset) {
        BufferPool *pool = &v->shard->worker->buffers;

        opening_cancel(&v->opening);
        worker_unready(v->shard->worker, &v->again);
        visitor_end_relay(v);
        exchange_done(&v->exchange);
        access_log_write(v->shard->server->access_log, v->entry, 0, 0, 0, NULL);
        free(v->asked);
        linger_free(v->linger);
        guard_cancel(v->check);
        timer_free(v->timeout);
        buffer_put(pool, v->head);
        if (reset) {
                stream_reset(v->stream);
                stream_reset(v->leg);
        } else {
                stream_free(v->stream);
                stream_free(v->leg);
        }
        visitor_drop_tunnel(v);
        if (v->counted)
                crowd_leave(v->shard->server->crowd, CROWD_VISITOR, &v->peer);
        visitor_leave(v);
        free(v->server);
        free(v);
}

/* Aborts the connection. */
static void visitor_free(Visitor *v) {
        visitor_destroy(v, true);
}

void visitor_set_state(Visitor *v, VisitorState state) {
        if (v->state == VISITOR_PARKED)
                v->shard->n_parked--;
        if (state == VISITOR_PARKED)
                v->shard->n_parked++;
        v->state = state;
}

/* ---- without a stream to the client ---- */

static void visitor_refuse_late(Visitor *v) {
        visitor_refuse(v, 504, "", "The client of this tunnel did not open a connection in time");
}

/* An http visitor gets an answer, others a reset. */
static void visitor_give_up(Visitor *v, void (*refuse)(Visitor *v)) {
        if (tunnel_protocol_is_http(v->protocol))
                refuse(v);
        else
                visitor_free(v);
}

/* ---- time ---- */

static void on_visitor_timeout(void *userdata) {
        Visitor *v = userdata;

        switch (v->state) {
        case VISITOR_HELLO:
                visitor_free(v);
                break;
        case VISITOR_HEAD:
        case VISITOR_RELAY:
                visitor_on_http_timeout(v);
                break;
        case VISITOR_PARKED:
                visitor_give_up(v, visitor_refuse_away);
                break;
        case VISITOR_CHECK:
                v->check = guard_cancel(v->check);
                visitor_refuse_crowd(v);
                break;
        default:
                opening_cancel(&v->opening);
                visitor_give_up(v, visitor_refuse_late);
                break;
        }
}

int visitor_set_timeout(Visitor *v, uint64_t usec) {
        if (!v->timeout)
                return timer_new_after(&v->timeout, v->shard->worker, usec, on_visitor_timeout, v);
        timer_start(v->timeout, usec);
        return 0;
}

/* ---- the stream to the client, and the relay ---- */

void visitor_log_end(const Visitor *v, const RelayResult *result) {
        char peer[ADDRESS_TEXT_MAX], duration[24], in[24], out[24];

        if (!log_is_on(LOG_DEBUG))
                return;
        snprintf(duration, sizeof(duration), "%llu", (unsigned long long) (clock_usec() - v->started_usec));
        snprintf(in, sizeof(in), "%llu", (unsigned long long) result->a_to_b_bytes);
        snprintf(out, sizeof(out), "%llu", (unsigned long long) result->b_to_a_bytes);
        log_struct(LOG_DEBUG,
                   LOG_FIELDS({ "PGROK_EVENT", "connection" }, { "PGROK_TUNNEL", v->tunnel->url },
                              { "PGROK_USER", v->tunnel->user->name },
                              { "PGROK_VISITOR", address_format(&v->peer, peer) },
                              { "PGROK_DURATION_USEC", duration }, { "PGROK_BYTES_IN", in },
                              { "PGROK_BYTES_OUT", out }),
                   "Visitor %s of %s: %s bytes in, %s out%s%s", peer, v->tunnel->url, in, out,
                   result->error < 0 ? ", aborted: " : "", result->error < 0 ? strerror(-result->error) : "");
}

static void on_raw_relayed(Relay *r _unused_, const RelayResult *result, void *userdata) {
        Visitor *v = userdata;

        visitor_log_end(v, result);
        visitor_end_relay(v);
        if (result->error == 0 && result->a_is_unread)
                visitor_linger(v);
        else
                visitor_destroy(v, result->error < 0);
}

void visitor_get_rates(Visitor *v, RelayOptions *options) {
        if (rate_is_set(&v->tunnel->rate))
                options->rates[0] = &v->tunnel->rate;
        if (rate_is_set(&v->tunnel->user->rate))
                options->rates[1] = &v->tunnel->user->rate;
}

/* Of tls what was read of it, which is its hello, goes first. */
static void visitor_begin_raw(Visitor *v) {
        RelayOptions options = {
                .a_head = v->head,
                .withhold_a_end_usec = v->opening.half_close ? 0 : VISITOR_WITHHOLD_USEC,
        };

        visitor_get_rates(v, &options);
        v->timeout = timer_free(v->timeout);
        if (relay_new(&v->relay, v->stream, v->leg, &options, on_raw_relayed, v) < 0)
                visitor_free(v);
        else
                v->head = NULL;
}

static void on_visitor_opened(Opening *o, Stream *stream) {
        Visitor *v = container_of(o, Visitor, opening);

        if (!stream) { /* the session has ended: its client may be back already */
                visitor_look_up(v);
                return;
        }
        v->leg = stream;
        v->n_moves = 0;
        visitor_set_state(v, VISITOR_RELAY);
        if (tunnel_protocol_is_http(v->protocol))
                visitor_begin_http(v);
        else
                visitor_begin_raw(v);
}

/* ---- finding the session ---- */

void visitor_park(Visitor *v) {
        uint64_t usec = v->shard->snapshot->config->park_usec;

        if (v->state == VISITOR_PARKED) /* looked again, in vain: its time goes on */
                return;
        if (v->tunnel && v->tunnel->no_parking)
                visitor_give_up(v, visitor_refuse_absent);
        else if (usec == 0 || v->shard->stopping || visitor_set_timeout(v, usec) < 0)
                visitor_give_up(v, visitor_refuse_away);
        else
                visitor_set_state(v, VISITOR_PARKED);
}

static void on_visitor_arrived(Worker *w, Mail *mail) {
        Visitor *v = container_of(mail, Visitor, mail);

        visitor_enter(v, shard_of(w));
        if (stream_attach(v->stream, w) < 0 || (v->shard->stopping && !shard_is_replaced(v->shard)))
                visitor_free(v);
        else if (!v->shard->stopping && shard_find_session(v->shard, v->session.id))
                visitor_open(v);
        else /* it has ended meanwhile, and the registry may know */
                visitor_look_up(v);
}

static void visitor_move(Visitor *v, Shard *to) {
        v->timeout = timer_free(v->timeout);
        visitor_set_state(v, VISITOR_OPENING);
        stream_detach(v->stream);
        v->n_moves++;
        visitor_leave(v);
        worker_post(to->worker, &v->mail, on_visitor_arrived);
}

/* Where it has connected, if the tunnel's client wants to know, or NULL: also where another process knows. */
static const Address *visitor_server(Visitor *v) {
        const TunnelOptions *options = v->tunnel->options;

        if (!options || !options->server_addr)
                return NULL;
        if (!v->server) {
                v->server = new0(Address, 1);
                if (v->server &&
                    (address_of_socket(v->fd, v->server) < 0 || v->server->sa.sa_family == AF_UNIX))
                        free(TAKE_PTR(v->server));
        }
        return v->server;
}

/* The tunnel and the session are known. */
void visitor_open(Visitor *v) {
        SessionName name = v->session;
        Session *s;

        if (!v->entered)
                v->entered = tunnel_enter(v->tunnel, v->shard->snapshot->config->max_per_tunnel);
        if (!v->entered) {
                visitor_give_up(v, visitor_refuse_crowd);
                return;
        }
        if (name.worker != v->shard->worker->index && v->n_moves < VISITOR_MOVES_MAX) {
                visitor_move(v, &v->shard->server->shards[name.worker]);
                return;
        }
        s = name.worker == v->shard->worker->index ? shard_find_session(v->shard, name.id) : NULL;
        if (!s)
                visitor_park(v); /* it has just ended: once main knows, all who are parked look again */
        else if (visitor_set_timeout(v, s->ops->open_usec) < 0)
                visitor_free(v);
        else {
                visitor_set_state(v, VISITOR_OPENING);
                v->opening.server = visitor_server(v);
                session_open_stream(s, &v->opening, v->tunnel, &v->peer, on_visitor_opened);
        }
}

/* ---- ports ---- */

static void visitor_look_up_port(Visitor *v) {
        Tunnel *t = NULL;

        if (shard_is_replaced(v->shard)) {
                visitor_pass(v);
                return;
        }
        switch (registry_find_port(v->shard->server->registry, v->port, &t, &v->session)) {
        case REGISTRY_UNKNOWN:
        case REGISTRY_ABSENT:
                visitor_free(v);
                break;
        case REGISTRY_AWAY:
                visitor_park(v);
                break;
        case REGISTRY_FOUND:
                visitor_drop_tunnel(v);
                v->tunnel = t;
                if (visitor_may_connect(v))
                        visitor_open(v);
                else
                        visitor_free(v);
        }
}

void visitor_look_up(Visitor *v) {
        if (v->protocol == TUNNEL_TCP)
                visitor_look_up_port(v);
        else if (v->protocol == TUNNEL_TLS)
                visitor_look_up_tls(v);
        else
                visitor_look_up_host(v);
}

/* ---- arrival ---- */

/* Who has come too often is told so once it has asked, or not at all when it doesn't stop. */
static bool visitor_count(Visitor *v) {
        uint64_t max = v->shard->snapshot->config->max_per_visitor;
        unsigned n;

        if (address_is_loopback(&v->peer))
                return true;
        n = crowd_enter(v->shard->server->crowd, CROWD_VISITOR, &v->peer);
        v->counted = n != UINT_MAX;
        v->crowded = n > max;
        return n <= CROWD_PATIENCE * max && !(v->crowded && v->protocol == TUNNEL_TCP);
}

void visitor_settle_protocol(Visitor *v, TunnelProtocol protocol) {
        Metrics *m = &v->shard->metrics;

        m->connections[v->protocol]--;
        m->connections[protocol]++;
        m->connections_total[protocol]++;
        v->protocol = protocol;
}

Visitor *visitor_new(Shard *sh, const Address *peer, TunnelProtocol protocol, bool is_settled) {
        Visitor *v = new0(Visitor, 1);

        if (!v)
                return NULL;
        v->peer = *peer;
        v->protocol = protocol;
        v->state = VISITOR_HEAD;
        v->started_usec = clock_usec();
        visitor_enter(v, sh);
        if (is_settled)
                visitor_settle_protocol(v, protocol);
        if (visitor_count(v))
                return v;
        visitor_free(v);
        return NULL;
}

void visitor_new_http(Shard *sh, int fd, const Address *peer, const Address *server, bool https) {
        _cleanup_close_ int owned = fd;
        bool looks = https && registry_has_tls(sh->server->registry);
        Visitor *v = visitor_new(sh, peer, https ? TUNNEL_HTTPS : TUNNEL_HTTP, !looks);
        int r;

        if (!v)
                return;
        v->fd = fd;
        if (server && (v->server = new0(Address, 1)))
                *v->server = *server;
        r = https && !looks ? visitor_start_tls(v, fd) : stream_fd_new(&v->stream, sh->worker, fd);
        if (r >= 0) {
                TAKE_FD(owned);
                r = visitor_set_timeout(v, sh->snapshot->config->head_usec);
        }
        if (r < 0) {
                visitor_free(v);
                return;
        }
        if (looks)
                visitor_await_hello(v);
        else
                visitor_await_request(v);
}

void visitor_new_tcp(Shard *sh, int fd, const Address *peer, Tunnel *t) {
        _cleanup_close_ int owned = fd;
        Visitor *v = visitor_new(sh, peer, TUNNEL_TCP, true);

        if (!v)
                return;
        v->fd = fd;
        v->tunnel = tunnel_ref(t);
        v->port = t->port;
        if (stream_fd_new(&v->stream, sh->worker, fd) < 0) {
                visitor_free(v);
                return;
        }
        TAKE_FD(owned);
        visitor_look_up(v);
}

/* A session that fails here takes visitors with it, so no pointer to another one is kept: the list is turned
 * once. */
void visitor_retry_parked(Shard *sh) {
        for (unsigned i = sh->n_parked > 0 ? sh->n_visitors : 0; i > 0 && sh->visitors; i--) {
                Visitor *v = sh->visitors;

                DL_DELETE(sh->visitors, v);
                DL_APPEND(sh->visitors, v);
                if (v->state == VISITOR_PARKED)
                        visitor_look_up(v);
        }
}

void visitor_abort_user(Shard *sh, const User *user) {
        Visitor *v, *next;

        DL_FOREACH_SAFE(sh->visitors, v, next)
                if (v->state == VISITOR_RELAY && v->tunnel->user == user)
                        visitor_free(v);
}

/* ---- for administrators ---- */

size_t visitor_list(Shard *sh, VisitorInfo *ret, size_t max) {
        size_t n = 0;
        Visitor *v;

        DL_FOREACH(sh->visitors, v) {
                VisitorInfo *info = &ret[n];

                if (n == max)
                        break;
                *info = (VisitorInfo) {
                        .peer = v->peer,
                        .protocol = v->protocol,
                        .tunnel = tunnel_ref(v->tunnel),
                        .started_usec = v->started_usec,
                };
                visitor_get_bytes(v, &info->bytes_in, &info->bytes_out);
                n++;
        }
        return n;
}

void visitor_add_bytes(Shard *sh, Metrics *sum) {
        uint64_t in, out;
        Visitor *v;

        DL_FOREACH(sh->visitors, v) {
                visitor_get_bytes(v, &in, &out);
                sum->bytes_in += in;
                sum->bytes_out += out;
        }
}

void visitor_abort_client(Shard *sh, const char *label) {
        Visitor *v, *next;

        DL_FOREACH_SAFE(sh->visitors, v, next)
                if (v->state == VISITOR_RELAY && streq(v->tunnel->label, label))
                        visitor_free(v);
}

/* ---- stop ---- */

/* Between two requests, with a leg. */
static bool visitor_is_resting(const Visitor *v) {
        return v->state == VISITOR_RELAY && tunnel_protocol_is_http(v->protocol) &&
               v->exchange.state <= EXCHANGE_READING;
}

void visitor_stop_waiting(Shard *sh) {
        Visitor *v, *next;

        DL_FOREACH_SAFE(sh->visitors, v, next) {
                if (v->state == VISITOR_PARKED && shard_is_replaced(sh))
                        visitor_look_up(v);
                else if (v->state == VISITOR_PARKED)
                        visitor_give_up(v, visitor_refuse_away);
                else if ((v->state <= VISITOR_HEAD || visitor_is_resting(v)) && !shard_is_replaced(sh))
                        visitor_destroy(v, false);
        }
}

void visitor_free_all(Shard *sh) {
        while (sh->visitors)
                visitor_free(sh->visitors);
}
