/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A small HTTP service for administrators, metrics, the inspector and files: libmicrohttpd on a worker's
 * loop, without a thread of its own. Visitors of the server are never served by it. */

#include <stdbool.h>
#include <sys/types.h>

#include "net/address.h"
#include "net/worker.h"

#define HTTP_SERVICE_BODY_MAX (64 * 1024)           /* of a request: above it is answered by 413 */
#define HTTP_SERVICE_STREAM_BYTES_MAX (1024 * 1024) /* that wait for the reader of a stream */
#define HTTP_SERVICE_CONNECTIONS_MAX 64
#define HTTP_SERVICE_IDLE_SEC 10
#define HTTP_SERVICE_INNER_CONNECTIONS_MAX 2000 /* without a listener */
#define HTTP_SERVICE_INNER_IDLE_SEC 90

typedef struct HttpService HttpService;
typedef struct HttpExchange HttpExchange; /* one request, until its answer */

typedef struct HttpRequest {
        const char *method; /* HEAD reads as GET: its answer loses its body by itself */
        const char *path;   /* without the query, decoded; what can't be stays as it came, "%00" too */
        const char *body;   /* ends with NUL */
        size_t body_length;
        bool is_local; /* over a unix socket: the peer is */
        uid_t uid;
        gid_t gid;
        const void *context; /* of http_service_add(), else NULL */
} HttpRequest;

typedef struct HttpHeader {
        const char *name, *value;
} HttpHeader;

typedef struct HttpAnswer {
        unsigned status;
        const char *content_type;
        const HttpHeader *headers; /* more of them, the last one empty; or NULL */
        char *body;                /* from malloc(); the service's, whatever happens */
        size_t body_length;
        bool is_file; /* instead of a body: body_length bytes at file_offset of a file, */
        int file;     /* which is the service's, whatever happens */
        uint64_t file_offset;
} HttpAnswer;

/* R is borrowed until the answer. Must answer X, now or, after http_exchange_wait(), later. */
typedef void (*HttpServiceFn)(HttpExchange *x, const HttpRequest *r, void *userdata);

/* The exchange of http_exchange_wait() is no more: there is nobody to answer. */
typedef void (*HttpGoneFn)(void *userdata);

/* At PATH (see local_socket_bind()), or at an address, whose port may be 0. USERDATA is borrowed. Return 0 or
 * a negative errno. loop: W */
int http_service_new_local(HttpService **ret, Worker *w, const char *path, const char *group,
                           HttpServiceFn on_request, void *userdata);
int http_service_new_tcp(HttpService **ret, Worker *w, const Address *address, HttpServiceFn on_request,
                         void *userdata);

/* On FD, which listens already and is the service's on success; PATH: where, if it is a unix socket, else
 * NULL. As above. */
int http_service_new_socket(HttpService **ret, Worker *w, int fd, const char *path, HttpServiceFn on_request,
                            void *userdata);

/* The socket that it listens on, which stays its own. */
int http_service_socket(const HttpService *s);

/* Accepts nobody any more, and leaves the path alone: another process has the socket too. ON_IDLE is called
 * when the last connection has gone; it may free S. */
typedef void (*HttpIdleFn)(void *userdata);
void http_service_let_go(HttpService *s, HttpIdleFn on_idle, void *userdata);
bool http_service_is_idle(const HttpService *s);

/* Without a listener: connections come by http_service_add(). */
int http_service_new_inner(HttpService **ret, Worker *w, HttpServiceFn on_request, void *userdata);

/* FD, the service's in any case, is a connection, non-blocking; CONTEXT is borrowed for its life. Returns 0,
 * or -ENOBUFS when there are too many. */
int http_service_add(HttpService *s, int fd, const void *context);

/* For all requests: another limit of their bodies, and HEADERS (borrowed for ever, the last one empty) that
 * each answer has besides its own. */
void http_service_set_body_max(HttpService *s, size_t n);
void http_service_set_headers(HttpService *s, const HttpHeader *headers);

/* Where it listens, with the port that it got. */
const Address *http_service_address(const HttpService *s);

/* Closes every connection, and tells who waits. Never from a HttpServiceFn. Takes NULL; returns NULL. */
HttpService *http_service_free(HttpService *s);

/* Strings of the request, borrowed until the answer, or NULL. */
const char *http_exchange_query(HttpExchange *x, const char *name);
const char *http_exchange_header(HttpExchange *x, const char *name);

/* Local only: the peer is root, has the uid UID, or belongs to the group of that name. */
bool http_exchange_peer_is(HttpExchange *x, uid_t uid, const char *group);

/* The answer comes later, unless ON_GONE is called first. */
void http_exchange_wait(HttpExchange *x, HttpGoneFn on_gone, void *userdata);

/* Ends the exchange; X is gone. */
void http_exchange_answer(HttpExchange *x, const HttpAnswer *answer);

/* Answers, now, with a body that has no end: ANSWER's, and what is pushed. Until ON_GONE is called, which
 * happens also when the peer reads too slowly; then X is gone. That its peer has gone shows at a push only.
 */
void http_exchange_stream(HttpExchange *x, const HttpAnswer *answer, HttpGoneFn on_gone, void *userdata);

/* N bytes more. Never calls ON_GONE before it returns. */
void http_exchange_push(HttpExchange *x, const char *data, size_t n);

/* The address that the peer has come to. Returns 0 or a negative errno. */
int http_exchange_address(HttpExchange *x, Address *ret);
