/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/visitor-private.h"

#include <errno.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "server/acme-challenge.h"
#include "server/answer.h"

/* What an http visitor is told by the server itself, and the end of its connection. */

static void on_visitor_lingered(Linger *l _unused_, void *userdata) {
        visitor_destroy(userdata, false);
}

/* Ends the connection with what is left to say. */
static void visitor_say_last(Visitor *v, Buffer *answer) {
        worker_unready(v->shard->worker, &v->again);
        v->timeout = timer_free(v->timeout);
        visitor_set_state(v, VISITOR_ANSWER);
        v->leg = stream_free(v->leg);
        if (linger_new(&v->linger, TAKE_PTR(v->stream), answer ? buffer_head(answer) : NULL,
                       buffer_length(answer), on_visitor_lingered, v) < 0)
                visitor_destroy(v, true);
}

void visitor_linger(Visitor *v) {
        visitor_close_leg(v);
        visitor_say_last(v, NULL);
}

/* Returns true when the visitor has got the ANSWER and may go on. */
static bool visitor_say(Visitor *v, Buffer *answer) {
        ssize_t k = stream_write(v->stream, buffer_head(answer), buffer_length(answer));

        if (k > 0)
                buffer_consume(answer, (size_t) k);
        if (buffer_length(answer) > 0)
                return false;
        k = stream_flush(v->stream);
        return k >= 0 || k == -EAGAIN;
}

/* Takes OUT with the answer, whose body has N_BYTES, or is an error. */
static void visitor_send(Visitor *v, const Answer *a, Buffer *out, ssize_t n_bytes) {
        BufferPool *pool = &v->shard->worker->buffers;
        uint64_t asked_usec = v->asked_usec > 0 ? v->asked_usec : v->started_usec;

        visitor_count_request(v, a->page.status, (uint64_t) MAX(n_bytes, 0), clock_usec() - asked_usec);
        if (n_bytes < 0)
                visitor_destroy(v, true);
        else if (a->keep && visitor_say(v, out)) {
                if (v->n_head > 0)
                        buffer_consume(v->head, v->n_head);
                visitor_rest(v);
        } else
                visitor_say_last(v, out);
        buffer_put(pool, out);
}

/* The host that was asked for, as far as that is known. */
static const char *visitor_host(const Visitor *v, HttpHead *head) {
        unsigned status;

        if (v->n_head > 0 && http_head_parse(head, (const char*) buffer_head(v->head), v->n_head,
                                             HTTP_HEAD_BYTES_MAX, &status) > 0)
                return head->host;
        return v->tunnel ? v->tunnel->host : "";
}

static bool visitor_may_go_on(const Visitor *v) {
        return v->may_keep && !v->shard->stopping;
}

static uint64_t visitor_hsts(const Visitor *v) {
        return v->is_https && v->tunnel && v->tunnel->options ? v->tunnel->options->hsts : 0;
}

void visitor_refuse(Visitor *v, unsigned status, const char *fields, const char *text) {
        Buffer *out = buffer_get(&v->shard->worker->buffers);
        HttpHead head;
        Answer a = {
                .page = { .status = status,
                          .reason = text,
                          .host = visitor_host(v, &head),
                          .html = v->wants_html },
                .fields = fields,
                .hsts_sec = visitor_hsts(v),
                .head_only = v->head_only,
                .keep = visitor_may_go_on(v),
        };

        visitor_send(v, &a, out, out ? answer_write(&a, v->shard->snapshot->error_pages, out) : -ENOMEM);
}

void visitor_refuse_away(Visitor *v) {
        visitor_refuse(v, 503, "Retry-After: 10\r\n", "The client of this tunnel is away; try again soon");
}

void visitor_refuse_failing(Visitor *v) {
        visitor_refuse(v, 503, "Retry-After: 10\r\n",
                       "The service behind this tunnel is not well; try again soon");
}

void visitor_refuse_crowd(Visitor *v) {
        visitor_refuse(v, 503, "Retry-After: 10\r\n", "There are too many connections; try again soon");
}

void visitor_refuse_absent(Visitor *v) {
        visitor_refuse(v, 502, "", "The client of this tunnel is not connected");
}

void visitor_refuse_unknown(Visitor *v, const HttpHead *head) {
        _cleanup_free_ char *text =
                str_format("Tunnel %.*s not found", (int) head->host_header.length, head->host_header.data);

        visitor_refuse(v, 404, "", text ? text : "Tunnel not found");
}

/* The port of a proxy in front, which has ended TLS, is https' own. */
static unsigned visitor_https_port(const Visitor *v) {
        const Snapshot *s = v->shard->snapshot;
        const Address *https = snapshot_address(s, LISTEN_HTTPS);
        Ip peer = address_ip(&v->peer);

        return https && !cidr_list_contains(&s->config->proxies, &peer) ? address_port(https) : 443;
}

void visitor_redirect(Visitor *v, const HttpHead *head) {
        HttpSlice path = http_head_path(head);
        unsigned port = visitor_https_port(v);
        _cleanup_free_ char *fields = NULL;
        char colon_port[sizeof(":65535")] = "";

        if (port != 443)
                snprintf(colon_port, sizeof(colon_port), ":%u", port);
        fields = str_format("Location: https://%s%s%.*s\r\n", head->host, colon_port, (int) path.length,
                            path.data);
        visitor_refuse(v, 308, fields ? fields : "", "This is to be had over https");
}

/* It isn't known either whether this one is HEAD, and what it accepts. */
void visitor_refuse_last(Visitor *v, unsigned status, const char *text) {
        v->may_keep = v->head_only = v->wants_html = false;
        visitor_refuse(v, status, "", text);
}

/* ---- challenges ---- */

bool visitor_asks_for_challenge(const Visitor *v, const HttpHead *head) {
        HttpSlice token;

        return v->shard->snapshot->config->acme_webroot && v->protocol == TUNNEL_HTTP &&
               (http_method_is(head, "GET") || http_method_is(head, "HEAD")) &&
               acme_challenge_token(head->target, &token);
}

/* Returns the bytes of the file, or a negative errno. */
static ssize_t visitor_read_challenge(const Visitor *v, const HttpHead *head,
                                      char ret[static ACME_CHALLENGE_BYTES_MAX]) {
        const char *webroot = v->shard->snapshot->config->acme_webroot;
        HttpSlice token;
        ssize_t n;

        if (!acme_challenge_token(head->target, &token))
                return -ENOENT;
        n = acme_challenge_read(webroot, token, ret);
        if (n < 0 && n != -ENOENT && log_kinds_admit(&v->shard->server->log_kinds, LOG_KIND_ACME))
                log_warning("Can't read the ACME challenge for %s in %s: %s, ignoring", head->host, webroot,
                            strerror((int) -n));
        return n;
}

bool visitor_answer_challenge(Visitor *v, const HttpHead *head) {
        Answer a = {
                .page = { .status = 200 },
                .fields = "",
                .head_only = v->head_only,
                .keep = visitor_may_go_on(v),
        };
        char body[ACME_CHALLENGE_BYTES_MAX];
        ssize_t n = visitor_asks_for_challenge(v, head) ? visitor_read_challenge(v, head, body) : -ENOENT;
        Buffer *out;

        if (n < 0)
                return false;
        if (log_kinds_admit(&v->shard->server->log_kinds, LOG_KIND_ACME))
                log_info("Answering an ACME challenge for %s", head->host);
        out = buffer_get(&v->shard->worker->buffers);
        n = out ? answer_write_body(&a, "application/octet-stream", body, (size_t) n, out) : -ENOMEM;
        visitor_send(v, &a, out, n);
        return true;
}
