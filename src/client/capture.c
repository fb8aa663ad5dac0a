/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/capture.h"

#include <errno.h>
#include <utlist.h>

#include "base/parse.h"
#include "base/str.h"
#include "proto/http-trace.h"

/* A request is reported when its response is complete; one that becomes another protocol's connection at its
 * 101. */

typedef struct CaptureRequest CaptureRequest;
struct CaptureRequest {
        CaptureRequest *prev, *next;
        char *method, *path; /* owned */
        unsigned status;     /* 0: no answer yet */
        uint64_t start_usec;
        uint64_t in_bytes, out_bytes; /* heads and bodies, as they came */
        bool is_reported;
};

struct Capture {
        CaptureOrigin origin;
        HttpTrace trace;
        CaptureRequest *requests; /* owned; those that are not done */
        const char *error;        /* borrowed for capture_end(), or NULL */
};

static CaptureRequest *request_free(CaptureRequest *r) {
        if (!r)
                return NULL;
        free(r->method);
        free(r->path);
        free(r);
        return NULL;
}

static void capture_report(Capture *c, CaptureRequest *r, const char *error) {
        const CaptureOrigin *o = &c->origin;

        if (r->is_reported)
                return;
        r->is_reported = true;
        report_request(o->report, &(ReportRequest){
                                          .name = o->name,
                                          .url = o->url,
                                          .visitor = o->visitor,
                                          .method = r->method,
                                          .path = r->path,
                                          .status = r->status,
                                          .duration_usec = clock_usec() - r->start_usec,
                                          .in_bytes = r->in_bytes,
                                          .out_bytes = r->out_bytes,
                                          .error = error,
                                  });
        worker_flush_later(o->worker, o->told);
}

/* ---- what the trace tells; without memory for a request there is nothing to tell about it ---- */

static void *on_trace_request(void *userdata, const HttpHead *head, HttpSlice raw) {
        CaptureRequest *r = new0(CaptureRequest, 1);
        Capture *c = userdata;

        if (!r)
                return NULL;
        *r = (CaptureRequest){
                .method = strndup(head->method.data, head->method.length),
                .path = strndup(head->target.data, head->target.length),
                .start_usec = clock_usec(),
                .in_bytes = raw.length,
        };
        if (!r->method || !r->path)
                return request_free(r);
        DL_APPEND(c->requests, r);
        return r;
}

static void on_trace_response(void *userdata, void *request, const HttpHead *head, HttpSlice raw,
                              bool is_opaque) {
        CaptureRequest *r = request;

        if (!r)
                return;
        r->out_bytes += raw.length;
        if (!http_response_is_interim(head))
                r->status = head->status;
        if (is_opaque)
                capture_report(userdata, r, NULL);
}

static void on_trace_body(void *userdata _unused_, void *request, HttpTraceSide side, HttpSlice data) {
        CaptureRequest *r = request;

        if (r)
                *(side == HTTP_TRACE_REQUEST ? &r->in_bytes : &r->out_bytes) += data.length;
}

static const char *explain_end(const Capture *c, HttpTraceEnd end) {
        switch (end) {
        case HTTP_TRACE_COMPLETE:
                return NULL;
        case HTTP_TRACE_CUT_OFF:
                return c->error ? c->error : "the connection ended before the answer did";
        default:
                return "this is no HTTP/1.1 that can be followed";
        }
}

static void on_trace_done(void *userdata, void *request, HttpTraceEnd end) {
        Capture *c = userdata;
        CaptureRequest *r = request;

        if (!r)
                return;
        capture_report(c, r, explain_end(c, end));
        DL_DELETE(c->requests, r);
        request_free(r);
}

static const HttpTraceOps trace_ops = {
        .request = on_trace_request,
        .response = on_trace_response,
        .body = on_trace_body,
        .done = on_trace_done,
};

/* ---- the tap ---- */

static HttpTraceSide trace_side(RelaySide from) {
        return from == RELAY_A ? HTTP_TRACE_REQUEST : HTTP_TRACE_RESPONSE;
}

static void on_tap_passed(void *userdata, RelaySide from, const char *data, size_t n) {
        Capture *c = userdata;

        http_trace_feed(&c->trace, trace_side(from), data, n);
}

static void on_tap_ended(void *userdata, RelaySide from) {
        Capture *c = userdata;

        http_trace_end(&c->trace, trace_side(from));
}

const RelayTap capture_tap = { .passed = on_tap_passed, .ended = on_tap_ended };

/* ---- life ---- */

int capture_new(Capture **ret, const CaptureOrigin *origin) {
        Capture *c = new0(Capture, 1);

        if (!c)
                return -ENOMEM;
        c->origin = *origin;
        http_trace_init(&c->trace, &trace_ops, c);
        *ret = c;
        return 0;
}

void capture_end(Capture *c, const char *error) {
        c->error = error;
        http_trace_finish(&c->trace);
        c->error = NULL;
}

Capture *capture_free(Capture *c) {
        CaptureRequest *r, *next;

        if (!c)
                return NULL;
        http_trace_done(&c->trace);
        DL_FOREACH_SAFE(c->requests, r, next) {
                request_free(r);
        }
        free(c);
        return NULL;
}
