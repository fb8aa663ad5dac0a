/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/visitors.h"

#include <errno.h>
#include <utlist.h>

#include "base/log.h"
#include "base/str.h"
#include "client/visitor.h"
#include "net/timer.h"

typedef struct VisitorEntry VisitorEntry;
struct VisitorEntry {
        VisitorEntry *prev, *next;
        Visitors *visitors; /* borrowed */
        Visitor *visitor;   /* owned; NULL while it waits for its tunnel: then the rest is set */
        Stream *stream;     /* owned */
        Buffer *head;       /* owned, or NULL */
        char *url;          /* owned */
        char *address;      /* owned */
        char *server;       /* owned: "" when it is not known */
        uint64_t record;    /* of the replay that it is, or 0 */
        Timer *timeout;     /* owned */
};

struct Visitors {
        Worker *worker;        /* borrowed */
        Tunnels *tunnels;      /* borrowed */
        Report *report;        /* borrowed */
        Records *records;      /* borrowed, or NULL */
        ReadyItem told;        /* once a turn, what was reported goes out */
        VisitorEntry *entries; /* owned */
        size_t n;
};

static void on_visitors_told(ReadyItem *item) {
        report_flush(container_of(item, Visitors, told)->report);
}

int visitors_new(Visitors **ret, Worker *w, Tunnels *tunnels, Report *report, Records *records) {
        Visitors *v = new0(Visitors, 1);

        if (!v)
                return -ENOMEM;
        *v = (Visitors) {
                .worker = w,
                .tunnels = tunnels,
                .report = report,
                .records = records,
                .told.run = on_visitors_told,
        };
        *ret = v;
        return 0;
}

static void entry_free(VisitorEntry *e) {
        DL_DELETE(e->visitors->entries, e);
        e->visitors->n--;
        report_visitors(e->visitors->report, -1);
        visitor_free(e->visitor);
        timer_free(e->timeout);
        stream_reset(e->stream);
        buffer_put(&e->visitors->worker->buffers, e->head);
        free(e->url);
        free(e->address);
        free(e->server);
        free(e);
}

static void on_visitor_done(Visitor *visitor _unused_, void *userdata) {
        VisitorEntry *e = userdata;

        worker_flush_later(e->visitors->worker, &e->visitors->told);
        entry_free(e);
}

static void on_url_timeout(void *userdata) {
        VisitorEntry *e = userdata;

        log_warning("A visitor came for %s, which is no tunnel of ours, ignoring", e->url);
        entry_free(e);
}

/* Begins, or waits for the tunnel. Returns 0 or a negative errno. */
static int entry_start(VisitorEntry *e) {
        Visitors *v = e->visitors;
        unsigned left = 0;
        const TunnelConfig *config = tunnels_find(v->tunnels, e->url, &left);
        VisitorOrigin origin;

        if (!config) {
                if (e->timeout)
                        return 0;
                return timer_new_after(&e->timeout, v->worker, VISITORS_URL_WAIT_USEC, on_url_timeout, e);
        }
        e->timeout = timer_free(e->timeout);
        origin = (VisitorOrigin) {
                .stream = TAKE_PTR(e->stream),
                .head = TAKE_PTR(e->head),
                .config = config,
                .url = e->url,
                .address = e->address,
                .records = v->records,
                .record = e->record,
                .told = &v->told,
                .server = e->server,
                .left = e->record > 0 ? 0 : left, /* a replay is our own user's */
        };
        return visitor_new(&e->visitor, &origin, v->report, on_visitor_done, e);
}

static VisitorEntry *entry_new(Visitors *v, const MessageStartProxy *start) {
        VisitorEntry *e = new0(VisitorEntry, 1);

        if (!e)
                return NULL;
        e->url = strdup(message_str(start->url));
        e->address = strdup(message_str(start->client_addr));
        e->server = strdup(message_str(start->server_addr));
        if (!e->url || !e->address || !e->server) {
                free(e->url);
                free(e->address);
                free(e->server);
                free(e);
                return NULL;
        }
        e->visitors = v;
        DL_APPEND(v->entries, e);
        v->n++;
        report_visitors(v->report, 1);
        return e;
}

/* E: or NULL, memory is out. */
static void visitors_start(Visitors *v, VisitorEntry *e, Stream *stream, Buffer *head) {
        int r = -ENOMEM;

        if (e) {
                e->stream = stream;
                e->head = head;
                r = entry_start(e);
        } else {
                stream_reset(stream);
                buffer_put(&v->worker->buffers, head);
        }
        if (r < 0) {
                if (r != -EKEYREJECTED) /* that was said */
                        log_warning("Can't serve a visitor: %s, ignoring", strerror(-r));
                if (e)
                        entry_free(e);
        }
}

void visitors_add(Visitors *v, Stream *stream, Buffer *head, const MessageStartProxy *start) {
        visitors_start(v, entry_new(v, start), stream, head);
}

void visitors_replay(Visitors *v, Stream *stream, Buffer *head, const char *url, uint64_t record) {
        MessageStartProxy start = { .url = (char*) url, .client_addr = (char*) "127.0.0.1:0" };
        VisitorEntry *e = entry_new(v, &start);

        if (e)
                e->record = record;
        visitors_start(v, e, stream, head);
}

void visitors_tunnel_up(Visitors *v) {
        VisitorEntry *e, *next;

        DL_FOREACH_SAFE(v->entries, e, next) {
                if (!e->visitor && entry_start(e) < 0)
                        entry_free(e);
        }
}

size_t visitors_count(const Visitors *v) {
        return v->n;
}

Visitors *visitors_free(Visitors *v) {
        if (!v)
                return NULL;
        while (v->entries)
                entry_free(v->entries);
        worker_unflush(v->worker, &v->told);
        report_flush(v->report);
        free(v);
        return NULL;
}
