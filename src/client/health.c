/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/health.h"

#include <errno.h>

#include "base/str.h"
#include "client/local-dial.h"
#include "client/visitor-address.h"
#include "net/timer.h"

/*  waiting (interval) ──► dialing ──connected, tcp──► well
 *                            └──http──► asking ──status──► well, if it is below 400
 *
 * From dialing on, the timer is the timeout. */

#define STATUS_LINE_BYTES 64 /* of an answer, that is enough */
#define FIRST_DIGIT_FAILING '4'

typedef struct Check {
        Health *health;       /* borrowed */
        TunnelConfig *tunnel; /* borrowed */
        Timer *timer;         /* owned */
        LocalDial *dial;      /* owned; NULL unless dialing */
        Stream *stream;       /* owned; NULL unless asking */
        char answer[STATUS_LINE_BYTES + 1];
        size_t n_answer;
} Check;

struct Health {
        Worker *worker; /* borrowed */
        Check *checks;  /* owned, n of them */
        size_t n;
        HealthFn changed;
        void *userdata; /* borrowed */
};

/* WHY: NULL if all is well. */
static void check_done(Check *c, const char *why) {
        TunnelConfig *t = c->tunnel;
        bool was_failing = atomic_load(&t->is_failing);
        char *text = why ? strdup(why) : NULL;

        c->dial = local_dial_free(c->dial);
        c->stream = stream_free(c->stream);
        timer_start(c->timer, t->health_interval_usec);
        free(t->health_why);
        t->health_why = text;
        atomic_store(&t->is_failing, why != NULL);
        if (was_failing != (why != NULL))
                c->health->changed(t, c->health->userdata);
}

static void check_answered(Check *c) {
        const char *status = str_skip_prefix(c->answer, "HTTP/1.");
        _cleanup_free_ char *why = NULL;

        if (!status || strlen(status) < strlen("1 200") || status[1] != ' ')
                check_done(c, "it doesn't speak HTTP/1.1");
        else if (status[2] >= FIRST_DIGIT_FAILING) {
                why = str_format("it answers %s with status %.3s", c->tunnel->health, status + 2);
                check_done(c, why ? why : "it answers with an error");
        } else
                check_done(c, NULL);
}

static void on_check_readable(Stream *s, unsigned events _unused_, void *userdata) {
        Check *c = userdata;
        ssize_t k = stream_read(s, c->answer + c->n_answer, STATUS_LINE_BYTES - c->n_answer);

        if (k == -EAGAIN)
                return;
        c->n_answer += k > 0 ? (size_t) k : 0;
        c->answer[c->n_answer] = '\0';
        if (k <= 0 || c->n_answer == STATUS_LINE_BYTES || strchr(c->answer, '\n'))
                check_answered(c);
}

/* A connection just made takes a few bytes. */
static int check_ask(Check *c) {
        char host[TARGET_TEXT_MAX];
        _cleanup_free_ char *request =
                str_format("GET %s HTTP/1.1\r\n"
                           "Host: %s\r\n"
                           "User-Agent: pgrok-health\r\n"
                           "Connection: close\r\n"
                           "\r\n",
                           c->tunnel->health, target_format_host(&c->tunnel->target, host));
        ssize_t k;

        if (!request)
                return -ENOMEM;
        c->n_answer = 0;
        k = stream_write(c->stream, request, strlen(request));
        if (k < (ssize_t) strlen(request))
                return k < 0 ? (int) k : -ENOBUFS;
        k = stream_flush(c->stream);
        if (k < 0 && k != -EAGAIN)
                return (int) k;
        stream_set_callback(c->stream, on_check_readable, c);
        stream_set_events(c->stream, STREAM_READABLE);
        return 0;
}

/* A service that expects to be told who comes is told that it is nobody. */
static int on_check_connected(int fd, void *userdata) {
        static const VisitorAddress nobody = { .url = "", .visitor = "", .server = "" };
        const Check *c = userdata;

        return visitor_address_introduce(&nobody, c->tunnel, fd);
}

static void on_check_dialed(LocalDial *d _unused_, Stream *s, const char *why, void *userdata) {
        Check *c = userdata;
        _cleanup_free_ char *text = s ? NULL : strdup(why); /* WHY goes with the dial */
        int r = 0;

        c->dial = local_dial_free(c->dial);
        c->stream = s;
        if (s && !streq(c->tunnel->health, "tcp"))
                r = check_ask(c);
        else
                check_done(c, s ? NULL : text ? text : "it can't be reached");
        if (r < 0)
                check_done(c, strerror(-r));
}

static void on_check_timer(void *userdata) {
        Check *c = userdata;
        int r;

        if (c->dial || c->stream) {
                check_done(c, "it doesn't answer in time");
                return;
        }
        timer_start(c->timer, c->tunnel->health_timeout_usec);
        r = local_dial_new(&c->dial, c->health->worker, c->tunnel, on_check_connected, on_check_dialed, c);
        if (r < 0)
                check_done(c, strerror(-r));
}

static void health_forget(Health *h) {
        for (size_t i = 0; i < h->n; i++) {
                timer_free(h->checks[i].timer);
                local_dial_free(h->checks[i].dial);
                stream_free(h->checks[i].stream);
        }
        free(h->checks);
        h->checks = NULL;
        h->n = 0;
}

int health_new(Health **ret, Worker *w, HealthFn changed, void *userdata) {
        Health *h = new0(Health, 1);

        if (!h)
                return -ENOMEM;
        *h = (Health) { .worker = w, .changed = changed, .userdata = userdata };
        *ret = h;
        return 0;
}

/* What is known of a tunnel's service holds on: who was told that it fails must be told that it is well. */
static void health_inherit(const Health *h, TunnelConfig *t) {
        for (size_t i = 0; i < h->n; i++) {
                const TunnelConfig *old = h->checks[i].tunnel;

                if (old == t || !atomic_load(&old->is_failing) || !streq(old->name, t->name) ||
                    !tunnel_config_equals(old, t))
                        continue;
                (void) str_replace(&t->health_why, old->health_why);
                atomic_store(&t->is_failing, true);
        }
}

/* From now on. */
static int check_start(Check *c, Health *h, TunnelConfig *t) {
        health_inherit(h, t);
        *c = (Check) { .health = h, .tunnel = t };
        return timer_new_after(&c->timer, h->worker, 0, on_check_timer, c);
}

int health_watch(Health *h, TunnelConfig *const *tunnels, size_t n) {
        Check *checks = new0(Check, MAX(n, (size_t) 1));
        size_t n_checks = 0;
        int r = checks ? 0 : -ENOMEM;

        for (size_t i = 0; i < n && r >= 0; i++)
                if (tunnels[i]->is_selected && tunnels[i]->health)
                        r = check_start(&checks[n_checks++], h, tunnels[i]);
        health_forget(h);
        h->checks = checks;
        h->n = n_checks;
        return r;
}

Health *health_free(Health *h) {
        if (!h)
                return NULL;
        health_forget(h);
        free(h);
        return NULL;
}
