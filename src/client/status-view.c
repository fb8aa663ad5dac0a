/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/status-view.h"

#include <syslog.h>

#include "base/human.h"
#include "base/parse.h"
#include "base/str.h"

/* From the top: the session, forwardings, connections; then events, the latest first, as many as there is
 * room for; the last row is the log's. A page that is narrow or low does without labels, empty rows and
 * what can be spared. */

#define COMPACT_WIDTH 60  /* below it is narrow */
#define COMPACT_HEIGHT 16 /* below it is low */
#define LABEL_COLUMNS 14
#define CLOCK_COLUMNS 10
#define METHOD_COLUMNS 8
#define CODE_COLUMNS 4
#define DURATION_COLUMNS 11
#define DURATION_TEXT_MAX (HUMAN_TEXT_MAX + 8)

typedef struct View {
        const Status *status;
        const StatusNow *now;
        Canvas *canvas;
        unsigned row; /* the next one */
        bool is_compact;
} View;

/* "0.4 ms", "12 ms", "3.1 s", "5min 3s" */
static const char *duration_text(uint64_t usec, char ret[static DURATION_TEXT_MAX]) {
        if (usec < 10 * USEC_PER_MSEC)
                snprintf(ret, DURATION_TEXT_MAX, "%.1f ms", (double) usec / (double) USEC_PER_MSEC);
        else if (usec < USEC_PER_SEC)
                snprintf(ret, DURATION_TEXT_MAX, "%u ms", (unsigned) (usec / USEC_PER_MSEC));
        else if (usec < 60 * USEC_PER_SEC)
                snprintf(ret, DURATION_TEXT_MAX, "%.1f s", (double) usec / (double) USEC_PER_SEC);
        else
                human_duration(usec / USEC_PER_SEC, ret);
        return ret;
}

/* Behind a label, if there is room for labels. Owns TEXT. */
static void put_row(View *v, const char *label, Style style, char *text) {
        _cleanup_free_ char *owned = text;
        unsigned column = v->is_compact ? 0 : LABEL_COLUMNS;

        if (!v->is_compact)
                canvas_put(v->canvas, v->row, 0, column, STYLE_DIM, label);
        if (owned)
                canvas_put(v->canvas, v->row, column, v->canvas->width, style, owned);
        v->row++;
}

static void put_gap(View *v) {
        if (!v->is_compact)
                v->row++;
}

/* ---- the session ---- */

static Style state_style(const Status *s) {
        static const Style styles[] = {
                [STATUS_CONNECTING] = STYLE_WARNING,
                [STATUS_ONLINE] = STYLE_GOOD,
                [STATUS_OFFLINE] = STYLE_BAD,
        };

        return styles[s->state];
}

static char *state_text(const View *v) {
        const Status *s = v->status;
        uint64_t now = v->now->clock_usec;
        char text[HUMAN_TEXT_MAX];

        if (s->state == STATUS_ONLINE)
                return str_format("online %s", human_duration((now - s->since_usec) / USEC_PER_SEC, text));
        if (s->state == STATUS_CONNECTING)
                return strdup("connecting");
        if (now >= s->retry_usec)
                return strdup("offline, connecting");
        return str_format("offline, next attempt in %s",
                          human_duration((s->retry_usec - now + USEC_PER_SEC - 1) / USEC_PER_SEC, text));
}

static void put_title(View *v) {
        unsigned column = canvas_put(v->canvas, v->row, 0, v->canvas->width, STYLE_BOLD, "pgrok");

        if (v->is_compact) {
                _cleanup_free_ char *text = state_text(v);

                column = canvas_put(v->canvas, v->row, column + 2, v->canvas->width, state_style(v->status),
                                    text ? text : "");
        }
        if (column + sizeof("  q ends") <= v->canvas->width)
                canvas_put_right(v->canvas, v->row, column, v->canvas->width, STYLE_DIM, "q ends");
        v->row++;
        put_gap(v);
}

static bool is_measured(const View *v) {
        return v->status->state == STATUS_ONLINE && v->now->round_trip_usec > 0;
}

/* "alice at tunnel.example.com:4443, 12 ms" */
static char *session_text(const View *v) {
        const Status *s = v->status;
        bool has_user = !str_is_empty(s->user);
        char text[DURATION_TEXT_MAX];

        return str_format("%s%s%s%s%s", has_user ? s->user : "", has_user ? " at " : "", s->server,
                          is_measured(v) ? ", " : "",
                          is_measured(v) ? duration_text(v->now->round_trip_usec, text) : "");
}

static void put_server(View *v) {
        const Status *s = v->status;
        char text[DURATION_TEXT_MAX];

        if (!str_is_empty(s->user))
                put_row(v, "Account", STYLE_PLAIN, strdup(s->user));
        put_row(v, "Server", STYLE_PLAIN,
                str_is_empty(s->version) ? strdup(s->server)
                                         : str_format("%s, version %s", s->server, s->version));
        if (is_measured(v))
                put_row(v, "Round trip", STYLE_PLAIN, strdup(duration_text(v->now->round_trip_usec, text)));
}

static void put_session(View *v) {
        const Status *s = v->status;

        if (s->state == STATUS_OFFLINE)
                put_row(v, "Reason", STYLE_PLAIN, strdup(s->reason));
        if (v->is_compact)
                put_row(v, NULL, STYLE_PLAIN, session_text(v));
        else
                put_server(v);
        if (s->inspector)
                put_row(v, "Inspector", STYLE_PLAIN, strdup(s->inspector));
}

/* ---- forwardings ---- */

static void put_forwarding(View *v, const char *label, const StatusForwarding *f) {
        if (f->url)
                put_row(v, label, STYLE_PLAIN, str_format("%s -> %s", f->url, f->local));
        else
                put_row(v, label, STYLE_BAD, str_format("%s: %s", f->name, f->local));
}

/* In N_ROWS at most, but one at least. */
static void put_forwardings(View *v, size_t n_rows) {
        const Status *s = v->status;
        size_t n = s->n_forwardings <= n_rows ? s->n_forwardings : n_rows - 1;

        for (size_t i = 0; i < n; i++)
                put_forwarding(v, i == 0 ? "Forwarding" : "", &s->forwardings[i]);
        if (n < s->n_forwardings)
                put_row(v, n == 0 ? "Forwarding" : "", STYLE_DIM,
                        str_format("and %zu more: `pgrok status' has all", s->n_forwardings - n));
}

/* ---- connections and events ---- */

static char *connections_text(const View *v) {
        const Status *s = v->status;
        char p50[DURATION_TEXT_MAX], p90[DURATION_TEXT_MAX], in[HUMAN_TEXT_MAX], out[HUMAN_TEXT_MAX];

        if (s->n_connections == 0)
                return str_format("%zu open", s->n_open);
        duration_text(status_percentile(s, 50), p50);
        duration_text(status_percentile(s, 90), p90);
        if (v->is_compact)
                return str_format("%zu open of %llu, p50 %s, p90 %s", s->n_open,
                                  (unsigned long long) s->n_connections + s->n_open, p50, p90);
        return str_format("%zu open, %llu in all; p50 %s, p90 %s; %s in, %s out", s->n_open,
                          (unsigned long long) s->n_connections + s->n_open, p50, p90,
                          human_bytes(s->in_bytes, in), human_bytes(s->out_bytes, out));
}

static Style code_style(unsigned code) {
        static const Style styles[] = { STYLE_PLAIN, STYLE_GOOD, STYLE_GOOD, STYLE_NOTE, STYLE_WARNING };

        return code / 100 < ELEMENTSOF(styles) ? styles[code / 100] : STYLE_BAD;
}

static void put_event(View *v, const StatusEvent *e) {
        Canvas *c = v->canvas;
        unsigned code_column = c->width - MIN(c->width, (unsigned) DURATION_COLUMNS + CODE_COLUMNS),
                 column = 0;
        char text[DURATION_TEXT_MAX];
        struct tm tm;

        if (c->width >= COMPACT_WIDTH) {
                strftime(text, sizeof(text), "%H:%M:%S", localtime_r(&e->when, &tm));
                canvas_put(c, v->row, 0, CLOCK_COLUMNS, STYLE_DIM, text);
                column = CLOCK_COLUMNS;
        }
        canvas_put(c, v->row, column, column + METHOD_COLUMNS - 1, STYLE_PLAIN, e->method);
        column += METHOD_COLUMNS;
        canvas_put(c, v->row, column, e->code > 0 ? code_column - 1 : code_column + CODE_COLUMNS,
                   e->has_failed ? STYLE_BAD : STYLE_PLAIN, e->what);
        if (e->code > 0) {
                snprintf(text, sizeof(text), "%u", e->code);
                canvas_put(c, v->row, code_column, code_column + CODE_COLUMNS, code_style(e->code), text);
        }
        canvas_put_right(c, v->row, code_column + CODE_COLUMNS, c->width, STYLE_DIM,
                         duration_text(e->duration_usec, text));
        v->row++;
}

/* Above row END. */
static void put_events(View *v, unsigned end) {
        const StatusEvent *e;

        for (size_t i = 0; v->row < end && (e = status_event(v->status, i)); i++)
                put_event(v, e);
}

/* Where the events end. */
static unsigned put_message(View *v) {
        const Status *s = v->status;
        unsigned row = v->canvas->height - 1;

        if (!s->message)
                return row + 1;
        canvas_put(v->canvas, row, 0, v->canvas->width,
                   s->message_level <= LOG_WARNING ? STYLE_WARNING : STYLE_DIM, s->message);
        return row;
}

/* Half of what is left may be forwardings, or more if there are fewer events. */
static size_t forwarding_rows(const View *v, unsigned end) {
        unsigned others = v->row + (v->is_compact ? 1 : 3); /* connections, and gaps */
        size_t left = end > others ? end - others : 0;
        size_t n_events = MIN(v->status->n_events, (uint64_t) STATUS_EVENTS_MAX);

        return MAX(left - MIN(n_events, left / 2), (size_t) 1);
}

void status_view(const Status *s, const StatusNow *now, Canvas *c) {
        View v = {
                .status = s,
                .now = now,
                .canvas = c,
                .is_compact = c->width < COMPACT_WIDTH || c->height < COMPACT_HEIGHT,
        };
        unsigned end = put_message(&v);

        put_title(&v);
        if (!v.is_compact)
                put_row(&v, "Status", state_style(s), state_text(&v));
        put_session(&v);
        put_forwardings(&v, forwarding_rows(&v, end));
        put_gap(&v);
        put_row(&v, "Connections", STYLE_PLAIN, connections_text(&v));
        put_gap(&v);
        put_events(&v, end);
}
