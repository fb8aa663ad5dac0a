/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/capture.h"

#include <errno.h>
#include <utlist.h>

#include "base/parse.h"
#include "base/str.h"
#include "proto/http-trace.h"
#include "proto/websocket.h"

/* A request is reported when its response is complete; one that becomes another protocol's connection at its
 * 101. */

typedef struct CaptureRequest CaptureRequest;
struct CaptureRequest {
        CaptureRequest *prev, *next;
        char *method, *path; /* owned */
        unsigned status;     /* 0: no answer yet */
        uint64_t start_usec;
        uint64_t in_bytes, out_bytes; /* heads and bodies, as they came */
        uint64_t record;              /* or 0 */
        bool is_reported;
        bool is_websocket; /* behind its 101 */
};

struct Capture {
        CaptureOrigin origin;
        HttpTrace trace;
        CaptureRequest *requests;      /* owned; those that are not done */
        WebsocketReader websockets[2]; /* by HttpTraceSide */
        uint64_t heard_usec;           /* when the visitor has last said something */
        bool has_heard;
        const char *error; /* borrowed for capture_end(), or NULL */
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
        report_request(o->report, &(ReportRequest) {
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

static RecordSide record_side(HttpTraceSide side) {
        return side == HTTP_TRACE_REQUEST ? RECORD_REQUEST : RECORD_RESPONSE;
}

/* A replay has begun its record itself. */
static uint64_t capture_take_record(Capture *c) {
        uint64_t record = c->origin.record;

        c->origin.record = 0;
        return record;
}

static uint64_t capture_record(Capture *c, const CaptureRequest *r, HttpSlice raw) {
        if (c->origin.record > 0)
                return capture_take_record(c);
        return records_begin(c->origin.records, &(RecordOrigin) {
                                                        .name = c->origin.name,
                                                        .url = c->origin.url,
                                                        .visitor = c->origin.visitor,
                                                        .method = r->method,
                                                        .path = r->path,
                                                        .start_usec = r->start_usec,
                                                        .head = raw.data,
                                                        .n_head = raw.length,
                                                });
}

static void *on_trace_request(void *userdata, const HttpHead *head, HttpSlice raw) {
        CaptureRequest *r = new0(CaptureRequest, 1);
        Capture *c = userdata;

        if (!r)
                return NULL;
        *r = (CaptureRequest) {
                .method = strndup(head->method.data, head->method.length),
                .path = strndup(head->target.data, head->target.length),
                .start_usec = c->heard_usec,
                .in_bytes = raw.length,
        };
        if (!r->method || !r->path)
                return request_free(r);
        r->record = capture_record(c, r, raw);
        DL_APPEND(c->requests, r);
        return r;
}

static bool is_websocket(const HttpHead *head) {
        const HttpField *upgrade = http_head_find(head, "Upgrade");

        return head->status == 101 && upgrade && http_slice_is(upgrade->value, "websocket");
}

static void on_trace_response(void *userdata, void *request, const HttpHead *head, HttpSlice raw,
                              bool is_opaque) {
        CaptureRequest *r = request;
        Capture *c = userdata;

        if (!r)
                return;
        r->out_bytes += raw.length;
        if (http_response_is_interim(head))
                return;
        r->status = head->status;
        r->is_websocket = is_websocket(head);
        records_answer(c->origin.records, r->record, head->status, raw.data, raw.length, is_opaque);
        if (is_opaque)
                capture_report(c, r, NULL);
}

typedef struct FrameOrigin {
        Capture *capture;
        uint64_t record;
        RecordSide side;
} FrameOrigin;

static void on_websocket_frame(const WebsocketFrame *frame, void *userdata) {
        const FrameOrigin *o = userdata;

        records_frame(o->capture->origin.records, o->record, o->side, frame);
}

static void on_trace_body(void *userdata, void *request, HttpTraceSide side, HttpSlice data) {
        CaptureRequest *r = request;
        Capture *c = userdata;
        FrameOrigin origin;

        if (!r)
                return;
        *(side == HTTP_TRACE_REQUEST ? &r->in_bytes : &r->out_bytes) += data.length;
        if (!r->is_websocket) {
                records_body(c->origin.records, r->record, record_side(side), data.data, data.length);
                return;
        }
        origin = (FrameOrigin) { .capture = c, .record = r->record, .side = record_side(side) };
        websocket_feed(&c->websockets[side], (const uint8_t*) data.data, data.length, on_websocket_frame,
                       &origin);
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
        records_end(c->origin.records, r->record, explain_end(c, end));
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

        if (from == RELAY_A) {
                c->heard_usec = c->has_heard ? clock_usec() : c->origin.start_usec;
                c->has_heard = true;
        }
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
        if (c->origin.record > 0)
                records_end(c->origin.records, capture_take_record(c), error ? error : "it was not sent");
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
