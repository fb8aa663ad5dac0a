/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/visitor-private.h"

#include <errno.h>

#include "base/parse.h"
#include "base/str.h"
#include "net/stream-tls.h"
#include "proto/http-accept.h"
#include "proto/koding.h"
#include "server/gate.h"
#include "server/login.h"

/* The requests of an http visitor. The first one to a tunnel is read here, and looked up; the exchange passes
 * it on, and those behind it, as long as they are for the same tunnel. Whatever isn't comes back here, in
 * `head'. */

#define VISITOR_WITHHOLD_USEC \
        (300 * USEC_PER_SEC) /* for an answer, from those that would drop it at our end */

static void on_visitor_readable(Stream *s, unsigned events, void *userdata);

/* ---- between requests ---- */

/* Where ends are told apart it is one, not an abort. */
void visitor_close_leg(Visitor *v) {
        if (v->leg && v->opening.half_close)
                (void) stream_shutdown(v->leg);
        v->leg = stream_free(v->leg);
}

static void on_visitor_again(ReadyItem *item) {
        visitor_look_up_host(container_of(item, Visitor, again));
}

void visitor_await_request(Visitor *v) {
        stream_set_callback(v->stream, on_visitor_readable, v);
        stream_set_events(v->stream, STREAM_READABLE);
}

/* Never looks at the next request at once: it may be called while streams of a session are served, which must
 * not end then. */
void visitor_go_on(Visitor *v) {
        const ServerConfig *config = v->shard->snapshot->config;
        bool has_more = buffer_length(v->head) > 0;

        v->is_kept = true;
        if ((v->shard->stopping && !shard_is_replaced(v->shard) && !has_more) ||
            visitor_set_timeout(v, has_more ? config->head_usec : config->keepalive_usec) < 0) {
                visitor_linger(v);
                return;
        }
        if (has_more) { /* perhaps a whole request, so there is no telling yet what the visitor's end means */
                v->again.run = on_visitor_again;
                worker_ready(v->shard->worker, &v->again);
        } else
                visitor_await_request(v);
}

/* Between two requests, and without a leg. */
void visitor_rest(Visitor *v) {
        if (buffer_length(v->head) == 0)
                v->head = buffer_put(&v->shard->worker->buffers, v->head);
        visitor_drop_tunnel(v);
        visitor_set_state(v, VISITOR_HEAD);
        v->n_head = 0;
        visitor_go_on(v);
}

void visitor_count_request(Visitor *v, unsigned status, uint64_t n_bytes, uint64_t duration_usec) {
        metrics_request(&v->shard->metrics, status, duration_usec);
        access_log_write(v->shard->server->access_log, TAKE_PTR(v->entry), status, n_bytes, duration_usec,
                         v->tunnel ? v->tunnel->url : NULL);
}

static void visitor_note_request(Visitor *v, const HttpHead *head) {
        Ip peer = address_ip(&v->peer), visitor;

        if (v->entry || !access_log_is_on(v->shard->server->access_log))
                return;
        visitor = forwarded_visitor(&peer, &v->shard->snapshot->config->proxies, head);
        v->entry = access_entry_new(head, &visitor);
}

/* ---- time ---- */

static void visitor_on_resting(Visitor *v) {
        uint64_t keepalive = v->shard->snapshot->config->keepalive_usec;
        uint64_t idle = clock_usec() - v->rests_usec;

        if (idle < keepalive) {
                timer_start(v->timeout, keepalive - idle);
                return;
        }
        visitor_end_relay(v);
        visitor_linger(v);
}

/* A client of koding/tunnel doesn't tell that its local service has closed: an answer that has begun, doesn't
 * say where it ends, and goes on no more is taken for whole. */
static void visitor_on_quiet(Visitor *v) {
        uint64_t in, out;

        relay_get_bytes(v->relay, &in, &out);
        if (v->opening.hides_end && exchange_ends_by_close(&v->exchange) && in + out == v->idle_bytes) {
                visitor_end_relay(v);
                visitor_linger(v);
                return;
        }
        v->idle_bytes = in + out;
        timer_start(v->timeout, v->shard->snapshot->config->keepalive_usec);
}

static void visitor_on_relay_timeout(Visitor *v) {
        switch (v->exchange.state) {
        case EXCHANGE_RESTING:
                visitor_on_resting(v);
                break;
        case EXCHANGE_READING:
                visitor_end_relay(v);
                visitor_refuse_last(v, 408, "The request did not arrive in time");
                break;
        case EXCHANGE_OPAQUE:
                v->timeout = timer_free(v->timeout);
                break;
        default:
                visitor_on_quiet(v);
        }
}

void visitor_on_http_timeout(Visitor *v) {
        if (v->state == VISITOR_RELAY)
                visitor_on_relay_timeout(v);
        else if (buffer_length(v->head) > 0)
                visitor_refuse_last(v, 408, "The request did not arrive in time");
        else
                visitor_destroy(v, false);
}

/* ---- who may ---- */

/* A host may have a port in its name: such a tunnel comes first. */
static RegistryAnswer visitor_find(const Visitor *v, const HttpHead *head, Tunnel **ret,
                                   SessionName *ret_session) {
        char name[HOSTNAME_LENGTH_MAX + sizeof(":65535")];
        Registry *r = v->shard->server->registry;
        unsigned worker = v->shard->worker->index;
        RegistryAnswer answer = REGISTRY_UNKNOWN;

        if (head->port != 0) {
                snprintf(name, sizeof(name), "%s:%u", head->host, head->port);
                answer = registry_find(r, v->protocol, name, worker, ret, ret_session);
        }
        if (answer == REGISTRY_UNKNOWN)
                answer = registry_find(r, v->protocol, head->host, worker, ret, ret_session);
        return answer;
}

/* The connection was made to another user's name, whose certificate the visitor has seen (RFC 9110
 * §15.5.20). */
static bool visitor_is_misdirected(const Visitor *v, const HttpHead *head, const Tunnel *t) {
        char name[STREAM_TLS_NAME_MAX];

        if (v->protocol != TUNNEL_HTTPS)
                return false;
        if (v->asked)
                snprintf(name, sizeof(name), "%s", v->asked);
        else
                stream_tls_asked_name(v->stream, name);
        return *name && !streq(name, head->host) &&
               registry_is_of_other(v->shard->server->registry, name, t->user->name);
}

static bool is_websocket(const HttpHead *head) {
        const HttpField *f = http_head_find(head, "Upgrade");

        return f && str_equal_nocase(f->value.data, f->value.length, "websocket");
}

/* What the client was told about the leg is right for this request too. */
static bool visitor_leg_suits(const Visitor *v, const HttpHead *head) {
        return head->port == v->opening.host_port &&
               (!v->opening.hides_end || is_websocket(head) == v->opening.is_websocket);
}

/* ---- the exchange ---- */

static Visitor *visitor_of(Exchange *x) {
        return container_of(x, Visitor, exchange);
}

static ForwardedBy visitor_came_by(const Visitor *v) {
        return (ForwardedBy) {
                .peer = address_ip(&v->peer),
                .https = v->protocol == TUNNEL_HTTPS,
                .trusted = &v->shard->snapshot->config->proxies,
        };
}

/* What an answer of ours to it would be like. */
static void visitor_note_form(Visitor *v, const HttpHead *head) {
        const ForwardedBy by = visitor_came_by(v);

        v->head_only = http_method_is(head, "HEAD");
        v->wants_html = http_prefers_html(head);
        v->is_https = forwarded_is_https(&by, head);
}

static bool visitor_may_pass(Exchange *x, const HttpHead *head) {
        Visitor *v = visitor_of(x);
        SessionName session;
        Tunnel *t = NULL;
        bool may;

        if (!v->is_routed) /* else it was noted when that was done */
                visitor_note_form(v, head);
        x->by = visitor_came_by(v);
        x->by.standard = v->tunnel->options && v->tunnel->options->forwarded;
        x->is_https = v->is_https;
        if (v->is_routed) {
                v->is_routed = false;
                return true;
        }
        if (v->shard->stopping || http_method_is(head, "CONNECT") || !visitor_leg_suits(v, head) ||
            koding_is_control_path(head->target.data, head->target.length) ||
            visitor_asks_for_challenge(v, head))
                return false;
        may = visitor_find(v, head, &t, &session) == REGISTRY_FOUND && t == v->tunnel &&
              !visitor_is_misdirected(v, head, t) && visitor_judge(v, head, t) == VISITOR_GRANTED;
        tunnel_unref(t);
        if (may)
                visitor_note_request(v, head);
        return may;
}

static void on_exchange_began(Exchange *x) {
        Visitor *v = visitor_of(x);

        timer_start(v->timeout, v->shard->snapshot->config->head_usec);
}

/* Its timer goes on, and then looks since when. */
static bool on_exchange_rests(Exchange *x) {
        Visitor *v = visitor_of(x);

        v->is_kept = true;
        v->rests_usec = clock_usec();
        return !v->shard->stopping || shard_is_replaced(v->shard);
}

static void on_exchange_answered(Exchange *x) {
        visitor_count_request(visitor_of(x), x->status, exchange_body_bytes(x),
                              clock_usec() - x->started_usec);
}

static const ExchangeOwner exchange_owner = {
        .may_pass = visitor_may_pass,
        .began = on_exchange_began,
        .rests = on_exchange_rests,
        .answered = on_exchange_answered,
};

/* The leg was closed while it rested, before it could have seen the request: another one is asked. */
static bool visitor_ask_again(Visitor *v) {
        const Exchange *x = &v->exchange;
        Buffer *b = x->again ? buffer_get(&v->shard->worker->buffers) : NULL;

        if (!b)
                return false;
        if (buffer_append(b, x->again, x->n_again) < 0 ||
            (v->head && buffer_append(b, buffer_head(v->head), buffer_length(v->head)) < 0)) {
                buffer_put(&v->shard->worker->buffers, b);
                return false;
        }
        buffer_put(&v->shard->worker->buffers, v->head);
        v->head = b;
        return true;
}

static void visitor_on_unanswered(Visitor *v) {
        v->leg = stream_reset(v->leg);
        if (visitor_ask_again(v))
                visitor_rest(v);
        else
                visitor_refuse(v, 502, "", "The client of this tunnel broke the connection off");
}

static void visitor_on_cut_off(Visitor *v, bool has_ended) {
        v->leg = stream_reset(v->leg);
        visitor_refuse_last(v, 400, has_ended ? "The request ends too early" : "Bad request");
}

static void visitor_on_broken(Visitor *v) {
        v->leg = stream_reset(v->leg);
        visitor_refuse(v, 502, "", "The local service has answered what is no HTTP");
}

static void on_http_relayed(Relay *r, const RelayResult *result, void *userdata) {
        Visitor *v = userdata;
        const Exchange *x = &v->exchange;
        ExchangeEnd end = exchange_conclude(x, result);

        v->head = relay_take_input(r, RELAY_A);
        v->n_head = 0;
        v->asked_usec = x->started_usec;
        v->may_keep =
                x->request.may_keep_open && !x->request.is_1_0 && x->is_request_done && !x->has_visitor_ended;
        if (end == EXCHANGE_ABORT && x->state == EXCHANGE_ANSWERED && !x->is_response_done)
                on_exchange_answered(&v->exchange);
        visitor_log_end(v, result);
        visitor_end_relay(v);
        switch (end) {
        case EXCHANGE_LOOK_AGAIN:
                visitor_close_leg(v);
                visitor_rest(v);
                break;
        case EXCHANGE_CLOSE:
                visitor_linger(v);
                break;
        case EXCHANGE_UNANSWERED:
                visitor_on_unanswered(v);
                break;
        case EXCHANGE_BROKEN:
                visitor_on_broken(v);
                break;
        case EXCHANGE_CUT_OFF:
                visitor_on_cut_off(v, x->has_visitor_ended);
                break;
        default:
                visitor_destroy(v, true);
        }
}

void visitor_begin_http(Visitor *v) {
        static const bool is_stopping = true; /* so is the process that has its TLS */
        RelayOptions options = {
                .a_head = v->head,
                .filter = &exchange_filter,
                .filter_userdata = &v->exchange,
                .withhold_a_end_usec = v->opening.half_close ? 0 : VISITOR_WITHHOLD_USEC,
        };

        visitor_get_rates(v, &options);
        v->exchange.head_bytes_max = v->shard->snapshot->config->head_bytes;
        v->exchange.is_stopping = v->asked ? &is_stopping : &v->shard->stopping;
        v->exchange.options = v->tunnel->options;
        v->is_routed = true;
        v->n_head = 0;
        exchange_init(&v->exchange, &exchange_owner, v->opening.half_close);
        if (visitor_set_timeout(v, v->shard->snapshot->config->keepalive_usec) < 0 ||
            relay_new(&v->relay, v->stream, v->leg, &options, on_http_relayed, v) < 0) {
                visitor_destroy(v, true);
                return;
        }
        v->head = NULL;
        v->exchange.relay = v->relay;
        relay_start(v->relay);
}

/* ---- requests that need a leg ---- */

static void visitor_open_or_refuse(Visitor *v) {
        if (atomic_load_explicit(&v->tunnel->is_failing, memory_order_relaxed))
                visitor_refuse_failing(v);
        else
                visitor_open(v);
}

static void visitor_route(Visitor *v, const HttpHead *head) {
        VisitorAccess access;

        visitor_drop_tunnel(v);
        if (shard_is_replaced(v->shard)) {
                visitor_pass(v);
                return;
        }
        v->opening.host_port = head->port;
        v->opening.is_websocket = is_websocket(head);
        switch (visitor_find(v, head, &v->tunnel, &v->session)) {
        case REGISTRY_UNKNOWN:
                visitor_refuse_unknown(v, head);
                break;
        case REGISTRY_AWAY:
                visitor_park(v);
                break;
        case REGISTRY_ABSENT:
                visitor_refuse_absent(v);
                break;
        case REGISTRY_FOUND:
                if (visitor_is_misdirected(v, head, v->tunnel))
                        visitor_refuse(v, 421, "",
                                       "This connection was made for another host; make one for this");
                else if ((access = visitor_judge(v, head, v->tunnel)) == VISITOR_GRANTED)
                        visitor_open_or_refuse(v);
                else
                        visitor_refuse_access(v, head, access);
        }
}

/* A koding/tunnel client, with its secret. What stands behind the head is said to the session. */
static void visitor_on_control_path(Visitor *v, const HttpHead *head) {
        const HttpField *f = http_head_find(head, KODING_IDENTIFIER_FIELD);

        v->may_keep = false;
        if (!http_method_is(head, "CONNECT"))
                visitor_refuse(v, 405, "Allow: CONNECT\r\n",
                               "Clients of koding/tunnel come here with CONNECT");
        else if (!f || f->value.length == 0 || f->value.length > KODING_IDENTIFIER_MAX)
                visitor_refuse(v, 502, "", "The identifier of this client is missing or too long");
        else {
                stream_set_callback(v->stream, NULL, NULL);
                login_post_koding(v->shard, TAKE_PTR(v->stream), f->value.data, f->value.length,
                                  v->protocol == TUNNEL_HTTPS, TAKE_PTR(v->head), v->n_head, &v->peer);
                visitor_destroy(v, false);
        }
}

static void visitor_on_head(Visitor *v, const HttpHead *head) {
        HttpExchange request = http_exchange(head);

        visitor_note_request(v, head);
        visitor_note_form(v, head);
        v->may_keep = request.may_keep_open && !request.is_1_0 && !v->asked &&
                      http_request_body(head) == HTTP_BODY_NONE;
        if (v->crowded) {
                v->may_keep = false;
                visitor_refuse_crowd(v);
        } else if (koding_is_control_path(head->target.data, head->target.length))
                visitor_on_control_path(v, head);
        else if (request.is_connect) {
                v->may_keep = false; /* it takes what follows for the other side's */
                visitor_refuse(v, 405, "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n",
                               "CONNECT is for proxies; this is none");
        } else if (!visitor_answer_challenge(v, head))
                visitor_route(v, head);
}

static const char *explain_status(unsigned status) {
        switch (status) {
        case 414:
                return "The request's target is too long";
        case 431:
                return "The request's head is too large";
        case 501:
                return "The request's transfer coding is not supported";
        case 505:
                return "The request's version of HTTP is not supported";
        default:
                return "Bad request";
        }
}

void visitor_look_up_host(Visitor *v) {
        unsigned status = 400;
        HttpHead head;
        ssize_t k = http_head_parse(&head, (const char*) buffer_head(v->head), buffer_length(v->head),
                                    v->shard->snapshot->config->head_bytes, &status);

        if (k == -EAGAIN) {
                visitor_await_request(v);
                return;
        }
        stream_set_events(v->stream, 0);
        if (v->state == VISITOR_HEAD)
                v->asked_usec = clock_usec();
        if (k > 0) {
                v->n_head = (size_t) k;
                visitor_on_head(v, &head);
        } else
                visitor_refuse_last(v, status, explain_status(status));
}

ssize_t visitor_read(Visitor *v) {
        BufferPool *pool = &v->shard->worker->buffers;
        bool is_first = !v->head;
        ssize_t k;

        if (!v->head)
                v->head = buffer_get(pool);
        if (!v->head)
                return -ENOMEM;
        if (buffer_room(v->head) == 0)
                buffer_compact(v->head);
        k = stream_read(v->stream, buffer_tail(v->head), buffer_room(v->head));
        if (k > 0) {
                buffer_produce(v->head, (size_t) k);
                if (is_first && v->is_kept)
                        timer_start(v->timeout, v->shard->snapshot->config->head_usec);
        } else if (is_first)
                v->head = buffer_put(pool, v->head);
        return k;
}

/* A client that came to the https port. */
static void visitor_become_client(Visitor *v) {
        stream_set_callback(v->stream, NULL, NULL);
        stream_set_events(v->stream, 0);
        gate_adopt(v->shard, TAKE_PTR(v->stream), &v->peer);
        visitor_destroy(v, false);
}

static void on_visitor_readable(Stream *s, unsigned events _unused_, void *userdata) {
        Visitor *v = userdata;
        ssize_t k;

        if (v->protocol == TUNNEL_HTTPS && !v->is_kept && stream_tls_speaks(s, MUX_ALPN)) {
                visitor_become_client(v);
                return;
        }
        k = visitor_read(v);
        if (k > 0)
                visitor_look_up_host(v);
        else if (k == 0 && buffer_length(v->head) > 0)
                visitor_refuse_last(v, 400, "The request ends too early");
        else if (k != -EAGAIN)
                visitor_destroy(v, k < 0);
}
