/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/screen.h"

#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "client/painter.h"
#include "client/status-view.h"
#include "client/terminal.h"
#include "net/timer.h"

/*  hidden ──show──► shown ──left──► gone
 *     ▲              │
 *     └──Ctrl-Z──────┘
 *
 * Whatever is told, on any thread, changes the status under the lock and makes the screen due: it is drawn a
 * moment later, at most ten times a second, and once a second for what changes by itself. What the terminal
 * doesn't take at once is sent later, and nothing is drawn meanwhile. In the background it is hidden: writing
 * would disturb others, and reading or changing modes would stop us. */

#define FRAME_USEC (100 * USEC_PER_MSEC)
#define KEYS_MAX 64
#define KEY_REDRAW 0x0c /* Ctrl-L */
#define SIGNALS 3

typedef enum ScreenState { SCREEN_HIDDEN, SCREEN_SHOWN, SCREEN_GONE } ScreenState;

struct Screen {
        Worker *worker; /* borrowed */
        const ScreenOps *ops;
        void *userdata;

        /* Any thread. */
        pthread_mutex_t lock;
        Status status;         /* under the lock */
        atomic_bool is_posted; /* the mail is */
        Mail changed;

        /* loop: worker */
        ScreenState state;
        Painter *painter; /* owned */
        PollItem keys;
        Timer *frame; /* owned: the next drawing */
        Timer *tick;  /* owned */
        bool is_due;  /* `frame' runs */
        uint64_t drawn_usec;
        unsigned width, height; /* of what is drawn; 0: nothing is */
        const char *rest;       /* borrowed from the painter: what is drawn */
        size_t n_rest, n_sent;
        uv_signal_t *signals[SIGNALS]; /* each freed when it is closed */
};

/* ---- drawing ---- */

/* Returns whether all is sent. */
static bool screen_send(Screen *s) {
        ssize_t n = terminal_write(s->rest + s->n_sent, s->n_rest - s->n_sent);

        s->n_sent = n < 0 ? s->n_rest : s->n_sent + (size_t) n;
        return s->n_sent == s->n_rest;
}

static void screen_draw(Screen *s) {
        unsigned width, height;
        StatusNow now = { .clock_usec = clock_usec(), .round_trip_usec = s->ops->round_trip(s->userdata) };
        Canvas canvas;
        ssize_t n;

        terminal_size(&width, &height);
        if (canvas_init(&canvas, width, height) < 0)
                return;
        pthread_mutex_lock(&s->lock);
        status_view(&s->status, &now, &canvas);
        pthread_mutex_unlock(&s->lock);
        n = painter_paint(s->painter, &canvas, width != s->width || height != s->height, &s->rest);
        canvas_done(&canvas);
        s->width = n < 0 ? 0 : width; /* 0: it gets all the next time */
        s->height = height;
        s->n_rest = n < 0 ? 0 : (size_t) n;
        s->n_sent = 0;
}

static void screen_schedule(Screen *s, uint64_t delay) {
        if (s->state == SCREEN_SHOWN && !s->is_due)
                timer_start(s->frame, delay);
        s->is_due = s->state == SCREEN_SHOWN;
}

static void on_frame(void *userdata) {
        Screen *s = userdata;

        s->is_due = false;
        if (screen_send(s)) {
                s->drawn_usec = clock_usec();
                screen_draw(s);
        }
        if (!screen_send(s))
                screen_schedule(s, FRAME_USEC);
}

/* Soon. */
static void screen_touch(Screen *s) {
        uint64_t since = clock_usec() - s->drawn_usec;

        screen_schedule(s, since < FRAME_USEC ? FRAME_USEC - since : 0);
}

/* ---- the terminal ---- */

static void on_keys(PollItem *item, uint32_t events _unused_) {
        Screen *s = container_of(item, Screen, keys);
        char keys[KEYS_MAX];
        ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return;
        if (n <= 0 || keys[0] == 'q' || keys[0] == 'Q') {
                s->ops->quit(s->userdata);
                return;
        }
        if (keys[0] == KEY_REDRAW)
                s->width = 0;
        screen_touch(s);
}

static int screen_show(Screen *s) {
        size_t n;
        const char *leave = painter_leave(s->painter, &n);
        int r = terminal_enter(leave, n);

        if (r < 0)
                return r;
        r = worker_poll(s->worker, &s->keys, STDIN_FILENO, EPOLLIN);
        if (r < 0) {
                terminal_leave();
                return r;
        }
        s->state = SCREEN_SHOWN;
        s->width = 0;
        screen_touch(s);
        return 0;
}

static void screen_hide(Screen *s) {
        if (s->state != SCREEN_SHOWN)
                return;
        s->state = SCREEN_HIDDEN;
        worker_unpoll(s->worker, &s->keys, STDIN_FILENO);
        timer_stop(s->frame);
        s->is_due = false;
        s->n_rest = s->n_sent = 0;
        painter_pause(s->painter);
        terminal_leave();
}

/* The shell has given us the terminal, or taken it. */
static void screen_follow(Screen *s) {
        bool is_ours = terminal_is_ours();

        if (s->state == SCREEN_HIDDEN && is_ours)
                (void) screen_show(s);
        else if (!is_ours)
                screen_hide(s);
}

static void on_tick(void *userdata) {
        Screen *s = userdata;

        screen_follow(s);
        screen_touch(s);
}

static void on_screen_signal(uv_signal_t *handle, int number) {
        Screen *s = handle->data;

        if (number == SIGTSTP) {
                screen_hide(s);
                (void) raise(SIGSTOP); /* here we go on */
        }
        screen_follow(s);
        if (number == SIGCONT && s->state == SCREEN_SHOWN) { /* somebody may have used it meanwhile */
                terminal_renew();
                s->width = 0;
        }
        screen_touch(s);
}

/* ---- what is told ---- */

static void on_changed(Worker *w _unused_, Mail *mail) {
        Screen *s = container_of(mail, Screen, changed);

        atomic_store(&s->is_posted, false);
        screen_touch(s);
}

static Status *screen_lock(void *userdata) {
        Screen *s = userdata;

        pthread_mutex_lock(&s->lock);
        return &s->status;
}

static void screen_unlock(void *userdata) {
        Screen *s = userdata;

        pthread_mutex_unlock(&s->lock);
        if (!atomic_exchange(&s->is_posted, true))
                worker_post(s->worker, &s->changed, on_changed);
}

static void on_online(const ReportOnline *online, void *userdata) {
        status_online(screen_lock(userdata), online, clock_usec());
        screen_unlock(userdata);
}

static void on_tunnel(const ReportTunnel *tunnel, void *userdata) {
        status_tunnel(screen_lock(userdata), tunnel);
        screen_unlock(userdata);
}

static void on_visitors(int change, void *userdata) {
        screen_lock(userdata)->n_open += (size_t) change;
        screen_unlock(userdata);
}

static void on_connection(const ReportConnection *connection, void *userdata) {
        status_connection(screen_lock(userdata), connection, time(NULL));
        screen_unlock(userdata);
}

static void on_request(const ReportRequest *request, void *userdata) {
        status_request(screen_lock(userdata), request, time(NULL));
        screen_unlock(userdata);
}

static void on_inspector(const char *url, void *userdata) {
        status_inspector(screen_lock(userdata), url);
        screen_unlock(userdata);
}

static void on_offline(const char *reason, uint64_t retry_usec, void *userdata) {
        status_offline(screen_lock(userdata), reason, retry_usec, clock_usec());
        screen_unlock(userdata);
}

static void on_error(const char *name, const char *reason, void *userdata) {
        status_error(screen_lock(userdata), name, reason);
        screen_unlock(userdata);
}

static const ReportObserver observer = {
        .online = on_online,
        .tunnel = on_tunnel,
        .visitors = on_visitors,
        .connection = on_connection,
        .request = on_request,
        .inspector = on_inspector,
        .offline = on_offline,
        .error = on_error,
};

static void on_log(int level, const char *message, void *userdata) {
        if (level > LOG_INFO)
                return;
        status_message(screen_lock(userdata), level, message);
        screen_unlock(userdata);
}

/* ---- life ---- */

static void on_handle_closed(uv_handle_t *handle) {
        free(handle);
}

static int screen_watch(Screen *s, uv_signal_t **ret, int number) {
        uv_signal_t *handle = new0(uv_signal_t, 1);
        int r = handle ? uv_signal_init(&s->worker->loop, handle) : -ENOMEM;

        if (r < 0) {
                free(handle);
                return r;
        }
        handle->data = s;
        *ret = handle;
        return uv_signal_start(handle, on_screen_signal, number);
}

static int screen_init(Screen *s, const char *server) {
        static const int numbers[SIGNALS] = { SIGWINCH, SIGTSTP, SIGCONT };
        int r = str_replace(&s->status.server, server);

        (void) setlocale(LC_CTYPE, ""); /* which characters there are, and how wide */
        if (r >= 0)
                r = painter_new(&s->painter);
        if (r >= 0)
                r = timer_new(&s->frame, s->worker, on_frame, s);
        if (r >= 0)
                r = timer_new(&s->tick, s->worker, on_tick, s);
        for (size_t i = 0; i < SIGNALS && r >= 0; i++)
                r = screen_watch(s, &s->signals[i], numbers[i]);
        return r < 0 ? r : screen_show(s);
}

/* Lets go of everything that keeps the loop running. */
static void screen_close(Screen *s) {
        screen_hide(s);
        s->state = SCREEN_GONE;
        s->frame = timer_free(s->frame);
        s->tick = timer_free(s->tick);
        for (size_t i = 0; i < SIGNALS; i++)
                if (s->signals[i])
                        uv_close((uv_handle_t*) TAKE_PTR(s->signals[i]), on_handle_closed);
}

int screen_new(Screen **ret, Worker *w, Report *report, const char *server, const ScreenOps *ops,
               void *userdata) {
        Screen *s;
        int r;

        if (!terminal_is_ours())
                return -ENOTTY;
        s = new0(Screen, 1);
        if (!s)
                return -ENOMEM;
        s->worker = w;
        s->ops = ops;
        s->userdata = userdata;
        s->keys.run = on_keys;
        pthread_mutex_init(&s->lock, NULL);
        r = screen_init(s, server);
        if (r < 0) {
                screen_close(s);
                screen_free(s);
                return r;
        }
        timer_start_every(s->tick, USEC_PER_SEC);
        report->observer = &observer;
        report->observer_userdata = s;
        report->mode = REPORT_SCREEN;
        log_divert(on_log, s);
        *ret = s;
        return 0;
}

static void print_escaped(FILE *file, const char *prefix, const char *text) {
        _cleanup_free_ char *escaped = str_escape(text, strlen(text));

        fprintf(file, "%s%s\n", prefix, escaped ? escaped : "");
}

void screen_leave(Screen *s) {
        const Status *status;

        if (!s || s->state == SCREEN_GONE)
                return;
        log_divert(NULL, NULL);
        screen_close(s);
        status = screen_lock(s);
        for (size_t i = 0; i < status->n_forwardings; i++)
                if (status->forwardings[i].url)
                        print_escaped(stdout, "Closed ", status->forwardings[i].url);
        (void) fflush(stdout);
        if (status->message && status->message_level <= LOG_ERR)
                fprintf(stderr, "pgrok: %s\n", status->message); /* escaped by the log */
        pthread_mutex_unlock(&s->lock);
}

Screen *screen_free(Screen *s) {
        if (!s)
                return NULL;
        painter_free(s->painter);
        status_done(&s->status);
        pthread_mutex_destroy(&s->lock);
        free(s);
        return NULL;
}
