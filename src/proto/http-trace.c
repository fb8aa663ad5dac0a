/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-trace.h"

#include <errno.h>

/* Each side is read by itself, a head, a body, a head …; the ring of pending requests joins them: the newest
 * is the one whose body may be under way, the oldest is the one that is answered.
 *
 *   FOLLOWING ──101, or 2xx to CONNECT──► OPAQUE
 *       └──────no HTTP, or the end──────────┴──► OVER */

void http_trace_init(HttpTrace *t, const HttpTraceOps *ops, void *userdata) {
        *t = (HttpTrace) { .ops = ops, .userdata = userdata };
}

static void messages_forget(HttpTraceMessages *m) {
        free(TAKE_PTR(m->partial));
        m->n_partial = 0;
}

void http_trace_done(HttpTrace *t) {
        messages_forget(&t->sides[HTTP_TRACE_REQUEST]);
        messages_forget(&t->sides[HTTP_TRACE_RESPONSE]);
}

/* ---- what is pending ---- */

static HttpTracePending *trace_oldest(HttpTrace *t) {
        return t->n > 0 ? &t->pending[t->first] : NULL;
}

static HttpTracePending *trace_newest(HttpTrace *t) {
        return &t->pending[(t->first + t->n - 1) % HTTP_TRACE_PENDING_MAX];
}

static void trace_drop_oldest(HttpTrace *t, HttpTraceEnd end) {
        void *request = trace_oldest(t)->request;

        t->first = (t->first + 1) % HTTP_TRACE_PENDING_MAX;
        t->n--;
        t->ops->done(t->userdata, request, end);
}

static void trace_stop(HttpTrace *t, HttpTraceEnd end) {
        bool was_opaque = t->state == HTTP_TRACE_OPAQUE;

        t->state = HTTP_TRACE_OVER;
        while (t->n > 0)
                trace_drop_oldest(t, was_opaque || trace_oldest(t)->has_response ? HTTP_TRACE_COMPLETE : end);
        http_trace_done(t);
}

/* A message of SIDE is complete. */
static void trace_complete(HttpTrace *t, HttpTraceSide side) {
        HttpTracePending *oldest = trace_oldest(t);

        t->sides[side].is_in_body = false;
        if (side == HTTP_TRACE_REQUEST)
                trace_newest(t)->has_request = true;
        else
                oldest->has_response = true;
        if (oldest->has_request && oldest->has_response)
                trace_drop_oldest(t, HTTP_TRACE_COMPLETE);
}

/* ---- heads ---- */

static void trace_begin_body(HttpTrace *t, HttpTraceSide side, HttpBodyKind kind, uint64_t length) {
        HttpTraceMessages *m = &t->sides[side];

        http_body_init(&m->body, kind, length);
        m->is_in_body = true;
        if (http_body_is_complete(&m->body))
                trace_complete(t, side);
}

/* Returns 0, or an error: it can't be followed. */
static int trace_request(HttpTrace *t, const HttpHead *head, HttpSlice raw) {
        if (t->n == HTTP_TRACE_PENDING_MAX)
                return -ENOBUFS;
        t->n++;
        *trace_newest(t) = (HttpTracePending) {
                .exchange = http_exchange(head),
                .request = t->ops->request(t->userdata, head, raw),
        };
        trace_begin_body(t, HTTP_TRACE_REQUEST, http_request_body(head), head->content_length);
        return 0;
}

/* Nothing else may be under way on either side. */
static int trace_become_opaque(HttpTrace *t) {
        if (t->n > 1 || t->sides[HTTP_TRACE_REQUEST].n_partial > 0)
                return -EPROTO;
        t->state = HTTP_TRACE_OPAQUE;
        return 0;
}

static int trace_response(HttpTrace *t, const HttpHead *head, HttpSlice raw) {
        const HttpTracePending *p = trace_oldest(t);
        HttpBodyKind kind = HTTP_BODY_NONE;
        bool is_interim = http_response_is_interim(head);
        int r = is_interim ? 0 : http_response_body(&p->exchange, head, &kind);

        if (r < 0)
                return r;
        t->ops->response(t->userdata, p->request, head, raw, kind == HTTP_BODY_OPAQUE);
        if (kind == HTTP_BODY_OPAQUE)
                return trace_become_opaque(t);
        if (!is_interim)
                trace_begin_body(t, HTTP_TRACE_RESPONSE, kind, head->content_length);
        return 0;
}

/* Returns as http_head_parse(). */
static ssize_t trace_parse_head(HttpTrace *t, HttpTraceSide side, const char *data, size_t n) {
        HttpSlice raw = { .data = data };
        unsigned status;
        HttpHead head;
        ssize_t k = side == HTTP_TRACE_REQUEST
                            ? http_head_parse(&head, data, n, HTTP_HEAD_BYTES_MAX, &status)
                            : http_head_parse_response(&head, data, n, HTTP_HEAD_BYTES_MAX);
        int r;

        if (k < 0)
                return k;
        raw.length = (size_t) k;
        r = side == HTTP_TRACE_REQUEST ? trace_request(t, &head, raw) : trace_response(t, &head, raw);
        return r < 0 ? r : k;
}

/* Behind what there is of the head already. */
static int messages_keep(HttpTraceMessages *m, const char *data, size_t n) {
        char *partial = realloc(m->partial, m->n_partial + n);

        if (!partial)
                return -ENOMEM;
        memcpy(partial + m->n_partial, data, n);
        m->partial = partial;
        m->n_partial += n;
        return 0;
}

/* The ways to feed return how many bytes they have taken, or an error. */

static ssize_t trace_feed_head(HttpTrace *t, HttpTraceSide side, const char *data, size_t n) {
        HttpTraceMessages *m = &t->sides[side];
        size_t before = m->n_partial;
        _cleanup_free_ char *partial = NULL;
        ssize_t k;

        if (side == HTTP_TRACE_RESPONSE && (t->n == 0 || trace_oldest(t)->has_response))
                return -EPROTO;                       /* nobody has asked */
        n = MIN(n, HTTP_HEAD_BYTES_MAX - before + 1); /* one more, so that a head that is too long shows */
        if (before > 0) {
                int r = messages_keep(m, data, n);

                if (r < 0)
                        return r;
                partial = TAKE_PTR(m->partial); /* for the calls */
                m->n_partial = 0;
        }
        k = trace_parse_head(t, side, partial ? partial : data, before + n);
        if (k >= 0)
                return k - (ssize_t) before;
        if (k != -EAGAIN)
                return k;
        if (partial) {
                m->partial = TAKE_PTR(partial);
                m->n_partial = before + n;
        } else if (messages_keep(m, data, n) < 0)
                return -ENOMEM;
        return (ssize_t) n;
}

static ssize_t trace_feed_body(HttpTrace *t, HttpTraceSide side, const char *data, size_t n) {
        HttpTraceMessages *m = &t->sides[side];
        const HttpTracePending *p = side == HTTP_TRACE_REQUEST ? trace_newest(t) : trace_oldest(t);
        ssize_t k = http_body_feed(&m->body, data, n);

        if (k < 0)
                return k;
        t->ops->body(t->userdata, p->request, side, http_slice(data, data + k));
        if (http_body_is_complete(&m->body))
                trace_complete(t, side);
        return k;
}

static ssize_t trace_feed_opaque(HttpTrace *t, HttpTraceSide side, const char *data, size_t n) {
        t->ops->body(t->userdata, trace_oldest(t)->request, side, http_slice(data, data + n));
        return (ssize_t) n;
}

/* ---- what comes ---- */

void http_trace_feed(HttpTrace *t, HttpTraceSide side, const char *data, size_t n) {
        while (n > 0 && t->state != HTTP_TRACE_OVER) {
                ssize_t k;

                if (t->state == HTTP_TRACE_OPAQUE)
                        k = trace_feed_opaque(t, side, data, n);
                else if (t->sides[side].is_in_body)
                        k = trace_feed_body(t, side, data, n);
                else
                        k = trace_feed_head(t, side, data, n);
                if (k < 0) {
                        trace_stop(t, HTTP_TRACE_LOST);
                        return;
                }
                data += k;
                n -= (size_t) k;
        }
}

void http_trace_end(HttpTrace *t, HttpTraceSide side) {
        HttpTraceMessages *m = &t->sides[side];

        if (t->state != HTTP_TRACE_FOLLOWING || side == HTTP_TRACE_REQUEST)
                return; /* the answer may still come */
        if (m->is_in_body && http_body_may_end(&m->body))
                trace_complete(t, side);
        trace_stop(t, HTTP_TRACE_CUT_OFF);
}

void http_trace_finish(HttpTrace *t) {
        if (t->state != HTTP_TRACE_OVER)
                trace_stop(t, HTTP_TRACE_CUT_OFF);
}
