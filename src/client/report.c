/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/report.h"

#include <poll.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "proto/json.h"

#define TEXT_BYTES_MAX 1000 /* of each part; escaped it is up to four times that */
#define USEC_PER_SEC_DOUBLE 1e6

static bool is_writable(const Report *r) {
        struct pollfd p = { .fd = r->fd, .events = POLLOUT };

        return poll(&p, 1, 0) == 1 && (p.revents & (POLLOUT | POLLERR)) == POLLOUT;
}

/* Under the lock. */
static void lose(Report *r) {
        if (!r->has_lost)
                log_warning("Nobody reads the output: events are lost, ignoring");
        r->has_lost = true;
}

static void flush(Report *r) {
        if (r->n > 0 && (!is_writable(r) || write(r->fd, r->lines, r->n) != (ssize_t) r->n))
                lose(r);
        r->n = 0;
}

void report_flush(Report *r) {
        pthread_mutex_lock(&r->lock);
        flush(r);
        pthread_mutex_unlock(&r->lock);
}

/* LINE ends with '\n'. */
static void add_line(Report *r, const char *line, size_t n) {
        pthread_mutex_lock(&r->lock);
        if (r->n + n > REPORT_BYTES)
                flush(r);
        if (n > REPORT_BYTES)
                lose(r);
        else {
                memcpy(r->lines + r->n, line, n);
                r->n += n;
        }
        pthread_mutex_unlock(&r->lock);
}

/* How much of S is told: no more than TEXT_BYTES_MAX, and whole characters (UTF-8). */
static size_t clip(const char *s) {
        size_t n = strnlen(s, TEXT_BYTES_MAX + 1);

        if (n > TEXT_BYTES_MAX)
                for (n--; n > 0 && (s[n] & 0xc0) == 0x80;)
                        n--;
        return n;
}

/* Owns TEXT, a line without its end, or NULL. */
static void add_text(Report *r, char *text) {
        _cleanup_free_ char *owned = text, *escaped = NULL, *line = NULL;

        if (owned)
                escaped = str_escape(owned, clip(owned));
        if (escaped)
                line = str_format("%s\n", escaped);
        if (line)
                add_line(r, line, strlen(line));
}

/* Owns EVENT. */
static void add_json(Report *r, json_object *event) {
        const char *text = json_text(event, NULL);
        _cleanup_free_ char *line = text ? str_format("%s\n", text) : NULL;

        if (line)
                add_line(r, line, strlen(line));
        json_object_put(event);
}

static void add_string(json_object *event, const char *key, const char *value) {
        if (value)
                json_object_object_add(event, key, json_from_bytes(value, clip(value)));
}

static void add_number(json_object *event, const char *key, uint64_t value) {
        json_object_object_add(event, key, json_object_new_int64((int64_t) value));
}

/* To the millisecond. */
static void add_seconds(json_object *event, const char *key, uint64_t usec) {
        char text[32];

        snprintf(text, sizeof(text), "%.3f", (double) usec / USEC_PER_SEC_DOUBLE);
        json_object_object_add(event, key,
                               json_object_new_double_s((double) usec / USEC_PER_SEC_DOUBLE, text));
}

static json_object *event_new(const char *name) {
        json_object *event = json_object_new_object();

        add_string(event, "event", name);
        return event;
}

/* If there is one. */
static void add_known(json_object *event, const char *key, const char *value) {
        if (!str_is_empty(value))
                add_string(event, key, value);
}

void report_online(Report *r, const ReportOnline *online) {
        const char *server = online->server;

        if (r->mode == REPORT_SCREEN)
                r->observer->online(online, r->observer_userdata);
        else if (r->mode == REPORT_JSON) {
                json_object *event = event_new("online");

                add_string(event, "server", server);
                add_known(event, "user", online->user);
                add_known(event, "version", online->version);
                add_json(r, event);
        } else if (r->mode == REPORT_TEXT)
                add_text(r, str_format("Online at %s", server));
        else
                log_struct(LOG_INFO, LOG_FIELDS({ "PGROK_EVENT", "online" }), "Online at %s", server);
        report_flush(r);
}

void report_tunnel(Report *r, const ReportTunnel *tunnel) {
        if (r->mode == REPORT_SCREEN)
                r->observer->tunnel(tunnel, r->observer_userdata);
        else if (r->mode == REPORT_JSON) {
                json_object *event = event_new("tunnel");

                add_string(event, "name", tunnel->name);
                add_string(event, "url", tunnel->url);
                add_string(event, "proto", tunnel->proto);
                add_string(event, "local", tunnel->local);
                add_json(r, event);
        } else if (r->mode == REPORT_TEXT)
                add_text(r, str_format("Tunnel %s -> %s", tunnel->url, tunnel->local));
        else
                log_struct(LOG_INFO, LOG_FIELDS({ "PGROK_EVENT", "tunnel" }, { "PGROK_TUNNEL", tunnel->url }),
                           "Tunnel %s -> %s", tunnel->url, tunnel->local);
        report_flush(r);
}

static void report_connection_json(Report *r, const ReportConnection *c) {
        json_object *event = event_new("connection");

        add_string(event, "name", c->name);
        add_string(event, "url", c->url);
        add_string(event, "visitor", c->visitor);
        add_seconds(event, "duration", c->duration_usec);
        add_number(event, "bytes_in", c->in_bytes);
        add_number(event, "bytes_out", c->out_bytes);
        add_string(event, "error", c->error);
        add_json(r, event);
}

static char *connection_text(const ReportConnection *c) {
        return str_format("Connection %s from %s, %.3f s, %llu bytes in, %llu bytes out%s%s", c->url,
                          c->visitor, (double) c->duration_usec / USEC_PER_SEC_DOUBLE,
                          (unsigned long long) c->in_bytes, (unsigned long long) c->out_bytes,
                          c->error ? ": " : "", c->error ? c->error : "");
}

static void report_connection_log(const ReportConnection *c) {
        _cleanup_free_ char *text = connection_text(c),
                            *usec = str_format("%llu", (unsigned long long) c->duration_usec);
        _cleanup_free_ char *in = str_format("%llu", (unsigned long long) c->in_bytes);
        _cleanup_free_ char *out = str_format("%llu", (unsigned long long) c->out_bytes);

        log_struct(c->error ? LOG_WARNING : LOG_INFO,
                   LOG_FIELDS({ "PGROK_EVENT", "connection" }, { "PGROK_TUNNEL", c->url },
                              { "PGROK_VISITOR", c->visitor }, { "PGROK_DURATION_USEC", usec },
                              { "PGROK_BYTES_IN", in }, { "PGROK_BYTES_OUT", out }),
                   "%s", text ? text : "Connection");
}

void report_visitors(Report *r, int change) {
        if (r->mode == REPORT_SCREEN)
                r->observer->visitors(change, r->observer_userdata);
}

void report_connection(Report *r, const ReportConnection *connection) {
        if (r->mode == REPORT_SCREEN)
                r->observer->connection(connection, r->observer_userdata);
        else if (r->mode == REPORT_JSON)
                report_connection_json(r, connection);
        else if (r->mode == REPORT_TEXT)
                add_text(r, connection_text(connection));
        else if (log_is_on(connection->error ? LOG_WARNING : LOG_INFO))
                report_connection_log(connection);
}

static void report_request_json(Report *r, const ReportRequest *q) {
        json_object *event = event_new("request");

        add_string(event, "name", q->name);
        add_string(event, "url", q->url);
        add_string(event, "visitor", q->visitor);
        add_string(event, "method", q->method);
        add_string(event, "path", q->path);
        if (q->status > 0)
                add_number(event, "status", q->status);
        add_seconds(event, "duration", q->duration_usec);
        add_number(event, "bytes_in", q->in_bytes);
        add_number(event, "bytes_out", q->out_bytes);
        add_string(event, "error", q->error);
        add_json(r, event);
}

/* PATH_LENGTH: how much of the path is told. */
static char *request_text(const ReportRequest *q, size_t path_length) {
        char status[16] = "no answer";

        if (q->status > 0)
                snprintf(status, sizeof(status), "%u", q->status);
        return str_format("Request %s %s %.*s, %s, %.3f s%s%s", q->url, q->method, (int) path_length, q->path,
                          status, (double) q->duration_usec / USEC_PER_SEC_DOUBLE, q->error ? ": " : "",
                          q->error ? q->error : "");
}

static void report_request_log(const ReportRequest *q) {
        _cleanup_free_ char *text = request_text(q, MIN(strcspn(q->path, "?"), (size_t) TEXT_BYTES_MAX));
        _cleanup_free_ char *status = q->status > 0 ? str_format("%u", q->status) : NULL;
        _cleanup_free_ char *usec = str_format("%llu", (unsigned long long) q->duration_usec);
        _cleanup_free_ char *in = str_format("%llu", (unsigned long long) q->in_bytes);
        _cleanup_free_ char *out = str_format("%llu", (unsigned long long) q->out_bytes);

        log_struct(q->error ? LOG_WARNING : LOG_INFO,
                   LOG_FIELDS({ "PGROK_EVENT", "request" }, { "PGROK_TUNNEL", q->url },
                              { "PGROK_VISITOR", q->visitor }, { "PGROK_STATUS", status },
                              { "PGROK_DURATION_USEC", usec }, { "PGROK_BYTES_IN", in },
                              { "PGROK_BYTES_OUT", out }),
                   "%s", text ? text : "Request");
}

void report_request(Report *r, const ReportRequest *request) {
        if (r->mode == REPORT_SCREEN)
                r->observer->request(request, r->observer_userdata);
        else if (r->mode == REPORT_JSON)
                report_request_json(r, request);
        else if (r->mode == REPORT_TEXT)
                add_text(r, request_text(request, strnlen(request->path, TEXT_BYTES_MAX)));
        else if (log_is_on(request->error ? LOG_WARNING : LOG_INFO))
                report_request_log(request);
}

void report_offline(Report *r, const char *reason, uint64_t retry_usec) {
        double seconds = (double) retry_usec / USEC_PER_SEC_DOUBLE;

        if (r->mode == REPORT_SCREEN)
                r->observer->offline(reason, retry_usec, r->observer_userdata);
        else if (r->mode == REPORT_JSON) {
                json_object *event = event_new("offline");

                add_string(event, "reason", reason);
                add_seconds(event, "retry_in", retry_usec);
                add_json(r, event);
        } else if (r->mode == REPORT_TEXT)
                add_text(r, str_format("Offline: %s; next attempt in %.1f s", reason, seconds));
        else
                log_struct(LOG_WARNING, LOG_FIELDS({ "PGROK_EVENT", "offline" }),
                           "Offline: %s; next attempt in %.1f s", reason, seconds);
        report_flush(r);
}

void report_health(Report *r, const char *name, const char *why) {
        _cleanup_free_ char *text =
                why ? str_format("The service behind it is failing, visitors get 503: %s", why)
                    : strdup("The service behind it is well again");

        if (!text)
                return;
        if (r->mode == REPORT_SCREEN)
                r->observer->error(name, text, r->observer_userdata);
        else if (r->mode == REPORT_JSON) {
                json_object *event = event_new("health");

                add_string(event, "name", name);
                json_object_object_add(event, "failing", json_object_new_boolean(why != NULL));
                add_string(event, "reason", why);
                add_json(r, event);
        } else if (r->mode == REPORT_TEXT)
                add_text(r, str_format("Tunnel %s: %s", name, text));
        log_struct(why ? LOG_WARNING : LOG_INFO,
                   LOG_FIELDS({ "PGROK_EVENT", "health" }, { "PGROK_TUNNEL", name }), "Tunnel %s: %s", name,
                   text);
        report_flush(r);
}

void report_inspector(Report *r, const char *url) {
        if (r->mode == REPORT_SCREEN)
                r->observer->inspector(url, r->observer_userdata);
        else if (r->mode == REPORT_JSON) {
                json_object *event = event_new("inspector");

                add_string(event, "url", url);
                add_json(r, event);
        } else if (r->mode == REPORT_TEXT)
                add_text(r, str_format("Inspector %s", url));
        else
                log_info("The inspector is at %s", url);
        report_flush(r);
}

void report_error(Report *r, const char *name, const char *reason) {
        if (r->mode == REPORT_SCREEN)
                r->observer->error(name, reason, r->observer_userdata);
        else if (r->mode == REPORT_JSON) {
                json_object *event = event_new("error");

                add_string(event, "name", name);
                add_string(event, "reason", reason);
                add_json(r, event);
                report_flush(r);
        }
        log_struct(LOG_ERR, LOG_FIELDS({ "PGROK_EVENT", "error" }, { "PGROK_TUNNEL", name }), "%s%s%s%s",
                   name ? "Tunnel " : "", name ? name : "", name ? ": " : "", reason);
}
