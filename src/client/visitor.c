/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/visitor.h"

#include <errno.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "client/capture.h"
#include "client/error-page.h"
#include "client/local-dial.h"
#include "client/visitor-address.h"
#include "net/linger.h"
#include "net/relay.h"

/*  dialing ──connected──► relaying ──► done, or lingering while the visitor still sends ──► done
 *     └──no service──► http: lingering over the 502 page ──► done
 *                      tcp: aborted, done
 *
 * The relay's side A is the visitor, side B the local service. Exactly one of dial, relay and linger is set
 * until the visitor is done; `leg` belongs to the linger once that is set. */

struct Visitor {
        Stream *leg;                /* owned */
        Buffer *head;               /* owned, or NULL: until the relay has it */
        Stream *local;              /* owned, or NULL */
        ReadyItem failing;          /* in place of a dial: the service is known to fail */
        LocalDial *dial;            /* owned */
        Relay *relay;               /* owned */
        Linger *linger;             /* owned */
        Capture *capture;           /* owned, or NULL: of an http tunnel whose requests are told */
        const TunnelConfig *config; /* borrowed */
        char *url;                  /* owned */
        char *address;              /* owned */
        char *server;               /* owned: where it has connected, or "" */
        char *error;                /* owned: what went wrong, or NULL */
        bool is_over;               /* in good order: nothing is to be aborted */
        uint64_t start_usec;
        uint64_t in_bytes, out_bytes;
        Report *report; /* borrowed */
        VisitorDoneFn done;
        void *userdata; /* borrowed */
};

static void visitor_finish(Visitor *v) {
        ReportConnection connection = {
                .name = v->config->name,
                .url = v->url,
                .visitor = v->address,
                .duration_usec = clock_usec() - v->start_usec,
                .in_bytes = v->in_bytes,
                .out_bytes = v->out_bytes,
                .error = v->error,
        };

        v->is_over = true;
        if (v->capture)
                capture_end(v->capture, v->error);
        report_connection(v->report, &connection);
        v->done(v, v->userdata);
}

/* Both sides see an abort. */
static void visitor_abort(Visitor *v) {
        v->leg = stream_reset(v->leg);
        v->local = stream_reset(v->local);
        visitor_finish(v);
}

static void on_visitor_lingered(Linger *l _unused_, void *userdata) {
        Visitor *v = userdata;

        v->linger = linger_free(v->linger);
        visitor_finish(v);
}

static bool visitor_is_http(const Visitor *v) {
        return str_skip_prefix(v->url, "http:") || str_skip_prefix(v->url, "https:");
}

/* Has the requests that wait for an answer get PAGE. */
static void visitor_capture_refusal(Visitor *v, const char *page) {
        Buffer *head = v->head ? v->head : buffer_get(&v->leg->worker->buffers);

        v->head = head;
        if (!head)
                return;
        if (buffer_room(head) > 0) {
                ssize_t n = stream_read(v->leg, buffer_tail(head), buffer_room(head));

                buffer_produce(head, n > 0 ? (size_t) n : 0);
        }
        if (buffer_length(head) > 0)
                capture_tap.passed(v->capture, RELAY_A, (const char*) buffer_head(head),
                                   buffer_length(head));
        capture_tap.passed(v->capture, RELAY_B, page, strlen(page));
}

static char *visitor_make_page(const Visitor *v, const char *why) {
        unsigned retry_sec = (unsigned) (v->config->health_interval_usec / USEC_PER_SEC);
        char local[TARGET_TEXT_MAX];

        if (atomic_load(&v->config->is_failing))
                return error_page_new_failing(v->url, retry_sec);
        return error_page_new(v->url, target_format(&v->config->target, local), why);
}

/* The local service can't be reached. */
static void visitor_refuse(Visitor *v, const char *why) {
        _cleanup_free_ char *page = NULL;

        v->error = strdup(why);
        if (visitor_is_http(v))
                page = visitor_make_page(v, why);
        if (page && v->capture)
                visitor_capture_refusal(v, page);
        if (page && linger_new(&v->linger, TAKE_PTR(v->leg), page, strlen(page), on_visitor_lingered, v) >= 0)
                return;
        visitor_abort(v);
}

/* The answer is complete. If the visitor hasn't ended, closing at once would reset the leg and may lose the
 * answer's tail on its way. */
static void visitor_end(Visitor *v) {
        char c;

        if (stream_read(v->leg, &c, 1) != 0 &&
            linger_new(&v->linger, TAKE_PTR(v->leg), NULL, 0, on_visitor_lingered, v) >= 0)
                return;
        visitor_finish(v);
}

static char *describe_failure(const RelayResult *result) {
        const char *who =
                result->failed == RELAY_A ? "the visitor's connection" : "the local service's connection";

        if (result->error == -ECONNRESET || result->error == -EPIPE)
                return str_format("%s was aborted", who);
        return str_format("%s failed: %s", who, strerror(-result->error));
}

static void on_visitor_relayed(Relay *r _unused_, const RelayResult *result, void *userdata) {
        Visitor *v = userdata;

        v->in_bytes = result->a_to_b_bytes;
        v->out_bytes = result->b_to_a_bytes;
        if (result->error < 0)
                v->error = describe_failure(result);
        v->relay = relay_free(v->relay);
        if (result->error < 0)
                visitor_abort(v);
        else
                visitor_end(v);
}

static int visitor_relay(Visitor *v) {
        RelayOptions options = {
                .a_head = v->head,
                .tap = v->capture ? &capture_tap : NULL,
                .tap_userdata = v->capture,
        };
        int r = relay_new(&v->relay, v->leg, v->local, &options, on_visitor_relayed, v);

        if (r >= 0)
                v->head = NULL;
        return r;
}

static VisitorAddress visitor_address(const Visitor *v) {
        return (VisitorAddress) { .url = v->url, .visitor = v->address, .server = v->server };
}

/* In front of all else. */
static int on_visitor_connected(int fd, void *userdata) {
        const Visitor *v = userdata;
        VisitorAddress address = visitor_address(v);

        return visitor_address_introduce(&address, v->config, fd);
}

static void on_visitor_dialed(LocalDial *d _unused_, Stream *local, const char *why, void *userdata) {
        Visitor *v = userdata;
        _cleanup_free_ char *text = local ? NULL : strdup(why); /* WHY goes with the dial */
        int r;

        v->dial = local_dial_free(v->dial);
        if (!local) {
                visitor_refuse(v, text ? text : "Out of memory");
                return;
        }
        v->local = local;
        r = visitor_relay(v);
        if (r < 0)
                visitor_refuse(v, strerror(-r));
}

static int visitor_init_capture(Visitor *v, const VisitorOrigin *o) {
        CaptureOrigin origin = {
                .name = v->config->name,
                .url = v->url,
                .visitor = v->address,
                .start_usec = v->start_usec,
                .report = v->report,
                .worker = v->leg->worker,
                .records = o->records,
                .record = o->record,
                .told = o->told,
        };

        return o->records && visitor_is_http(v) ? capture_new(&v->capture, &origin) : 0;
}

static int visitor_deny(Visitor *v) {
        static const char answer[] =
                "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 24\r\n"
                "Connection: close\r\n\r\nThis is not open to you\n";

        v->error = strdup("allow and deny keep its address out");
        log_struct(LOG_INFO,
                   LOG_FIELDS({ "PGROK_EVENT", "denied" }, { "PGROK_TUNNEL", v->url },
                              { "PGROK_VISITOR", v->address }),
                   "Denied visitor %s to %s: %s", v->address, v->url, v->error ? v->error : "");
        if (!visitor_is_http(v))
                return -EKEYREJECTED;
        return linger_new(&v->linger, TAKE_PTR(v->leg), answer, strlen(answer), on_visitor_lingered, v);
}

static void on_visitor_failing(ReadyItem *item) {
        visitor_refuse(container_of(item, Visitor, failing), "the health check of the service fails");
}

static int visitor_init(Visitor *v, const VisitorOrigin *origin) {
        VisitorAddress address;
        int r;

        v->url = strdup(origin->url);
        v->address = strdup(origin->address);
        v->server = strdup(origin->server);
        if (!v->url || !v->address || !v->server)
                return -ENOMEM;
        r = visitor_init_capture(v, origin);
        if (r < 0)
                return r;
        stream_set_callback(v->leg, NULL, NULL);
        stream_set_events(v->leg, 0);
        address = visitor_address(v);
        if (!visitor_address_may_come(&address, v->config, origin->left))
                return visitor_deny(v);
        if (atomic_load(&v->config->is_failing) && visitor_is_http(v)) {
                v->failing.run = on_visitor_failing;
                worker_ready(v->leg->worker, &v->failing);
                return 0;
        }
        return local_dial_new(&v->dial, v->leg->worker, v->config, on_visitor_connected, on_visitor_dialed,
                              v);
}

int visitor_new(Visitor **ret, const VisitorOrigin *origin, Report *report, VisitorDoneFn done,
                void *userdata) {
        Visitor *v = new0(Visitor, 1);
        int r;

        if (!v) {
                buffer_put(&origin->stream->worker->buffers, origin->head);
                stream_reset(origin->stream);
                return -ENOMEM;
        }
        *v = (Visitor) {
                .leg = origin->stream,
                .head = origin->head,
                .config = origin->config,
                .start_usec = clock_usec(),
                .report = report,
                .done = done,
                .userdata = userdata,
        };
        r = visitor_init(v, origin);
        if (r < 0) {
                visitor_free(v);
                return r;
        }
        *ret = v;
        return 0;
}

Visitor *visitor_free(Visitor *v) {
        if (!v)
                return NULL;
        if (v->failing.queued) /* so the leg is there */
                worker_unready(v->leg->worker, &v->failing);
        local_dial_free(v->dial);
        relay_free(v->relay);
        linger_free(v->linger);
        capture_free(v->capture);
        buffer_put(NULL, v->head);
        free(v->url);
        free(v->address);
        free(v->server);
        free(v->error);
        v->leg = v->is_over ? stream_free(v->leg) : stream_reset(v->leg);
        v->local = v->is_over ? stream_free(v->local) : stream_reset(v->local);
        free(v);
        return NULL;
}
