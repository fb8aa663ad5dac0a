/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/status.h"

#include "base/human.h"
#include "base/str.h"

static void forget_forwardings(Status *s) {
        while (s->n_forwardings > 0) {
                StatusForwarding *f = &s->forwardings[--s->n_forwardings];

                free(f->name);
                free(f->url);
                free(f->local);
                *f = (StatusForwarding){};
        }
}

void status_done(Status *s) {
        forget_forwardings(s);
        free(s->server);
        free(s->user);
        free(s->version);
        free(s->reason);
        free(s->inspector);
        free(s->message);
}

void status_online(Status *s, const ReportOnline *online, uint64_t now_usec) {
        s->state = STATUS_ONLINE;
        s->since_usec = now_usec;
        (void) str_replace(&s->server, online->server);
        (void) str_replace(&s->user, online->user);
        (void) str_replace(&s->version, online->version);
        forget_forwardings(s); /* they are told anew */
}

/* The one that was refused before, or a new one; or NULL. */
static StatusForwarding *find_room(Status *s, const char *name) {
        for (size_t i = 0; i < s->n_forwardings; i++)
                if (!s->forwardings[i].url && streq(s->forwardings[i].name, name))
                        return &s->forwardings[i];
        return s->n_forwardings < STATUS_FORWARDINGS_MAX ? &s->forwardings[s->n_forwardings] : NULL;
}

static void put_forwarding(Status *s, const char *name, const char *url, const char *local) {
        StatusForwarding *f = find_room(s, name), new = {};

        if (f && str_replace(&new.name, name) >= 0 && str_replace(&new.local, local) >= 0 &&
            (!url || str_replace(&new.url, url) >= 0)) {
                if (f == &s->forwardings[s->n_forwardings])
                        s->n_forwardings++;
                SWAP(*f, new);
        }
        free(new.name);
        free(new.url);
        free(new.local);
}

void status_tunnel(Status *s, const ReportTunnel *tunnel) {
        put_forwarding(s, tunnel->name, tunnel->url, tunnel->local);
}

void status_error(Status *s, const char *name, const char *reason) {
        if (name)
                put_forwarding(s, name, NULL, reason);
}

static StatusEvent *add_event(Status *s, time_t now, uint64_t duration_usec) {
        StatusEvent *e = &s->events[s->n_events++ % STATUS_EVENTS_MAX];

        *e = (StatusEvent) { .when = now, .duration_usec = duration_usec };
        return e;
}

void status_connection(Status *s, const ReportConnection *c, time_t now) {
        size_t n_scheme = strcspn(c->url, ":");
        char in[HUMAN_TEXT_MAX], out[HUMAN_TEXT_MAX];
        StatusEvent *e;

        s->durations[s->n_connections++ % STATUS_DURATIONS_MAX] = c->duration_usec;
        s->in_bytes += c->in_bytes;
        s->out_bytes += c->out_bytes;
        if (s->has_requests && str_skip_prefix(c->url, "http"))
                return;
        e = add_event(s, now, c->duration_usec);
        e->has_failed = c->error;
        snprintf(e->method, sizeof(e->method), "%.*s", (int) MIN(n_scheme, sizeof(e->method)), c->url);
        if (c->error)
                snprintf(e->what, sizeof(e->what), "%s: %s", c->visitor, c->error);
        else
                snprintf(e->what, sizeof(e->what), "%s, %s in, %s out", c->visitor,
                         human_bytes(c->in_bytes, in), human_bytes(c->out_bytes, out));
}

void status_request(Status *s, const ReportRequest *q, time_t now) {
        StatusEvent *e = add_event(s, now, q->duration_usec);

        s->has_requests = true;
        e->code = q->status;
        e->has_failed = q->error;
        snprintf(e->method, sizeof(e->method), "%s", q->method);
        snprintf(e->what, sizeof(e->what), "%s%s%s", q->path, q->error ? ": " : "", q->error ? q->error : "");
}

void status_inspector(Status *s, const char *url) {
        (void) str_replace(&s->inspector, url);
}

void status_offline(Status *s, const char *reason, uint64_t retry_usec, uint64_t now_usec) {
        s->state = STATUS_OFFLINE;
        s->retry_usec = now_usec + retry_usec;
        (void) str_replace(&s->reason, reason);
}

void status_message(Status *s, int level, const char *message) {
        if (str_replace(&s->message, message) >= 0)
                s->message_level = level;
}

static int compare_durations(const void *a, const void *b) {
        uint64_t x = *(const uint64_t*) a, y = *(const uint64_t*) b;

        return x < y ? -1 : x > y;
}

uint64_t status_percentile(const Status *s, unsigned percent) {
        size_t n = MIN(s->n_connections, (uint64_t) STATUS_DURATIONS_MAX);
        uint64_t sorted[STATUS_DURATIONS_MAX];

        memcpy(sorted, s->durations, n * sizeof(*sorted));
        qsort(sorted, n, sizeof(*sorted), compare_durations);
        return sorted[MAX((n * percent + 99) / 100, 1U) - 1];
}

const StatusEvent *status_event(const Status *s, size_t number) {
        if (number >= MIN(s->n_events, (uint64_t) STATUS_EVENTS_MAX))
                return NULL;
        return &s->events[(s->n_events - 1 - number) % STATUS_EVENTS_MAX];
}
