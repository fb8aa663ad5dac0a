/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/http-service.h"

#include <errno.h>
#include <grp.h>
#include <microhttpd.h>
#include <utlist.h>

#include "base/parse.h"
#include "base/str.h"
#include "net/listener.h"
#include "net/local-socket.h"
#include "net/timer.h"

/* libmicrohttpd has an epoll descriptor of its own, which the loop watches; a timer does what it asks for by
 * time. It calls on_access() for a request's head, for each piece of its body, and at its end:
 *
 *   BODY ──end──► HANDLED ──answer──► ANSWERED
 *                    ├──wait──► WAITING ──answer (on_access() again), or the service's end──► ANSWERED
 *                    └──stream──► STREAMING, until either end closes it
 *
 * A stream for whose reader there is nothing is suspended: else libmicrohttpd would ask for more at once. */

#define STREAM_BLOCK_BYTES (16 * 1024)
#define BODY_DISCARD_MAX (1024 * 1024) /* of a chunked body that is too long, until nobody listens to it */
#define PEER_GROUPS_MAX 1024
#define GROUP_BYTES 65536 /* of a group's entry in the database */

typedef enum ExchangeState {
        EXCHANGE_BODY,
        EXCHANGE_HANDLED,
        EXCHANGE_WAITING,
        EXCHANGE_ANSWERED,
        EXCHANGE_STREAMING,
} ExchangeState;

struct HttpExchange {
        HttpService *service;              /* borrowed */
        struct MHD_Connection *connection; /* borrowed; owns the exchange */
        ExchangeState state;
        HttpRequest request;
        char *body;                    /* owned */
        size_t n_body;                 /* also of bytes that were dropped */
        struct MHD_Response *response; /* owned; NULL once ANSWERED: the connection is closed */
        unsigned status;
        HttpGoneFn on_gone;
        void *userdata;            /* borrowed */
        HttpExchange *prev, *next; /* the service's, while WAITING or STREAMING */
        char *stream;              /* owned: pushed, and not read yet */
        size_t n_stream;
        bool is_suspended; /* while STREAMING */
        bool is_ending;    /* the same: its peer reads too slowly, or the service ends */
};

struct HttpService {
        struct MHD_Daemon *daemon; /* owned */
        uv_poll_t poll;            /* of its epoll descriptor */
        Timer *timer;              /* owned */
        HttpServiceFn on_request;
        void *userdata; /* borrowed */
        bool is_inner;
        HttpExchange *waiting; /* or streaming */
        size_t body_max;
        const HttpHeader *headers; /* borrowed, or NULL */
        Address address;
        LocalSocket local; /* zeroed for TCP, and once it is another process's */
        bool is_local;
        HttpIdleFn on_idle; /* NULL until it accepts nobody any more */
        void *idle_userdata;
};

/* ---- the loop ---- */

static void service_run(HttpService *s) {
        MHD_UNSIGNED_LONG_LONG msec;

        (void) MHD_run(s->daemon);
        if (MHD_get_timeout(s->daemon, &msec) == MHD_YES)
                timer_start(s->timer, msec * USEC_PER_MSEC);
        else
                timer_stop(s->timer);
        if (s->on_idle && http_service_is_idle(s))
                s->on_idle(s->idle_userdata);
}

static void on_service_timer(void *userdata) {
        service_run(userdata);
}

static void on_service_poll(uv_poll_t *poll, int status _unused_, int events _unused_) {
        service_run(poll->data);
}

/* ---- a request ---- */

static struct MHD_Response *make_response(const HttpAnswer *a) {
        struct MHD_Response *r =
                a->is_file ? MHD_create_response_from_fd_at_offset64(a->body_length, a->file, a->file_offset)
                           : MHD_create_response_from_buffer(a->body_length, a->body, MHD_RESPMEM_MUST_FREE);

        if (!r && a->is_file)
                safe_close(a->file);
        else if (!r)
                free(a->body);
        return r;
}

static void exchange_set_headers(HttpExchange *x, const HttpAnswer *a) {
        if (a->content_type)
                (void) MHD_add_response_header(x->response, MHD_HTTP_HEADER_CONTENT_TYPE, a->content_type);
        for (const HttpHeader *h = a->headers; h && h->name; h++)
                (void) MHD_add_response_header(x->response, h->name, h->value);
        for (const HttpHeader *h = x->service->headers; h && h->name; h++)
                if (!MHD_get_response_header(x->response, h->name))
                        (void) MHD_add_response_header(x->response, h->name, h->value);
}

static void exchange_set_answer(HttpExchange *x, const HttpAnswer *a) {
        x->response = make_response(a);
        if (x->response)
                exchange_set_headers(x, a);
}

static enum MHD_Result exchange_send(HttpExchange *x, unsigned status) {
        enum MHD_Result r = x->response ? MHD_queue_response(x->connection, status, x->response) : MHD_NO;

        if (x->response)
                MHD_destroy_response(x->response);
        x->response = NULL;
        return r;
}

static enum MHD_Result exchange_refuse_body(HttpExchange *x) {
        static const char text[] = "{\"error\":\"The request's body is too long\"}\n";

        exchange_set_answer(x, &(HttpAnswer) { .content_type = "application/json",
                                              .body = strdup(text),
                                              .body_length = strlen(text) });
        return exchange_send(x, MHD_HTTP_CONTENT_TOO_LARGE);
}

static enum MHD_Result exchange_add_body(HttpExchange *x, const char *data, size_t n) {
        char *body;

        x->n_body += n;
        if (x->n_body > x->service->body_max)
                return x->n_body <= BODY_DISCARD_MAX ? MHD_YES : MHD_NO;
        body = realloc(x->body, x->n_body + 1);
        if (!body)
                return MHD_NO;
        memcpy(body + x->n_body - n, data, n);
        body[x->n_body] = '\0';
        x->body = body;
        return MHD_YES;
}

static void exchange_find_peer(HttpExchange *x) {
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        struct ucred peer;
        socklen_t n = sizeof(peer);

        if (!x->service->is_local || !info ||
            getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
                return;
        x->request.is_local = true;
        x->request.uid = peer.uid;
        x->request.gid = peer.gid;
}

/* libmicrohttpd keeps a connection's address, and those of inner ones say what they are for. */
typedef union ContextAddress {
        struct sockaddr sa;
        struct {
                sa_family_t family;
                const void *context;
        } inner;
} ContextAddress;

static void exchange_find_context(HttpExchange *x) {
        const union MHD_ConnectionInfo *info =
                x->service->is_inner
                        ? MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
                        : NULL;
        ContextAddress address;

        if (!info || !info->client_addr)
                return;
        memcpy(&address, info->client_addr, sizeof(address));
        x->request.context = address.inner.context;
}

static HttpExchange *exchange_new(HttpService *s, struct MHD_Connection *connection, const char *method,
                                  const char *path) {
        HttpExchange *x = new0(HttpExchange, 1);

        if (!x)
                return NULL;
        x->service = s;
        x->connection = connection;
        x->request.method = streq(method, MHD_HTTP_METHOD_HEAD) ? MHD_HTTP_METHOD_GET : method;
        x->request.path = path;
        exchange_find_peer(x);
        exchange_find_context(x);
        return x;
}

/* All of the request is here. */
static enum MHD_Result exchange_handle(HttpExchange *x) {
        HttpService *s = x->service;

        if (x->n_body > s->body_max)
                return exchange_refuse_body(x);
        x->state = EXCHANGE_HANDLED;
        x->request.body = x->body ? x->body : "";
        x->request.body_length = x->n_body;
        s->on_request(x, &x->request, s->userdata);
        if (x->state == EXCHANGE_ANSWERED || x->state == EXCHANGE_STREAMING)
                return exchange_send(x, x->status);
        MHD_suspend_connection(x->connection);
        return MHD_YES;
}

static bool head_promises_too_much(const HttpExchange *x) {
        const char *length = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Content-Length");
        uint64_t n;

        return length && parse_uint(length, x->service->body_max, &n) < 0;
}

static enum MHD_Result on_access(void *userdata, struct MHD_Connection *connection, const char *path,
                                 const char *method, const char *version _unused_, const char *data,
                                 size_t *n, void **of_connection) {
        HttpExchange *x = *of_connection;

        if (!x) {
                x = *of_connection = exchange_new(userdata, connection, method, path);
                if (x && head_promises_too_much(x))
                        return exchange_refuse_body(x);
                return x ? MHD_YES : MHD_NO;
        }
        if (x->state == EXCHANGE_ANSWERED)
                return exchange_send(x, x->status);
        if (*n > 0) {
                enum MHD_Result r = exchange_add_body(x, data, *n);

                *n = 0;
                return r;
        }
        return exchange_handle(x);
}

static void on_completed(void *userdata _unused_, struct MHD_Connection *connection _unused_,
                         void **of_connection, enum MHD_RequestTerminationCode code _unused_) {
        HttpExchange *x = TAKE_PTR(*of_connection);

        if (!x)
                return;
        if (x->state == EXCHANGE_STREAMING)
                DL_DELETE(x->service->waiting, x);
        if (x->state == EXCHANGE_STREAMING && x->on_gone)
                x->on_gone(x->userdata);
        if (x->response)
                MHD_destroy_response(x->response);
        free(x->body);
        free(x->stream);
        free(x);
}

const char *http_exchange_query(HttpExchange *x, const char *name) {
        return MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_exchange_header(HttpExchange *x, const char *name) {
        return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

void http_exchange_wait(HttpExchange *x, HttpGoneFn on_gone, void *userdata) {
        x->on_gone = on_gone;
        x->userdata = userdata;
        x->state = EXCHANGE_WAITING;
        DL_APPEND(x->service->waiting, x);
}

/* on_access() is called again, and finds it answered. */
static void exchange_resume(HttpExchange *x) {
        DL_DELETE(x->service->waiting, x);
        x->state = EXCHANGE_ANSWERED;
        MHD_resume_connection(x->connection);
        timer_start(x->service->timer, 0); /* its epoll descriptor doesn't tell */
}

void http_exchange_answer(HttpExchange *x, const HttpAnswer *answer) {
        exchange_set_answer(x, answer);
        x->status = answer->status;
        if (x->state == EXCHANGE_WAITING)
                exchange_resume(x);
        else
                x->state = EXCHANGE_ANSWERED;
}

/* ---- streams ---- */

static ssize_t on_stream_read(void *userdata, uint64_t position _unused_, char *to, size_t max) {
        HttpExchange *x = userdata;
        size_t n = MIN(x->n_stream, max);

        if (x->is_ending)
                return MHD_CONTENT_READER_END_WITH_ERROR;
        if (n == 0) {
                MHD_suspend_connection(x->connection);
                x->is_suspended = true;
                return 0;
        }
        memcpy(to, x->stream, n);
        memmove(x->stream, x->stream + n, x->n_stream - n);
        x->n_stream -= n;
        return (ssize_t) n;
}

/* Its reader is asked again. */
static void stream_wake(HttpExchange *x) {
        if (!x->is_suspended)
                return;
        x->is_suspended = false;
        MHD_resume_connection(x->connection);
        timer_start(x->service->timer, 0);
}

void http_exchange_stream(HttpExchange *x, const HttpAnswer *answer, HttpGoneFn on_gone, void *userdata) {
        x->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, on_stream_read,
                                                        x, NULL);
        if (x->response)
                exchange_set_headers(x, answer);
        x->stream = answer->body;
        x->n_stream = answer->body_length;
        x->on_gone = on_gone;
        x->userdata = userdata;
        x->status = answer->status;
        x->state = EXCHANGE_STREAMING;
        DL_APPEND(x->service->waiting, x);
}

void http_exchange_push(HttpExchange *x, const char *data, size_t n) {
        char *stream =
                x->n_stream + n <= HTTP_SERVICE_STREAM_BYTES_MAX ? realloc(x->stream, x->n_stream + n) : NULL;

        if (stream) {
                memcpy(stream + x->n_stream, data, n);
                x->stream = stream;
                x->n_stream += n;
        } else
                x->is_ending = true;
        stream_wake(x);
}

/* ---- the peer ---- */

int http_exchange_address(HttpExchange *x, Address *ret) {
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

        return info ? address_of_socket(info->connect_fd, ret) : -ENOTCONN;
}

static bool peer_has_group(int fd, gid_t gid) {
        gid_t groups[PEER_GROUPS_MAX];
        socklen_t n = sizeof(groups);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) < 0)
                return false;
        for (size_t i = 0; i < n / sizeof(gid_t); i++)
                if (groups[i] == gid)
                        return true;
        return false;
}

bool http_exchange_peer_is(HttpExchange *x, uid_t uid, const char *group) {
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        _cleanup_free_ char *buffer = NULL;
        struct group entry, *found = NULL;

        if (!x->request.is_local || !info)
                return false;
        if (x->request.uid == 0 || x->request.uid == uid)
                return true;
        buffer = malloc(GROUP_BYTES);
        if (!buffer || getgrnam_r(group, &entry, buffer, GROUP_BYTES, &found) != 0 || !found)
                return false;
        return x->request.gid == found->gr_gid || peer_has_group(info->connect_fd, found->gr_gid);
}

/* ---- life ---- */

/* As libmicrohttpd does it, but for a NUL, behind which the rest would be lost. */
static size_t on_unescape(void *userdata _unused_, struct MHD_Connection *connection _unused_, char *s) {
        char *in = s, *out = s;

        while (*in) {
                char hex[3] = { *in == '%' ? in[1] : '\0', *in == '%' && in[1] ? in[2] : '\0' };
                uint8_t byte;

                if (hex_decode(hex, &byte, 1) >= 0 && byte != 0) {
                        *out++ = (char) byte;
                        in += strlen("%00");
                } else
                        *out++ = *in++;
        }
        *out = '\0';
        return (size_t) (out - s);
}

/* FD is the daemon's on success; -1: an inner one. */
static int service_start_daemon(HttpService *s, int fd) {
        unsigned n_max = fd < 0 ? HTTP_SERVICE_INNER_CONNECTIONS_MAX : HTTP_SERVICE_CONNECTIONS_MAX;
        unsigned idle_sec = fd < 0 ? HTTP_SERVICE_INNER_IDLE_SEC : HTTP_SERVICE_IDLE_SEC;

        errno = 0;
        s->is_inner = fd < 0;
        s->daemon = MHD_start_daemon(
                MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (fd < 0 ? MHD_USE_NO_LISTEN_SOCKET : 0U), 0, NULL,
                NULL, on_access, s, MHD_OPTION_CONNECTION_LIMIT, n_max, MHD_OPTION_CONNECTION_TIMEOUT,
                idle_sec, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_UNESCAPE_CALLBACK,
                on_unescape, s, fd < 0 ? MHD_OPTION_END : MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_END);
        if (!s->daemon)
                return errno > 0 ? -errno : -ENOMEM;
        return 0;
}

static int service_watch(HttpService *s, Worker *w) {
        const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        int r = timer_new(&s->timer, w, on_service_timer, s);

        if (r >= 0)
                r = uv_poll_init(&w->loop, &s->poll, info->epoll_fd);
        if (r < 0) {
                timer_free(s->timer);
                return r;
        }
        s->poll.data = s;
        (void) uv_poll_start(&s->poll, UV_READABLE, on_service_poll);
        return 0;
}

/* Owns FD on success. */
static int service_new(HttpService **ret, Worker *w, int fd, HttpServiceFn on_request, void *userdata) {
        HttpService *s = new0(HttpService, 1);
        int r;

        if (!s)
                return -ENOMEM;
        s->on_request = on_request;
        s->userdata = userdata;
        s->body_max = HTTP_SERVICE_BODY_MAX;
        r = service_start_daemon(s, fd);
        if (r < 0) {
                free(s);
                return r;
        }
        r = service_watch(s, w);
        if (r < 0) {
                (void) MHD_quiesce_daemon(s->daemon); /* FD stays open */
                MHD_stop_daemon(s->daemon);
                free(s);
                return r;
        }
        *ret = s;
        return 0;
}

int http_service_new_local(HttpService **ret, Worker *w, const char *path, const char *group,
                           HttpServiceFn on_request, void *userdata) {
        LocalSocket local;
        int r = local_socket_bind(&local, path, group);

        if (r < 0)
                return r;
        r = service_new(ret, w, local.fd, on_request, userdata);
        if (r < 0)
                local_socket_done(&local);
        else {
                TAKE_FD(local.fd);
                (*ret)->local = local;
                (*ret)->is_local = true;
        }
        return r;
}

int http_service_new_tcp(HttpService **ret, Worker *w, const Address *address, HttpServiceFn on_request,
                         void *userdata) {
        _cleanup_close_ int fd = listener_bind(address);
        int r = fd < 0 ? fd : http_service_new_socket(ret, w, fd, NULL, on_request, userdata);

        if (r >= 0)
                TAKE_FD(fd);
        return r;
}

int http_service_new_socket(HttpService **ret, Worker *w, int fd, const char *path, HttpServiceFn on_request,
                            void *userdata) {
        LocalSocket local = {};
        Address bound = {};
        HttpService *s;
        int r = path ? local_socket_find(&local, path) : address_of_socket(fd, &bound);

        if (r >= 0)
                r = service_new(&s, w, fd, on_request, userdata);
        if (r < 0) {
                local_socket_forget(&local);
                return r;
        }
        s->local = local;
        s->is_local = path;
        s->address = bound;
        *ret = s;
        return 0;
}

int http_service_socket(const HttpService *s) {
        return MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_LISTEN_FD)->listen_fd;
}

bool http_service_is_idle(const HttpService *s) {
        return MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections == 0;
}

void http_service_let_go(HttpService *s, HttpIdleFn on_idle, void *userdata) {
        safe_close(MHD_quiesce_daemon(s->daemon));
        local_socket_forget(&s->local);
        s->on_idle = on_idle;
        s->idle_userdata = userdata;
}

int http_service_new_inner(HttpService **ret, Worker *w, HttpServiceFn on_request, void *userdata) {
        return service_new(ret, w, -1, on_request, userdata);
}

int http_service_add(HttpService *s, int fd, const void *context) {
        ContextAddress address = { .inner = { .family = AF_UNIX, .context = context } };

        if (MHD_add_connection(s->daemon, fd, &address.sa, sizeof(address)) != MHD_YES)
                return -ENOBUFS;
        timer_start(s->timer, 0); /* its epoll descriptor doesn't tell */
        return 0;
}

void http_service_set_body_max(HttpService *s, size_t n) {
        s->body_max = n;
}

void http_service_set_headers(HttpService *s, const HttpHeader *headers) {
        s->headers = headers;
}

const Address *http_service_address(const HttpService *s) {
        return &s->address;
}

static void on_service_closed(uv_handle_t *handle) {
        free(handle->data);
}

/* libmicrohttpd doesn't stop while it has suspended ones. */
static void exchange_let_go(HttpExchange *x) {
        if (x->state == EXCHANGE_STREAMING) {
                x->is_ending = true;
                stream_wake(x);
        } else
                exchange_resume(x);
}

HttpService *http_service_free(HttpService *s) {
        HttpExchange *x, *next;

        if (!s)
                return NULL;
        DL_FOREACH_SAFE(s->waiting, x, next) {
                HttpGoneFn on_gone = TAKE_PTR(x->on_gone);

                exchange_let_go(x);
                on_gone(x->userdata);
        }
        uv_close((uv_handle_t*) &s->poll,
                 on_service_closed); /* takes the descriptor out of the loop at once */
        timer_free(s->timer);
        MHD_stop_daemon(s->daemon);
        local_socket_done(&s->local);
        return NULL;
}
