/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/inspector.h"

#include <config.h>
#include <errno.h>

#include "base/parse.h"
#include "base/str.h"
#include "client/inspector-events.h"
#include "client/inspector-export.h"
#include "client/inspector-files.h"
#include "client/inspector-list.h"
#include "client/inspector-show.h"
#include "client/inspector-walk.h"
#include "net/http-json.h"
#include "proto/hostname.h"

#define INSPECTOR_DECODED_MAX (1024 * 1024) /* of a body that is looked at */
#define INSPECTOR_URL_MAX (ADDRESS_TEXT_MAX + 16)

struct Inspector {
        InspectorParams params;
        HttpService *http;       /* owned */
        InspectorEvents *events; /* owned */
        Replays *replays;        /* owned */
        char url[INSPECTOR_URL_MAX];
};

/* The page has no inline code, loads nothing from elsewhere, and may be framed by nobody. */
static const HttpHeader headers[] = {
        { "Content-Security-Policy",
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
        { "X-Content-Type-Options", "nosniff" },
        { "X-Frame-Options", "DENY" },
        { "Referrer-Policy", "no-referrer" },
        { "Cross-Origin-Resource-Policy", "same-origin" },
        { "Cross-Origin-Opener-Policy", "same-origin" },
        { "Cache-Control", "no-store" },
        {},
};

/* ---- who may ask ---- */

/* A page whose name was made to lead here (DNS rebinding) can't have an address of ours as its host. */
static bool host_is_ours(HttpExchange *x, const char *value) {
        char host[HOSTNAME_LENGTH_MAX + 1], ours[ADDRESS_TEXT_MAX];
        Address address;
        uint16_t port;

        if (!value || host_header_parse(value, strlen(value), host, &port) < 0)
                return false;
        if (host_is_loopback(host))
                return true;
        return http_exchange_address(x, &address) >= 0 && streq(address_format_ip(&address, ours), host);
}

/* Browsers say from where a page asks, unless it only follows a link. */
static bool origin_is_ours(HttpExchange *x, const char *host) {
        const char *origin = http_exchange_header(x, "Origin"), *rest;
        const char *site = http_exchange_header(x, "Sec-Fetch-Site");

        if (origin) {
                rest = str_skip_prefix(origin, "http://");
                return rest && str_equal_nocase(rest, strlen(rest), host);
        }
        return !site || streq(site, "same-origin") || streq(site, "none");
}

/* A form of another page can't say that it sends JSON. */
static bool body_is_json(HttpExchange *x, const HttpRequest *r) {
        const char *type = http_exchange_header(x, "Content-Type");

        return !streq(r->method, "POST") || (type && str_skip_prefix(type, "application/json"));
}

/* Answers X unless it may go on. */
static bool request_is_allowed(HttpExchange *x, const HttpRequest *r) {
        const char *host = http_exchange_header(x, "Host");

        if (!host_is_ours(x, host))
                http_answer_error(x, 403, "Use an address of this machine, such as localhost");
        else if (str_skip_prefix(r->path, "/api/") && !origin_is_ours(x, host))
                http_answer_error(x, 403, "Other pages may not ask the inspector");
        else if (!body_is_json(x, r))
                http_answer_error(x, 415, "Send JSON, as Content-Type: application/json");
        else
                return true;
        return false;
}

/* ---- answers ---- */

/* Owns TEXT; NULL: memory is out. */
static void answer_download(HttpExchange *x, const char *type, const char *name, char *text, size_t n) {
        HttpHeader download[] = { { "Content-Disposition", name }, {} };

        http_exchange_answer(x, &(HttpAnswer) { .status = text ? 200 : 500,
                                               .content_type = type,
                                               .headers = download,
                                               .body = text,
                                               .body_length = n });
}

static void handle_file(HttpExchange *x, const InspectorFile *file) {
        size_t n = (size_t) (file->end - file->data);
        char *copy = malloc(n);

        if (copy)
                memcpy(copy, file->data, n);
        http_exchange_answer(x, &(HttpAnswer) { .status = copy ? 200 : 500,
                                               .content_type = file->type,
                                               .body = copy,
                                               .body_length = copy ? n : 0 });
}

static void handle_status(Inspector *i, HttpExchange *x, const HttpRequest *r _unused_) {
        struct json_object *o = json_object_new_object(), *list = json_object_new_array();
        Records *records = i->params.records;
        uint64_t first, next;
        ControlView view;

        i->params.view(&view, i->params.userdata);
        records_range(records, &first, &next);
        for (size_t k = 0; k < view.tunnels->n; k++)
                json_object_array_add(list, control_describe_tunnel(&view.tunnels->items[k], view.is_online));
        json_object_object_add(o, "version", json_object_new_string(PACKAGE_VERSION));
        json_object_object_add(o, "server", json_object_new_string(view.config->server));
        json_object_object_add(o, "state", json_object_new_string(view.is_online ? "online" : "offline"));
        json_object_object_add(o, "connections", json_object_new_uint64(view.n_connections));
        json_object_object_add(o, "paused", json_object_new_boolean(records_are_paused(records)));
        json_object_object_add(o, "requests", json_object_new_int64((int64_t) (next - first)));
        json_object_object_add(o, "bytes", json_object_new_int64((int64_t) records_bytes(records)));
        json_object_object_add(o, "tunnels", list);
        http_answer_json(x, 200, o);
}

static void handle_list(Inspector *i, HttpExchange *x, const HttpRequest *r _unused_) {
        inspector_list_answer(x, i->params.worker, i->params.records);
}

static void handle_clear(Inspector *i, HttpExchange *x, const HttpRequest *r _unused_) {
        records_clear(i->params.records);
        http_answer_json(x, 200, json_object_new_object());
}

static void handle_pause(Inspector *i, HttpExchange *x, const HttpRequest *r) {
        _cleanup_json_ struct json_object *body = http_body_parse(r);
        struct json_object *paused = body ? json_object_object_get(body, "paused") : NULL;

        if (!json_object_is_type(paused, json_type_boolean)) {
                http_answer_error(x, 400, "Send {\"paused\": true} or false");
                return;
        }
        records_pause(i->params.records, json_object_get_boolean(paused));
        http_answer_json(x, 200, json_object_new_object());
}

static void handle_events(Inspector *i, HttpExchange *x, const HttpRequest *r _unused_) {
        inspector_events_add(i->events, x);
}

static void on_har_record(const Record *record, HttpExchange *x _unused_, void *userdata) {
        har_add(userdata, record);
}

static void on_har_answer(HttpExchange *x, void *userdata) {
        char *text = NULL;
        size_t n = 0;

        (void) har_end(userdata, &text, &n);
        answer_download(x, "application/json", "attachment; filename=\"pgrok.har\"", text, n);
}

static void on_har_free(void *userdata) {
        har_done(userdata);
        free(userdata);
}

static void answer_har(Inspector *i, HttpExchange *x, const WalkRange *range) {
        static const WalkOps ops = { .record = on_har_record, .answer = on_har_answer, .free = on_har_free };
        HarExport *har = new0(HarExport, 1);

        if (har && har_begin(har) >= 0)
                inspector_walk(x, i->params.worker, i->params.records, range, &ops, har);
        else {
                free(har);
                http_answer_error(x, 500, "Out of memory");
        }
}

static void handle_har(Inspector *i, HttpExchange *x, const HttpRequest *r _unused_) {
        WalkRange range = { .bodies = true };

        records_range(i->params.records, &range.first, &range.next);
        answer_har(i, x, &range);
}

/* ---- one request ---- */

static void handle_record(Inspector *i _unused_, HttpExchange *x, const HttpRequest *r _unused_,
                          const Record *record) {
        http_answer_json(x, 200, show_record(record));
}

static void handle_record_har(Inspector *i, HttpExchange *x, const HttpRequest *r _unused_,
                              const Record *record) {
        answer_har(i, x, &(WalkRange) { .first = record->id, .next = record->id + 1, .bodies = true });
}

static void handle_record_curl(Inspector *i _unused_, HttpExchange *x, const HttpRequest *r _unused_,
                               const Record *record) {
        char *text = export_curl(record);

        answer_download(x, "text/plain; charset=utf-8", "inline", text, text ? strlen(text) : 0);
}

/* As it was on the wire if the query says `raw', else decoded. Returns as show_body(). */
static int read_body(HttpExchange *x, const Record *record, RecordSide side, Decoded *ret) {
        const RecordMessage *m = &record->messages[side];
        char *copy;

        if (!http_exchange_query(x, "raw"))
                return show_body(record, side, INSPECTOR_DECODED_MAX, ret);
        copy = malloc(m->n_body + 1);
        if (!copy)
                return -ENOMEM;
        if (m->n_body > 0)
                memcpy(copy, m->body, m->n_body);
        *ret = (Decoded) { .data = copy, .n = m->n_body, .is_cut = m->n_body < m->body_bytes };
        return 0;
}

/* Nothing that visitors or services say may act in a browser. */
static void answer_body(HttpExchange *x, const Record *record, RecordSide side) {
        HttpHeader sandboxed[] = {
                { "Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'" },
                { "Content-Disposition", "attachment; filename=\"body\"" },
                { "X-Body-Part", "no" },
                {},
                {},
        };
        Decoded body;
        int r = read_body(x, record, side, &body);

        if (r < 0) {
                http_answer_error(x, r == -ENOENT ? 404 : 500,
                                  r == -ENOENT ? "There is none" : "Out of memory");
                return;
        }
        if (body.is_cut)
                sandboxed[2].value = "yes";
        if (body.fault)
                sandboxed[3] = (HttpHeader) { "X-Body-Fault", body.fault };
        http_exchange_answer(x, &(HttpAnswer) { .status = 200,
                                               .content_type = "application/octet-stream",
                                               .headers = sandboxed,
                                               .body = body.data,
                                               .body_length = body.n });
}

static void handle_request_body(Inspector *i _unused_, HttpExchange *x, const HttpRequest *r _unused_,
                                const Record *record) {
        answer_body(x, record, RECORD_REQUEST);
}

static void handle_response_body(Inspector *i _unused_, HttpExchange *x, const HttpRequest *r _unused_,
                                 const Record *record) {
        answer_body(x, record, RECORD_RESPONSE);
}

static void handle_replay(Inspector *i, HttpExchange *x, const HttpRequest *r, const Record *record) {
        _cleanup_json_ struct json_object *changes = http_body_parse(r);
        struct json_object *o;
        const char *why = NULL;
        uint64_t id;
        int e;

        if (!changes && r->body_length > 0) {
                http_answer_error(x, 400, "Send {}, or an object with what is to be changed");
                return;
        }
        e = replays_start(i->replays, record,
                          changes && json_object_object_length(changes) > 0 ? changes : NULL, &id, &why);
        if (e < 0) {
                http_answer_error(x,
                                  e == -EINVAL   ? 400
                                  : e == -ENOMEM ? 500
                                                 : 409,
                                  "%s", why ? why : strerror(-e));
                return;
        }
        o = json_object_new_object();
        json_object_object_add(o, "id", json_object_new_int64((int64_t) id));
        http_answer_json(x, 202, o);
}

/* ---- routing ---- */

static const struct {
        const char *method, *path;
        void (*handle)(Inspector *i, HttpExchange *x, const HttpRequest *r);
} routes[] = {
        { "GET", "/api/status", handle_status },     { "GET", "/api/requests", handle_list },
        { "DELETE", "/api/requests", handle_clear }, { "GET", "/api/requests.har", handle_har },
        { "POST", "/api/pause", handle_pause },      { "GET", "/api/events", handle_events },
};

/* Of what is behind "/api/requests/ID". */
static const struct {
        const char *method, *path;
        void (*handle)(Inspector *i, HttpExchange *x, const HttpRequest *r, const Record *record);
} record_routes[] = {
        { "GET", "", handle_record },
        { "GET", ".har", handle_record_har },
        { "GET", ".curl", handle_record_curl },
        { "GET", "/request/body", handle_request_body },
        { "GET", "/response/body", handle_response_body },
        { "POST", "/replay", handle_replay },
};

static void route_record(Inspector *i, HttpExchange *x, const HttpRequest *r, const char *rest) {
        _cleanup_(record_freep) Record *record = NULL;
        _cleanup_free_ char *number = strndup(rest, strspn(rest, "0123456789"));
        uint64_t id;

        if (number && parse_uint(number, INT64_MAX, &id) >= 0)
                record = records_copy(i->params.records, id, true);
        if (!record) {
                http_answer_error(x, 404, "That request is not there, or not any more");
                return;
        }
        rest += strlen(number);
        for (size_t k = 0; k < ELEMENTSOF(record_routes); k++)
                if (streq(record_routes[k].method, r->method) && streq(record_routes[k].path, rest)) {
                        record_routes[k].handle(i, x, r, record);
                        return;
                }
        http_answer_error(x, 404, "There is no %s %s", r->method, r->path);
}

static void on_inspector_request(HttpExchange *x, const HttpRequest *r, void *userdata) {
        const char *rest = str_skip_prefix(r->path, "/api/requests/");
        const InspectorFile *file = streq(r->method, "GET") ? inspector_file_find(r->path) : NULL;
        Inspector *i = userdata;

        if (!request_is_allowed(x, r))
                return;
        if (file) {
                handle_file(x, file);
                return;
        }
        if (rest) {
                route_record(i, x, r, rest);
                return;
        }
        for (size_t k = 0; k < ELEMENTSOF(routes); k++)
                if (streq(routes[k].method, r->method) && streq(routes[k].path, r->path)) {
                        routes[k].handle(i, x, r);
                        return;
                }
        http_answer_error(x, 404, "There is no %s %s", r->method, r->path);
}

/* ---- life ---- */

/* The first free port, from that of ADDRESS on; 0 is any. */
static int inspector_listen(Inspector *i, Address *address) {
        uint16_t first = address_port(address);
        int r = -EADDRINUSE;

        for (unsigned k = 0; k < INSPECTOR_PORTS && r == -EADDRINUSE && first + k <= UINT16_MAX; k++) {
                address_set_port(address, (uint16_t) (first + (first > 0 ? k : 0)));
                r = http_service_new_tcp(&i->http, i->params.worker, address, on_inspector_request, i);
        }
        return r;
}

int inspector_new(Inspector **ret, const char *where, const InspectorParams *params) {
        char text[ADDRESS_TEXT_MAX];
        Address address;
        Inspector *i;
        int r;

        if (address_parse(where, &address) < 0)
                return -EINVAL;
        i = new0(Inspector, 1);
        if (!i)
                return -ENOMEM;
        i->params = *params;
        r = replays_new(&i->replays, params->worker, params->visitors, params->tunnels, params->records);
        if (r >= 0)
                r = inspector_events_new(&i->events, params->worker, params->records);
        if (r >= 0)
                r = inspector_listen(i, &address);
        if (r < 0) {
                inspector_free(i);
                return r;
        }
        http_service_set_body_max(i->http, INSPECTOR_BODY_MAX);
        http_service_set_headers(i->http, headers);
        snprintf(i->url, sizeof(i->url), "http://%s", address_format(http_service_address(i->http), text));
        *ret = i;
        return 0;
}

const char *inspector_url(const Inspector *i) {
        return i->url;
}

Inspector *inspector_free(Inspector *i) {
        if (!i)
                return NULL;
        http_service_free(i->http);
        inspector_events_free(i->events);
        replays_free(i->replays);
        free(i);
        return NULL;
}
