/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What follows from heads: the kinds of bodies (RFC 9112 §6.3), whether a connection goes on (§9.3), and
 * whether it becomes another protocol's (RFC 9110 §7.8). */

#include "proto/http-body.h"
#include "proto/http-head.h"

typedef struct HttpExchange { /* what of a request matters for its response; refers to nothing */
        bool is_head;         /* of a method whose response has no body */
        bool is_connect;
        bool is_1_0;        /* so whoever asked understands no 1xx */
        bool may_keep_open; /* the connection that the request came over */
        bool may_upgrade;   /* to a protocol that we let through */
} HttpExchange;

typedef struct HttpConnection { /* the options of all Connection fields that we know */
        bool close, keep_alive, upgrade;
        bool others;
} HttpConnection;

HttpConnection http_connection_options(const HttpHead *head);

/* PROTOCOL, from an Upgrade field, is one that the service may be asked for: not h2c, which could no longer
 * be routed by request. */
bool http_upgrade_may_pass(HttpSlice protocol);

/* Of a parsed request: none, by length or chunked. */
HttpBodyKind http_request_body(const HttpHead *request);

HttpExchange http_exchange(const HttpHead *request);

/* A response before the final one: 1xx other than 101. Any number may come; none of it is for 1.0. */
static inline bool http_response_is_interim(const HttpHead *response) {
        return response->status < 200 && response->status != 101;
}

/* Sets *RET to the kind of body that a response has. HTTP_BODY_OPAQUE is for both directions. Returns 0, or
 * -EPROTO: 101 or chunks that nobody has asked for. */
int http_response_body(const HttpExchange *x, const HttpHead *response, HttpBodyKind *ret);

/* Another request may follow on the connection that RESPONSE, a final one, came over: of a request's
 * connection x.may_keep_open has to be true as well. */
bool http_response_keeps_open(const HttpHead *response, HttpBodyKind body);

/* The Connection field of a response to a visitor whose connection is kept open or not, or NULL for none. */
const char *http_response_connection(const HttpExchange *x, const HttpHead *response, bool keep_open);
