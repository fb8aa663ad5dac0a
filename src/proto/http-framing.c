/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-framing.h"

#include <errno.h>

static void note_option(HttpConnection *c, HttpSlice option) {
        if (http_slice_is(option, "close"))
                c->close = true;
        else if (http_slice_is(option, "keep-alive"))
                c->keep_alive = true;
        else if (http_slice_is(option, "upgrade"))
                c->upgrade = true;
        else
                c->others = true;
}

HttpConnection http_connection_options(const HttpHead *head) {
        const HttpField *f = NULL;
        HttpConnection c = {};
        HttpSlice option;

        while ((f = http_head_find_next(head, "Connection", f))) {
                HttpSlice list = f->value;

                while (http_list_next(&list, &option))
                        note_option(&c, option);
        }
        return c;
}

bool http_upgrade_may_pass(HttpSlice protocol) {
        return protocol.length < 3 ||
               !str_equal_nocase(protocol.data, 3, "h2c"); /* its drafts are h2c-14 … */
}

static bool asks_for_upgrade(const HttpHead *request) {
        const HttpField *f = NULL;
        HttpSlice protocol;

        while ((f = http_head_find_next(request, "Upgrade", f))) {
                HttpSlice list = f->value;

                while (http_list_next(&list, &protocol))
                        if (http_upgrade_may_pass(protocol))
                                return true;
        }
        return false;
}

/* RFC 9112 §9.3. */
static bool keeps_open(const HttpHead *head, const HttpConnection *c) {
        return !c->close && (head->minor_version > 0 || c->keep_alive);
}

HttpBodyKind http_request_body(const HttpHead *request) {
        if (request->chunked)
                return HTTP_BODY_CHUNKED;
        return request->content_length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
}

HttpExchange http_exchange(const HttpHead *request) {
        HttpConnection c = http_connection_options(request);
        HttpSlice method = request->method;

        return (HttpExchange) {
                .is_head = method.length == 4 && memcmp(method.data, "HEAD", 4) == 0,
                .is_connect = method.length == 7 && memcmp(method.data, "CONNECT", 7) == 0,
                .is_1_0 = request->minor_version == 0,
                .may_keep_open = keeps_open(request, &c),
                .may_upgrade = c.upgrade && request->minor_version > 0 && asks_for_upgrade(request),
        };
}

static bool has_no_body(const HttpExchange *x, unsigned status) {
        return x->is_head || status < 200 || status == 204 || status == 304;
}

int http_response_body(const HttpExchange *x, const HttpHead *response, HttpBodyKind *ret) {
        unsigned status = response->status;

        if (status == 101 && !x->may_upgrade)
                return -EPROTO;
        if (status == 101 || (x->is_connect && status / 100 == 2))
                *ret = HTTP_BODY_OPAQUE;
        else if (has_no_body(x, status))
                *ret = HTTP_BODY_NONE;
        else if (response->chunked && x->is_1_0)
                return -EPROTO;
        else if (response->chunked)
                *ret = HTTP_BODY_CHUNKED;
        else if (!response->has_content_length)
                *ret = HTTP_BODY_UNTIL_CLOSE;
        else
                *ret = response->content_length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
        return 0;
}

bool http_response_keeps_open(const HttpHead *response, HttpBodyKind body) {
        HttpConnection c = http_connection_options(response);

        return body != HTTP_BODY_UNTIL_CLOSE && body != HTTP_BODY_OPAQUE && keeps_open(response, &c);
}

const char *http_response_connection(const HttpExchange *x, const HttpHead *response, bool keep_open) {
        if (response->status == 101)
                return "Upgrade";
        if (http_response_is_interim(response))
                return NULL;
        if (!keep_open)
                return "close";
        return x->is_1_0 || response->minor_version == 0 ? "keep-alive" : NULL;
}
