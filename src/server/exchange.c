/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/exchange.h"

#include <errno.h>

#include "base/parse.h"

/*   RESTING ──a byte──► READING ──head──► WAITING ──final head──► ANSWERED ──both bodies done──► RESTING
 *                                         │   ▲ │
 *                                         └1xx┘ └──101──► OPAQUE
 *
 * A response may be complete before its request is; then the rest of the request still goes on. */

static int exchange_stop(Exchange *x, ExchangeEnd end) {
        x->end = end;
        return -ECANCELED;
}

/* The visitor may have got a byte of the answer. */
static bool exchange_has_answer(const Exchange *x) {
        uint64_t in, out;

        relay_get_bytes(x->relay, &in, &out);
        return out > x->n_answered;
}

static void exchange_forget(Exchange *x) {
        free(TAKE_PTR(x->again));
        x->n_again = 0;
}

/* How many of the bytes at DATA and behind them are the body's, or an errno. */
static int64_t admit_body(HttpBody *b, const char *data, size_t n) {
        int64_t ahead = http_body_skip(b);
        ssize_t k;

        if (ahead > 0)
                return ahead;
        k = http_body_feed(b, data, n);
        return k < 0 ? k : k + http_body_skip(b);
}

/* ---- requests ---- */

/* RFC 9110 §9.2.2: the same once or twice. */
static bool is_idempotent(HttpSlice method) {
        static const char *const methods[] = { "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE" };

        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                if (method.length == strlen(methods[i]) &&
                    memcmp(method.data, methods[i], method.length) == 0)
                        return true;
        return false;
}

/* A leg that has rested may have been closed at its other end: then the request was not seen by anybody. */
static void exchange_remember(Exchange *x, const HttpHead *head, const char *data, size_t n) {
        if (!x->leg_is_used || !is_idempotent(head->method) || !http_body_is_complete(&x->request_body))
                return;
        x->again = malloc(n);
        if (!x->again)
                return; /* then it is not said again */
        memcpy(x->again, data, n);
        x->n_again = n;
}

static const char *request_connection(const HttpExchange *x) {
        if (x->may_keep_open)
                return x->is_1_0 ? "keep-alive" : NULL;
        return x->is_1_0 ? NULL : "close";
}

_Static_assert(FORWARDED_EDITS + 1 + HEADER_EDITS_MAX <= HTTP_EDITS_MAX, "all that is edited fits");

/* What the tunnel's owner wants, besides what WE say, which nobody can want otherwise. */
static size_t collect_edits(const TunnelOptions *o, const Forwarded *we,
                            HttpEdit ret[static HTTP_EDITS_MAX]) {
        size_t n = we->n_edits;

        memcpy(ret, we->edits, n * sizeof(*ret));
        if (o->host_header)
                ret[n++] = (HttpEdit) { http_slice_of("Host"), http_slice_of(o->host_header) };
        if (o->request_headers.n > 0)
                memcpy(ret + n, o->request_headers.items, o->request_headers.n * sizeof(*ret));
        return n + o->request_headers.n;
}

/* Returns 0, -ENOBUFS. */
static int write_request(const Exchange *x, const HttpHead *head, Buffer *out) {
        HttpRewrite rewrite = { .connection = request_connection(&x->request) };
        HttpEdit edits[HTTP_EDITS_MAX];
        Forwarded forwarded;
        ssize_t k;

        if (forwarded_init(&forwarded, &x->by, head) < 0)
                return -ENOBUFS;
        rewrite.edits = forwarded.edits;
        rewrite.n_edits = forwarded.n_edits;
        if (x->options) {
                rewrite.edits = edits;
                rewrite.n_edits = collect_edits(x->options, &forwarded, edits);
        }
        k = http_rewrite_request(head, &rewrite, (char*) buffer_tail(out), buffer_room(out));
        if (k < 0)
                return (int) k;
        buffer_produce(out, (size_t) k);
        return 0;
}

static void exchange_begin(Exchange *x, const HttpHead *head) {
        uint64_t in;

        exchange_forget(x);
        x->state = EXCHANGE_WAITING;
        x->request = http_exchange(head);
        http_body_init(&x->request_body, http_request_body(head), head->content_length);
        x->awaits_continue = http_head_find(head, "Expect") && !http_body_is_complete(&x->request_body);
        x->status = 0;
        x->started_usec = clock_usec();
        x->is_request_done = x->is_response_done = x->leg_goes_on = false;
        x->n_heads = 0;
        relay_get_bytes(x->relay, &in, &x->n_answered);
}

static int64_t judge_request_head(Exchange *x, const char *data, size_t n, Buffer *instead,
                                  size_t *ret_taken) {
        unsigned status;
        HttpHead head;
        ssize_t k = http_head_parse(&head, data, n, x->head_bytes_max, &status);

        if (k == -EAGAIN && x->state == EXCHANGE_RESTING) {
                x->state = EXCHANGE_READING;
                x->owner->began(x);
        }
        if (k == -EAGAIN)
                return k;
        if (k < 0 || !x->owner->may_pass(x, &head))
                return exchange_stop(x, EXCHANGE_LOOK_AGAIN);
        exchange_begin(x, &head);
        if (write_request(x, &head, instead) < 0)
                return exchange_stop(x, EXCHANGE_CUT_OFF);
        exchange_remember(x, &head, data, (size_t) k);
        *ret_taken = (size_t) k;
        return 0;
}

static int64_t judge_request(Exchange *x, const char *data, size_t n, Buffer *instead, size_t *ret_taken) {
        int64_t k;

        if (x->state == EXCHANGE_OPAQUE)
                return INT64_MAX;
        if (x->state == EXCHANGE_RESTING || x->state == EXCHANGE_READING)
                return judge_request_head(x, data, n, instead, ret_taken);
        if (http_body_is_complete(&x->request_body))
                return -EBUSY;
        k = admit_body(&x->request_body, data, n);
        return k < 0 ? exchange_stop(x, exchange_has_answer(x) ? EXCHANGE_ABORT : EXCHANGE_CUT_OFF) : k;
}

/* ---- responses ---- */

static int write_response(const HttpHead *head, const HttpRewrite *rewrite, Buffer *out) {
        ssize_t k = http_rewrite_response(head, rewrite, (char*) buffer_tail(out), buffer_room(out));

        if (k < 0)
                return (int) k;
        buffer_produce(out, (size_t) k);
        return 0;
}

/* The tunnel's owner wants HSTS in place of what else may stand there. */
static size_t collect_response_edits(const HeaderEdits *wanted, const char *hsts,
                                     HttpEdit ret[static HTTP_EDITS_MAX]) {
        const HttpSlice name = http_slice_of("Strict-Transport-Security");
        size_t n = 0;

        for (size_t i = 0; i < wanted->n; i++)
                if (!http_name_resembles(wanted->items[i].name, name))
                        ret[n++] = wanted->items[i];
        ret[n++] = (HttpEdit) { name, http_slice_of(hsts) };
        return n;
}

static int write_final_response(const Exchange *x, const HttpHead *head, Buffer *out) {
        HttpRewrite rewrite = { .connection = http_response_connection(&x->request, head, x->keep_open) };
        char hsts[sizeof("max-age=18446744073709551615")];
        HttpEdit edits[HTTP_EDITS_MAX];

        if (x->options) {
                rewrite.edits = x->options->response_headers.items;
                rewrite.n_edits = x->options->response_headers.n;
        }
        if (x->options && x->options->hsts > 0 && x->is_https) {
                snprintf(hsts, sizeof(hsts), "max-age=%ju", (uintmax_t) x->options->hsts);
                rewrite.edits = edits;
                rewrite.n_edits = collect_response_edits(&x->options->response_headers, hsts, edits);
        }
        return write_response(head, &rewrite, out);
}

/* Returns 0, or an error: it is none that may be passed on. */
static int exchange_answer(Exchange *x, const HttpHead *head, Buffer *out) {
        HttpBodyKind kind;
        int r = http_response_body(&x->request, head, &kind);

        if (r < 0)
                return r;
        http_body_init(&x->response_body, kind, head->content_length);
        x->leg_goes_on = http_response_keeps_open(head, kind);
        x->keep_open = x->request.may_keep_open && kind != HTTP_BODY_UNTIL_CLOSE && !x->has_visitor_ended &&
                       (!x->awaits_continue || x->is_request_done) && !*x->is_stopping;
        r = write_final_response(x, head, out);
        if (r < 0)
                return r;
        x->status = head->status;
        x->state = kind == HTTP_BODY_OPAQUE ? EXCHANGE_OPAQUE : EXCHANGE_ANSWERED;
        if (x->state == EXCHANGE_OPAQUE) {
                x->owner->answered(x);
                relay_resume(x->relay, RELAY_A);
        }
        return 0;
}

/* Those of 1.0 don't understand it (RFC 9110 §15.2). */
static int exchange_pass_interim(Exchange *x, const HttpHead *head, Buffer *out) {
        if (head->status == 100)
                x->awaits_continue = false;
        return x->request.is_1_0 ? 0 : write_response(head, &(const HttpRewrite){}, out);
}

static int64_t judge_response_head(Exchange *x, const char *data, size_t n, Buffer *instead,
                                   size_t *ret_taken) {
        size_t before = buffer_length(instead);
        HttpHead head;
        ssize_t k = http_head_parse_response(&head, data, n, HTTP_HEAD_BYTES_MAX);
        int r;

        if (k == -EAGAIN)
                return k;
        if (k < 0)
                return exchange_stop(x, exchange_has_answer(x) ? EXCHANGE_ABORT : EXCHANGE_BROKEN);
        r = http_response_is_interim(&head) ? exchange_pass_interim(x, &head, instead)
                                            : exchange_answer(x, &head, instead);
        if (r < 0)
                return exchange_stop(x, exchange_has_answer(x) ? EXCHANGE_ABORT : EXCHANGE_BROKEN);
        exchange_forget(x);
        x->n_heads += buffer_length(instead) - before;
        *ret_taken = (size_t) k;
        return 0;
}

static int64_t judge_response(Exchange *x, const char *data, size_t n, Buffer *instead, size_t *ret_taken) {
        int64_t k;

        switch (x->state) {
        case EXCHANGE_OPAQUE:
                return INT64_MAX;
        case EXCHANGE_WAITING:
                return judge_response_head(x, data, n, instead, ret_taken);
        case EXCHANGE_ANSWERED:
                if (http_body_is_complete(&x->response_body))
                        return -EBUSY;
                k = admit_body(&x->response_body, data, n);
                return k < 0 ? exchange_stop(x, exchange_has_answer(x) ? EXCHANGE_ABORT : EXCHANGE_BROKEN)
                             : k;
        default: /* nobody has asked: it must not be taken for the answer to the next request */
                return exchange_stop(x, EXCHANGE_LOOK_AGAIN);
        }
}

/* ---- the filter ---- */

static int64_t exchange_judge(void *userdata, RelaySide from, const char *data, size_t n, Buffer *instead,
                              size_t *ret_taken) {
        return from == RELAY_A ? judge_request(userdata, data, n, instead, ret_taken)
                               : judge_response(userdata, data, n, instead, ret_taken);
}

/* Goes on to the next request, once both bodies are through. */
static int exchange_check_complete(Exchange *x) {
        if (x->is_response_done && !x->keep_open)
                return exchange_stop(x, EXCHANGE_CLOSE);
        if (!x->is_response_done || !x->is_request_done)
                return 0;
        if (x->has_visitor_ended || !x->owner->rests(x))
                return exchange_stop(x, EXCHANGE_CLOSE);
        x->state = EXCHANGE_RESTING;
        x->leg_is_used = true;
        if (!x->leg_goes_on)
                return exchange_stop(x, EXCHANGE_LOOK_AGAIN);
        relay_resume(x->relay, RELAY_A);
        relay_resume(x->relay, RELAY_B);
        return 0;
}

static int exchange_passed(void *userdata, RelaySide from) {
        Exchange *x = userdata;
        bool is_open = x->state == EXCHANGE_WAITING || x->state == EXCHANGE_ANSWERED;

        if (is_open && from == RELAY_A && http_body_is_complete(&x->request_body))
                x->is_request_done = true;
        else if (x->state == EXCHANGE_ANSWERED && from == RELAY_B && !x->is_response_done &&
                 http_body_is_complete(&x->response_body)) {
                x->is_response_done = true;
                x->owner->answered(x);
        } else
                return 0;
        return exchange_check_complete(x);
}

static int exchange_visitor_ended(Exchange *x) {
        x->has_visitor_ended = true;
        switch (x->state) {
        case EXCHANGE_OPAQUE:
                return 0;
        case EXCHANGE_RESTING: /* the leg's end follows */
                return x->half_close ? 0 : exchange_stop(x, EXCHANGE_CLOSE);
        case EXCHANGE_READING:
                return exchange_stop(x, EXCHANGE_CUT_OFF);
        default:
                if (x->is_request_done)
                        return 0;
                return exchange_stop(x, exchange_has_answer(x) ? EXCHANGE_ABORT : EXCHANGE_CUT_OFF);
        }
}

/* What the end of the leg means, an abort or not. */
static ExchangeEnd exchange_without_leg(const Exchange *x, bool aborted) {
        switch (x->state) {
        case EXCHANGE_RESTING:
        case EXCHANGE_READING:
                return x->has_visitor_ended ? EXCHANGE_CLOSE : EXCHANGE_LOOK_AGAIN;
        case EXCHANGE_WAITING:
                return exchange_has_answer(x) ? EXCHANGE_ABORT : EXCHANGE_UNANSWERED;
        case EXCHANGE_ANSWERED:
                if (x->is_response_done)
                        return EXCHANGE_CLOSE;
                return !aborted && http_body_may_end(&x->response_body) ? EXCHANGE_CLOSE : EXCHANGE_ABORT;
        default:
                return aborted ? EXCHANGE_ABORT : EXCHANGE_CLOSE;
        }
}

static int exchange_ended(void *userdata, RelaySide from) {
        Exchange *x = userdata;

        if (from == RELAY_A)
                return exchange_visitor_ended(x);
        if (x->state == EXCHANGE_OPAQUE)
                return 0;
        if (exchange_ends_by_close(x))
                x->owner->answered(x);
        return exchange_stop(x, exchange_without_leg(x, false));
}

const RelayFilter exchange_filter = {
        .judge = exchange_judge,
        .passed = exchange_passed,
        .ended = exchange_ended,
};

/* ---- life ---- */

void exchange_init(Exchange *x, const ExchangeOwner *owner, bool half_close) {
        x->owner = owner;
        x->half_close = half_close;
        x->state = EXCHANGE_RESTING;
        x->leg_is_used = x->has_visitor_ended = false;
        x->is_request_done = x->is_response_done = false;
}

uint64_t exchange_body_bytes(const Exchange *x) {
        uint64_t in, out;

        relay_get_bytes(x->relay, &in, &out);
        return out - MIN(out, x->n_answered + x->n_heads);
}

ExchangeEnd exchange_conclude(const Exchange *x, const RelayResult *result) {
        if (result->error == -ECANCELED)
                return x->end;
        if (result->error == 0)
                return EXCHANGE_CLOSE;
        return result->failed == RELAY_B ? exchange_without_leg(x, true) : EXCHANGE_ABORT;
}

void exchange_done(Exchange *x) {
        exchange_forget(x);
}
