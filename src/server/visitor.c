/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/visitor.h"

#include <errno.h>
#include <limits.h>
#include <utlist.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "net/linger.h"
#include "net/relay.h"
#include "net/stream-fd.h"
#include "net/stream-tls.h"
#include "proto/http-head.h"
#include "proto/koding.h"
#include "server/answer.h"
#include "server/gate.h"
#include "server/login.h"
#include "server/server.h"

/*   HEAD ──► lookup ──► [PARKED ──► lookup] ──► [move to the session's shard] ──► OPENING ──► RELAY ──► gone
 *    tcp ────────┘
 *
 * Any state but RELAY may end in ANSWER (http) or a reset (tcp). Only the first request of a connection is
 * looked at; visitor_on_head() is where each request will be. */

#define VISITOR_WITHHOLD_USEC (5 * USEC_PER_SEC)
#define CROWD_PATIENCE \
        2 /* times limits.connections_per_visitor: from there on connections are closed unread */
#define VISITOR_MOVES_MAX 4 /* a session that ends and comes back all the time doesn't keep it for ever */

typedef enum VisitorState {
        VISITOR_HEAD,
        VISITOR_PARKED,
        VISITOR_OPENING,
        VISITOR_RELAY,
        VISITOR_ANSWER,
} VisitorState;

struct Visitor {
        Mail mail;      /* it travels to another shard as it is */
        Shard *shard;   /* borrowed */
        Stream *stream; /* owned; the linger's in ANSWER */
        Stream *leg;    /* owned: the stream to the client, in RELAY */
        Buffer *head;   /* owned: bytes read from the visitor and not passed on, or NULL */
        Timer *timeout; /* owned; NULL on the way to another shard; in RELAY only if the client hides ends */
        Tunnel *tunnel; /* a reference; NULL until it is found */
        Relay *relay;   /* owned, in RELAY */
        Linger *linger; /* owned, in ANSWER */
        Opening opening;
        Address peer;
        SessionName session; /* that is to serve it: found with the tunnel */
        TunnelProtocol protocol;
        VisitorState state;
        unsigned n_moves;
        bool head_only; /* the request is HEAD */
        bool entered;   /* counts among those of its tunnel */
        bool counted;   /* counts among those of its address */
        bool crowded;   /* there are too many of its address */
        uint64_t idle_bytes; /* both ways, when RELAY was last looked at */
        uint64_t started_usec;
        Visitor *prev, *next; /* the shard's */
};

static void visitor_look_up(Visitor *v);
static void visitor_open(Visitor *v);

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

static void visitor_drop_tunnel(Visitor *v) {
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
static void visitor_end_relay(Visitor *v) {
        uint64_t in, out;

        visitor_get_bytes(v, &in, &out);
        v->shard->metrics.bytes_in += in;
        v->shard->metrics.bytes_out += out;
        v->relay = relay_free(v->relay);
}

static void visitor_destroy(Visitor *v, bool reset) {
        BufferPool *pool = &v->shard->worker->buffers;

        opening_cancel(&v->opening);
        visitor_end_relay(v);
        linger_free(v->linger);
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
        free(v);
}

/* Aborts the connection. */
static void visitor_free(Visitor *v) {
        visitor_destroy(v, true);
}

static void visitor_set_state(Visitor *v, VisitorState state) {
        if (v->state == VISITOR_PARKED)
                v->shard->n_parked--;
        if (state == VISITOR_PARKED)
                v->shard->n_parked++;
        v->state = state;
}

/* ---- answers ---- */

static void on_visitor_lingered(Linger *l _unused_, void *userdata) {
        visitor_destroy(userdata, false);
}

/* Ends an http visitor with an answer of our own, a tcp visitor with a reset. */
static void visitor_refuse(Visitor *v, unsigned status, const char *fields, const char *text) {
        Buffer *answer = v->protocol == TUNNEL_TCP ? NULL : buffer_get(&v->shard->worker->buffers);
        int r = -ENOMEM;

        if (v->protocol != TUNNEL_TCP)
                metrics_request(&v->shard->metrics, status, clock_usec() - v->started_usec);
        if (answer && answer_write(answer, status, fields, text, v->head_only) >= 0) {
                v->timeout = timer_free(v->timeout);
                visitor_set_state(v, VISITOR_ANSWER);
                r = linger_new(&v->linger, TAKE_PTR(v->stream), buffer_head(answer), buffer_length(answer),
                               on_visitor_lingered, v);
        }
        buffer_put(&v->shard->worker->buffers, answer);
        if (r < 0)
                visitor_free(v);
}

static void visitor_refuse_away(Visitor *v) {
        visitor_refuse(v, 503, "Retry-After: 10\r\n", "The client of this tunnel is away; try again soon");
}

static void visitor_refuse_crowd(Visitor *v) {
        visitor_refuse(v, 503, "Retry-After: 10\r\n", "There are too many connections; try again soon");
}

static void visitor_refuse_absent(Visitor *v) {
        visitor_refuse(v, 502, "", "The client of this tunnel is not connected");
}

static void visitor_refuse_unknown(Visitor *v, const HttpHead *head) {
        _cleanup_free_ char *text =
                str_format("Tunnel %.*s not found", (int) head->host_header.length, head->host_header.data);

        visitor_refuse(v, 404, "", text ? text : "Tunnel not found");
}

static void on_visitor_timeout(void *userdata) {
        Visitor *v = userdata;

        switch (v->state) {
        case VISITOR_HEAD:
                if (buffer_length(v->head) > 0)
                        visitor_refuse(v, 408, "", "The request did not arrive in time");
                else
                        visitor_destroy(v, false);
                break;
        case VISITOR_PARKED:
                visitor_refuse_away(v);
                break;
        default:
                opening_cancel(&v->opening);
                visitor_refuse(v, 504, "", "The client of this tunnel did not open a connection in time");
                break;
        }
}

static int visitor_set_timeout(Visitor *v, uint64_t usec) {
        v->timeout = timer_free(v->timeout);
        return timer_new_after(&v->timeout, v->shard->worker, usec, on_visitor_timeout, v);
}

/* ---- the stream to the client, and the relay ---- */

static void visitor_log_end(const Visitor *v, const RelayResult *result) {
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

/* The answer is complete, but the visitor is still sending. */
static void visitor_linger(Visitor *v) {
        visitor_set_state(v, VISITOR_ANSWER);
        v->leg = stream_free(v->leg);
        if (linger_new(&v->linger, TAKE_PTR(v->stream), NULL, 0, on_visitor_lingered, v) < 0)
                visitor_free(v);
}

static void on_visitor_relayed(Relay *r _unused_, const RelayResult *result, void *userdata) {
        Visitor *v = userdata;
        bool unanswered = result->error < 0 && result->failed == RELAY_B && result->b_to_a_bytes == 0;

        visitor_log_end(v, result);
        visitor_end_relay(v);
        v->timeout = timer_free(v->timeout);
        if (unanswered && v->protocol != TUNNEL_TCP) {
                v->leg = stream_reset(v->leg);
                visitor_refuse(v, 502, "", "The client of this tunnel broke the connection off");
        } else if (result->error == 0 && result->a_is_unread)
                visitor_linger(v);
        else
                visitor_destroy(v, result->error < 0);
}

/* The client doesn't tell that its local service has closed: an answer that has begun and goes on no more is
 * taken for whole. */
static void on_visitor_idle(void *userdata) {
        Visitor *v = userdata;
        uint64_t in, out;

        relay_get_bytes(v->relay, &in, &out);
        if (out == 0 || in + out != v->idle_bytes) {
                v->idle_bytes = in + out;
                return;
        }
        v->relay = relay_free(v->relay);
        v->timeout = timer_free(v->timeout);
        visitor_linger(v);
}

static int visitor_watch_idle(Visitor *v) {
        int r = timer_new(&v->timeout, v->shard->worker, on_visitor_idle, v);

        if (r >= 0)
                timer_start_every(v->timeout, v->shard->snapshot->config->keepalive_usec);
        return r;
}

static void on_visitor_opened(Opening *o, Stream *stream) {
        Visitor *v = container_of(o, Visitor, opening);
        RelayOptions options = { .a_head = v->head };
        bool ends_by_idling = o->hides_end && v->protocol != TUNNEL_TCP && !o->is_websocket;

        if (!stream) { /* the session has ended: its client may be back already */
                visitor_look_up(v);
                return;
        }
        if (!o->half_close)
                options.withhold_a_end_usec = VISITOR_WITHHOLD_USEC;
        if (rate_is_set(&v->tunnel->rate))
                options.rates[0] = &v->tunnel->rate;
        if (rate_is_set(&v->tunnel->user->rate))
                options.rates[1] = &v->tunnel->user->rate;
        v->leg = stream;
        v->timeout = timer_free(v->timeout);
        visitor_set_state(v, VISITOR_RELAY);
        if ((ends_by_idling && visitor_watch_idle(v) < 0) ||
            relay_new(&v->relay, v->stream, v->leg, &options, on_visitor_relayed, v) < 0)
                visitor_free(v);
        else
                v->head = NULL;
}

/* ---- finding the session ---- */

static void visitor_park(Visitor *v) {
        uint64_t usec = v->shard->snapshot->config->park_usec;

        if (v->state == VISITOR_PARKED) /* looked again, in vain: its time goes on */
                return;
        if (v->tunnel && v->tunnel->no_parking)
                visitor_refuse_absent(v);
        else if (usec == 0 || v->shard->stopping || visitor_set_timeout(v, usec) < 0)
                visitor_refuse_away(v);
        else
                visitor_set_state(v, VISITOR_PARKED);
}

static void on_visitor_arrived(Worker *w, Mail *mail) {
        Visitor *v = container_of(mail, Visitor, mail);

        visitor_enter(v, shard_of(w));
        if (stream_attach(v->stream, w) < 0 || v->shard->stopping)
                visitor_free(v);
        else if (shard_find_session(v->shard, v->session.id))
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

/* The tunnel and the session are known. */
static void visitor_open(Visitor *v) {
        SessionName name = v->session;
        Session *s;

        if (!v->entered)
                v->entered = tunnel_enter(v->tunnel, v->shard->snapshot->config->max_per_tunnel);
        if (!v->entered) {
                visitor_refuse_crowd(v);
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
                session_open_stream(s, &v->opening, v->tunnel, &v->peer, on_visitor_opened);
        }
}

/* ---- the first request ---- */

static bool visitor_is_authorised(const HttpHead *head, const Tunnel *t) {
        const HttpField *f = http_head_find(head, "Authorization");
        static const char scheme[] = "Basic ";
        size_t n = strlen(scheme);

        if (!t->http_auth)
                return true;
        if (!f || f->value.length != n + strlen(t->http_auth) || !str_equal_nocase(f->value.data, n, scheme))
                return false;
        return memory_equal_const_time(f->value.data + n, t->http_auth, strlen(t->http_auth));
}

/* A host may have a port in its name: such a tunnel comes first. */
static RegistryAnswer visitor_find(Visitor *v, const HttpHead *head) {
        char name[HOSTNAME_LENGTH_MAX + sizeof(":65535")];
        Registry *r = v->shard->server->registry;
        unsigned worker = v->shard->worker->index;
        RegistryAnswer answer = REGISTRY_UNKNOWN;

        snprintf(name, sizeof(name), "%s:%u", head->host, head->port);
        if (head->port != 0)
                answer = registry_find(r, v->protocol, name, worker, &v->tunnel, &v->session);
        if (answer == REGISTRY_UNKNOWN)
                answer = registry_find(r, v->protocol, head->host, worker, &v->tunnel, &v->session);
        return answer;
}

static bool is_websocket(const HttpHead *head) {
        const HttpField *f = http_head_find(head, "Upgrade");

        return f && str_equal_nocase(f->value.data, f->value.length, "websocket");
}

static void visitor_route(Visitor *v, const HttpHead *head) {
        visitor_drop_tunnel(v);
        v->opening.host_port = head->port;
        v->opening.is_websocket = is_websocket(head);
        switch (visitor_find(v, head)) {
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
                if (visitor_is_authorised(head, v->tunnel))
                        visitor_open(v);
                else
                        visitor_refuse(v, 401, "WWW-Authenticate: Basic realm=\"pgrok\"\r\n",
                                       "This tunnel asks for a user and a password");
        }
}

static bool is_method(const HttpHead *head, const char *method) {
        return head->method.length == strlen(method) &&
               memcmp(head->method.data, method, head->method.length) == 0;
}

/* A koding/tunnel client, with its secret. N: the head's bytes; what stands behind is said to the session. */
static void visitor_on_control_path(Visitor *v, const HttpHead *head, size_t n) {
        const HttpField *f = http_head_find(head, KODING_IDENTIFIER_FIELD);

        if (!is_method(head, "CONNECT"))
                visitor_refuse(v, 405, "Allow: CONNECT\r\n",
                               "Clients of koding/tunnel come here with CONNECT");
        else if (!f || f->value.length == 0 || f->value.length > KODING_IDENTIFIER_MAX)
                visitor_refuse(v, 502, "", "The identifier of this client is missing or too long");
        else {
                stream_set_callback(v->stream, NULL, NULL);
                login_post_koding(v->shard, TAKE_PTR(v->stream), f->value.data, f->value.length,
                                  v->protocol == TUNNEL_HTTPS, TAKE_PTR(v->head), n, &v->peer);
                visitor_destroy(v, false);
        }
}

static void visitor_on_head(Visitor *v, const HttpHead *head, size_t n) {
        v->head_only = is_method(head, "HEAD");
        if (v->crowded)
                visitor_refuse_crowd(v);
        else if (koding_is_control_path(head->target.data, head->target.length))
                visitor_on_control_path(v, head, n);
        else if (is_method(head, "CONNECT"))
                visitor_refuse(v, 405, "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n",
                               "CONNECT is for proxies; this is none");
        else
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

static void visitor_look_up_port(Visitor *v) {
        Tunnel *t = NULL;

        switch (registry_find_port(v->shard->server->registry, v->tunnel->port, &t, &v->session)) {
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
                visitor_open(v);
        }
}

/* Again from the bytes that were kept: the first time, and when a wait is over. */
static void visitor_look_up(Visitor *v) {
        HttpHead head;
        unsigned status = 400;
        ssize_t k;

        if (v->protocol == TUNNEL_TCP) {
                visitor_look_up_port(v);
                return;
        }
        k = http_head_parse(&head, (const char*) buffer_head(v->head), buffer_length(v->head),
                            v->shard->snapshot->config->head_bytes, &status);
        if (k > 0) {
                stream_set_events(v->stream, 0);
                visitor_on_head(v, &head, (size_t) k);
        } else if (k != -EAGAIN)
                visitor_refuse(v, status, "", explain_status(status));
}

/* Returns the bytes read, 0 at the end, or a negative errno. */
static ssize_t visitor_read(Visitor *v) {
        BufferPool *pool = &v->shard->worker->buffers;
        ssize_t k;

        if (!v->head)
                v->head = buffer_get(pool);
        if (!v->head)
                return -ENOMEM;
        k = stream_read(v->stream, buffer_tail(v->head), buffer_room(v->head));
        if (k > 0)
                buffer_produce(v->head, (size_t) k);
        else if (buffer_length(v->head) == 0)
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

        if (v->protocol == TUNNEL_HTTPS && stream_tls_speaks(s, MUX_ALPN)) {
                visitor_become_client(v);
                return;
        }
        k = visitor_read(v);

        if (k > 0)
                visitor_look_up(v);
        else if (k == 0 && buffer_length(v->head) > 0)
                visitor_refuse(v, 400, "", "The request ends too early");
        else if (k != -EAGAIN)
                visitor_destroy(v, k < 0);
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

static Visitor *visitor_new(Shard *sh, const Address *peer, TunnelProtocol protocol) {
        Visitor *v = new0(Visitor, 1);

        if (!v)
                return NULL;
        v->peer = *peer;
        v->protocol = protocol;
        v->started_usec = clock_usec();
        visitor_enter(v, sh);
        sh->metrics.connections_total[protocol]++;
        if (visitor_count(v))
                return v;
        visitor_free(v);
        return NULL;
}

void visitor_new_http(Shard *sh, int fd, const Address *peer, bool https) {
        _cleanup_close_ int owned = fd;
        Visitor *v = visitor_new(sh, peer, https ? TUNNEL_HTTPS : TUNNEL_HTTP);
        int r;

        if (!v)
                return;
        r = https ? stream_tls_new_server(&v->stream, sh->worker, fd, sh->snapshot->https_tls,
                                          STREAM_TLS_LENIENT_END)
                  : stream_fd_new(&v->stream, sh->worker, fd);
        if (r >= 0) {
                TAKE_FD(owned);
                r = visitor_set_timeout(v, sh->snapshot->config->head_usec);
        }
        if (r < 0) {
                visitor_free(v);
                return;
        }
        stream_set_callback(v->stream, on_visitor_readable, v);
        stream_set_events(v->stream, STREAM_READABLE);
}

void visitor_new_tcp(Shard *sh, int fd, const Address *peer, Tunnel *t) {
        _cleanup_close_ int owned = fd;
        Visitor *v = visitor_new(sh, peer, TUNNEL_TCP);

        if (!v)
                return;
        v->tunnel = tunnel_ref(t);
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

void visitor_stop_waiting(Shard *sh) {
        Visitor *v, *next;

        DL_FOREACH_SAFE(sh->visitors, v, next) {
                if (v->state == VISITOR_HEAD)
                        visitor_destroy(v, false);
                else if (v->state == VISITOR_PARKED)
                        visitor_refuse_away(v);
        }
}

void visitor_free_all(Shard *sh) {
        while (sh->visitors)
                visitor_free(sh->visitors);
}
