/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Follows a conversation of HTTP/1.1 by looking at its bytes, which go on whatever is made of them: which
 * requests there are, what belongs to each, and where they end. What can't be followed is given up, since
 * nothing depends on it. */

#include "proto/http-framing.h"

#define HTTP_TRACE_PENDING_MAX 32 /* requests whose answers are not complete */

typedef enum HttpTraceSide { HTTP_TRACE_REQUEST, HTTP_TRACE_RESPONSE } HttpTraceSide;

typedef enum HttpTraceEnd {
        HTTP_TRACE_COMPLETE, /* its response is */
        HTTP_TRACE_CUT_OFF,  /* the connection has ended before */
        HTTP_TRACE_LOST,     /* this is no HTTP that we understand; nothing more is told */
} HttpTraceEnd;

/* What is told. HEAD, its RAW bytes and DATA are borrowed for the call. */
typedef struct HttpTraceOps {
        /* A request begins. What this returns stands for the request in the other calls. */
        void *(*request)(void *userdata, const HttpHead *head, HttpSlice raw);

        /* It is answered: any number of interim heads (http_response_is_interim()), then the final one.
         * IS_OPAQUE: what follows on both sides is another protocol's. */
        void (*response)(void *userdata, void *request, const HttpHead *head, HttpSlice raw, bool is_opaque);

        /* A part of a body as it came, with sizes of chunks and trailers, or of another protocol's bytes. */
        void (*body)(void *userdata, void *request, HttpTraceSide side, HttpSlice data);

        /* Its last call. */
        void (*done)(void *userdata, void *request, HttpTraceEnd end);
} HttpTraceOps;

typedef struct HttpTraceMessages { /* one after the other, of one side */
        char *partial;             /* owned: the beginning of a head, or NULL */
        size_t n_partial;
        HttpBody body;
        bool is_in_body;
} HttpTraceMessages;

typedef struct HttpTracePending {
        HttpExchange exchange;
        void *request;                  /* of ops */
        bool has_request, has_response; /* as a whole */
} HttpTracePending;

typedef enum HttpTraceState { HTTP_TRACE_FOLLOWING, HTTP_TRACE_OPAQUE, HTTP_TRACE_OVER } HttpTraceState;

typedef struct HttpTrace {
        const HttpTraceOps *ops; /* borrowed */
        void *userdata;          /* borrowed */
        HttpTraceState state;
        HttpTraceMessages sides[2];
        HttpTracePending pending[HTTP_TRACE_PENDING_MAX]; /* a ring */
        unsigned first, n;
} HttpTrace;

void http_trace_init(HttpTrace *t, const HttpTraceOps *ops, void *userdata);

/* Frees what it owns, and tells nothing. */
void http_trace_done(HttpTrace *t);

/* N bytes have passed that were said by SIDE, cut anywhere. */
void http_trace_feed(HttpTrace *t, HttpTraceSide side, const char *data, size_t n);

/* SIDE says nothing more. */
void http_trace_end(HttpTrace *t, HttpTraceSide side);

/* Nobody says anything more: whatever is pending is done. */
void http_trace_finish(HttpTrace *t);
