/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/client.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/service.h"
#include "base/str.h"
#include "client/backoff.h"
#include "client/control.h"
#include "client/draining.h"
#include "client/health.h"
#include "client/identity.h"
#include "client/inspector.h"
#include "client/screen.h"
#include "client/session.h"
#include "client/siblings.h"
#include "client/visitors.h"
#include "net/mux.h"
#include "net/network-watch.h"
#include "net/timer.h"

/*  connecting ──► session ──lost──► waiting (back-off) ──► connecting …
 *                    └──refused──► exit 3, if we were never online and are no daemon; else waiting, for long
 *
 * A tunnel that is refused while others are up is asked for again in the same session, after the same long
 * wait.
 * Visitors outlive the session that brought them.
 *
 * This is session 0, on the main thread. With client.connections above 1 there are siblings on threads of
 * their own, which are told when it comes and goes. */

#define RECONNECT_MIN_USEC (1 * USEC_PER_SEC)
#define RECONNECT_MAX_USEC (30 * USEC_PER_SEC)
#define REFUSED_MIN_USEC (10 * USEC_PER_SEC) /* once online: our own old session may hold the name */
#define REFUSED_MAX_USEC (300 * USEC_PER_SEC)
#define EAGER_USEC (30 * USEC_PER_SEC)  /* after a loss: no doubling yet, the server may be restarting */
#define HASTE_USEC (3 * USEC_PER_SEC)   /* after a change of the network: a loss is answered at once */
#define STABLE_USEC (10 * USEC_PER_SEC) /* online for so long: the next loss is a new one */
#define READY_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define INSTANCE_BYTES 8
#define CONFIGS_KEPT_MAX 1000 /* until they are used no more */
#define STOP_TIMEOUT_USEC (800 * USEC_PER_MSEC)

typedef struct Client {
        Worker *worker;         /* owned */
        ClientConfig *config;   /* owned */
        const Options *options; /* borrowed */
        size_t n_kept;          /* configurations behind it */
        Changes changes;        /* of this run */
        Control *control;       /* owned; NULL: there is none */
        Records *records;       /* owned; NULL: nothing is captured */
        Inspector *inspector;   /* owned; NULL: there is none */
        Report report;
        Screen *screen; /* owned; NULL: there is none */
        Tunnels tunnels;
        FileService *files; /* owned */
        Health *health;     /* owned */
        Visitors *visitors; /* owned */
        Siblings *siblings; /* owned; NULL: one session does */
        Identity *identity; /* owned; NULL: without a state folder */
        char *client_id;    /* owned */
        Session *session;   /* owned; NULL while waiting */
        Draining draining;
        Timer *retry;         /* owned: the next session */
        Timer *retry_refused; /* owned: the refused tunnels */
        Timer *ready;         /* owned: READY at the latest; NULL once it was said */
        Timer *watchdog;      /* owned, or NULL */
        uv_signal_t signals[3];
        size_t n_signals;
        NetworkWatch *network; /* owned; NULL: without */
        Backoff lost, refused;
        uint64_t lost_usec;   /* when we were online last; 0: never */
        bool is_refused;      /* by the server, which is what the next attempt waits for */
        uint64_t haste_usec;  /* until when the next attempt follows a loss at once */
        uint64_t online_usec; /* since when; 0: not online */
        unsigned n_sessions;  /* that the server takes of us, when we are */
        bool is_daemon;
        bool without_mux; /* the server takes no connection that offers it; until it is lost */
        bool was_online;  /* with all tunnels */
        bool is_stopping;
        int exit_status;
        char instance[2 * INSTANCE_BYTES + 1]; /* of all our sessions: tells them from a former process's */
} Client;

/* Lets go of everything that keeps the loop running. */
static void client_close(Client *c) {
        screen_leave(c->screen); /* before anything that may take its time */
        c->control = control_free(c->control);
        c->inspector = inspector_free(c->inspector);
        c->session = session_free(c->session);
        draining_done(&c->draining);
        c->visitors = visitors_free(c->visitors);
        c->siblings = siblings_free(c->siblings);
        c->health = health_free(c->health);
        if (c->files)
                file_service_close(c->files);
        c->retry = timer_free(c->retry);
        c->retry_refused = timer_free(c->retry_refused);
        c->ready = timer_free(c->ready);
        c->watchdog = timer_free(c->watchdog);
        c->network = network_watch_free(c->network);
        while (c->n_signals > 0)
                uv_close((uv_handle_t*) &c->signals[--c->n_signals], NULL);
}

static void on_alarm(int signal_number _unused_) {
        _exit(EXIT_SUCCESS);
}

/* The loop ends when its handles are closed. Only a name lookup in the C library can hold it up. */
static void client_stop(Client *c, int exit_status) {
        if (c->is_stopping)
                return;
        c->is_stopping = true;
        c->exit_status = exit_status;
        service_stopping();
        if (exit_status == EXIT_SUCCESS) {
                struct itimerval limit = { .it_value.tv_usec = STOP_TIMEOUT_USEC };

                signal(SIGALRM, on_alarm);
                (void) setitimer(ITIMER_REAL, &limit, NULL);
        }
        client_close(c);
        worker_end(c->worker);
}

static void client_say_ready(Client *c) {
        if (!c->ready)
                return;
        c->ready = timer_free(c->ready);
        service_ready();
}

static void client_update_status(Client *c) {
        if (c->online_usec > 0)
                service_status("Online at %s, %zu of %zu tunnels", c->config->server,
                               tunnels_count(&c->tunnels, TUNNEL_UP), c->tunnels.n);
        else
                service_status("Offline, trying %s", c->config->server);
        if (c->online_usec == 0 || tunnels_are_answered(&c->tunnels))
                client_say_ready(c);
}

static bool client_may_give_up(const Client *c) {
        return !c->is_daemon && !c->was_online;
}

/* How long to wait after a refusal. */
static uint64_t client_refused_delay(Client *c) {
        c->refused.min_usec = c->was_online ? REFUSED_MIN_USEC : REFUSED_MAX_USEC;
        return backoff_next(&c->refused);
}

static void on_session_online(const MessageAuthResp *answer, void *userdata) {
        Client *c = userdata;
        ReportOnline online = {
                .server = c->config->server,
                .user = message_str(answer->user),
                .version = message_str(answer->mm_version),
        };
        int r = str_replace(&c->client_id, answer->client_id);

        if (r >= 0 && c->identity)
                r = identity_set(c->identity, answer->client_id);
        if (r < 0)
                log_warning("Can't keep the client id, names may change after a restart: %s, ignoring",
                            strerror(-r));
        c->online_usec = clock_usec();
        report_online(&c->report, &online);
        c->n_sessions = MAX(answer->sessions, 1U);
        siblings_go(c->siblings, c->n_sessions, c->config, c->client_id);
        session_ask(c->session);
}

/* The server answers visitors while the service fails. */
static void client_tell_health(Client *c, const Tunnel *tunnel) {
        for (size_t i = 0; i < tunnel->n_urls && c->session; i++)
                session_tell_health(c->session, tunnel->urls[i].url,
                                    atomic_load(&tunnel->config->is_failing));
}

static void on_session_tunnel_up(Tunnel *tunnel, void *userdata) {
        Client *c = userdata;
        const TunnelUrl *u = tunnel->urls + tunnel->n_urls - 1;
        char local[TARGET_TEXT_MAX];

        report_tunnel(&c->report, &(ReportTunnel) {
                                          .name = tunnel->config->name,
                                          .url = u->url,
                                          .proto = u->proto,
                                          .local = target_format(&tunnel->config->target, local),
                                  });
        if (tunnels_count(&c->tunnels, TUNNEL_UP) == c->tunnels.n) {
                c->was_online = true;
                backoff_reset(&c->refused);
        }
        visitors_tunnel_up(c->visitors);
        siblings_tunnel_up(c->siblings);
        client_update_status(c);
        if (atomic_load(&tunnel->config->is_failing))
                client_tell_health(c, tunnel);
}

static void on_session_tunnel_refused(Tunnel *tunnel, const char *why, void *userdata) {
        Client *c = userdata;

        (void) str_replace(&tunnel->why, why); /* without memory it is in the log only */
        report_error(&c->report, tunnel->config->name, why);
        if (client_may_give_up(c)) {
                client_stop(c, CLIENT_EXIT_REFUSED);
                return;
        }
        timer_start(c->retry_refused, client_refused_delay(c));
        client_update_status(c);
}

static void on_retry_refused(void *userdata) {
        Client *c = userdata;

        if (!c->session || c->online_usec == 0)
                return; /* the next session asks for all */
        tunnels_retry_refused(&c->tunnels);
        session_ask(c->session);
}

static void on_session_visitor(Stream *stream, Buffer *head, const MessageStartProxy *start, void *userdata) {
        Client *c = userdata;

        visitors_add(c->visitors, stream, head, start);
}

/* Owned by the caller, or NULL. */
static char *explain_end(SessionEnd end, const char *why) {
        if (end == SESSION_UNTRUSTED)
                return str_format(
                        "%s (--ca-file FILE or client.ca_file names a CA to trust; --pin sha256:… or "
                        "client.pin the server's own key)",
                        why);
        return strndup(why, strlen(why) - str_has_suffix(why, ".")); /* the sentence goes on */
}

/* A Go server ends a session whose first tunnel it refuses: coming back at once would be no use. */
static bool client_is_refused(const Client *c, SessionEnd end) {
        if (end == SESSION_REFUSED)
                return true;
        return c->online_usec > 0 && tunnels_count(&c->tunnels, TUNNEL_REFUSED) > 0 &&
               tunnels_count(&c->tunnels, TUNNEL_UP) == 0;
}

/* How long to wait after a loss, or a failed attempt. */
static uint64_t client_lost_delay(Client *c) {
        uint64_t now = clock_usec();

        if (c->online_usec > 0 && (now - c->online_usec >= STABLE_USEC || c->lost_usec == 0))
                c->lost_usec = now;
        if (c->lost_usec > 0 && now - c->lost_usec < EAGER_USEC)
                backoff_reset(&c->lost);
        if (now >= c->haste_usec)
                return backoff_next(&c->lost);
        c->haste_usec = 0; /* once */
        return 0;
}

static void client_wait(Client *c, SessionEnd end, const char *why) {
        uint64_t delay;

        c->is_refused = client_is_refused(c, end);
        delay = c->is_refused ? client_refused_delay(c) : client_lost_delay(c);
        if (c->online_usec > 0)
                c->without_mux = false; /* it may be another version that comes back */
        c->online_usec = 0;
        report_offline(&c->report, why, delay);
        timer_start(c->retry, delay);
        client_update_status(c);
}

static void on_session_ended(Session *s, SessionEnd end, const char *why, void *userdata) {
        Client *c = userdata;
        _cleanup_free_ char *text = explain_end(end, why); /* WHY may go with the session */

        if (draining_remove(&c->draining, s)) {
                log_debug("A replaced session has ended: %s", text ? text : "Out of memory");
                return;
        }
        c->session = session_free(c->session);
        siblings_pause(c->siblings);
        timer_stop(c->retry_refused);
        if (end == SESSION_NO_MUX && streq(c->config->transport, "auto")) {
                c->without_mux = true;
                timer_start(c->retry, 0);
                return;
        }
        if (end != SESSION_LOST && client_may_give_up(c)) {
                report_error(&c->report, NULL, text ? text : "Out of memory");
                client_stop(c, end == SESSION_REFUSED ? CLIENT_EXIT_REFUSED : CLIENT_EXIT_FAILURE);
        } else
                client_wait(c, end, text ? text : "Out of memory");
}

/* At once: the server sends new visitors to the new session only. */
static void on_session_draining(Session *s, void *userdata) {
        Client *c = userdata;

        if (s != c->session)
                return;
        draining_add(&c->draining, TAKE_PTR(c->session));
        siblings_pause(c->siblings);
        timer_stop(c->retry_refused); /* the next session asks for all */
        timer_start(c->retry, 0);
}

static const SessionOps session_ops = {
        .online = on_session_online,
        .tunnel_up = on_session_tunnel_up,
        .tunnel_refused = on_session_tunnel_refused,
        .visitor = on_session_visitor,
        .draining = on_session_draining,
        .ended = on_session_ended,
};

/* A token file may have changed since the last session. */
static void client_read_token(Client *c) {
        _cleanup_free_ char *why = NULL;

        if (client_config_read_token(c->config, &why) < 0)
                log_warning("%s, ignoring", why ? why : "Out of memory");
}

static bool client_offers_mux(const Client *c) {
        return !streq(c->config->transport, "classic") && !c->without_mux;
}

/* Nobody uses what the configuration has replaced. */
static void client_forget_configs(Client *c) {
        if (c->draining.n > 0 || visitors_count(c->visitors) > 0 || c->siblings)
                return;
        c->config->previous = client_config_free(c->config->previous);
        c->n_kept = 0;
}

static void client_connect(Client *c) {
        static const char *const alpn[] = { MUX_ALPN, NULL };
        SessionParams params = {
                .link = {
                        .worker = c->worker,
                        .tls = c->config->tls,
                        .host = c->config->server_host,
                        .port = c->config->server_port,
                        .tls_name = c->config->tls_name,
                        .http_proxy = c->config->http_proxy,
                        .alpn = client_offers_mux(c) ? alpn : NULL,
                },
                .token = c->config->token,
                .client_id = c->client_id,
                .instance = c->instance,
                .tunnels = &c->tunnels,
                .mux_only = streq(c->config->transport, "mux"),
        };
        int r;

        client_forget_configs(c);
        r = session_new(&c->session, &params, &session_ops, c);
        if (r < 0)
                client_wait(c, SESSION_LOST,
                            r == -EINVAL ? "the HTTP proxy's URL is unreadable" : strerror(-r));
}

static void on_retry(void *userdata) {
        Client *c = userdata;

        client_read_token(c);
        client_connect(c);
}

static void on_health_change(const TunnelConfig *t, void *userdata) {
        Client *c = userdata;

        for (size_t i = 0; i < c->tunnels.n; i++)
                if (c->tunnels.items[i].config == t)
                        client_tell_health(c, &c->tunnels.items[i]);
        report_health(&c->report, t->name, atomic_load(&t->is_failing) ? t->health_why : NULL);
}

/* What there is of a connection may be dead without a word, and what failed may go now. */
static void on_network_change(void *userdata) {
        Client *c = userdata;

        log_debug("The network has changed, or time has passed unseen");
        backoff_reset(&c->lost);
        c->haste_usec = clock_usec() + HASTE_USEC;
        siblings_wake(c->siblings);
        if (c->session && c->online_usec > 0) {
                session_probe(c->session);
                return;
        }
        if (!c->session && c->is_refused) /* that is no matter of the network */
                return;
        c->session = session_free(c->session);
        timer_start(c->retry, 0);
}

/* ---- changes while it runs ---- */

/* A server knows no way to take a tunnel back, so a new session begins, with what is wanted now, and replaces
 * this one, whose visitors finish. Who comes in between waits at the server. */
static void client_renew(Client *c, bool elsewhere) {
        if (c->session && (elsewhere ? session_leave(c->session) : session_drain(c->session)))
                return; /* goes on in on_session_draining() */
        c->session = session_free(c->session);
        c->online_usec = 0;
        siblings_pause(c->siblings);
        timer_stop(c->retry_refused);
        timer_start(c->retry, 0);
}

/* Without a usable state folder we go on: only names and ports may change after a restart. */
static int client_open_identity(Client *c) {
        _cleanup_free_ char *folder = identity_state_folder(), *why = NULL;

        if (!folder)
                log_warning("There is no state folder: set HOME or XDG_STATE_HOME, ignoring");
        else if (identity_open(&c->identity, folder, c->config->server, &why) < 0)
                log_warning("%s, ignoring", why ? why : "Out of memory");
        return str_replace(&c->client_id, c->identity ? identity_get(c->identity) : "");
}

/* The next session is with the server that is configured now. */
static void client_change_server(Client *c) {
        if (!str_equal(c->config->server, c->config->previous->server)) {
                c->identity = identity_free(c->identity);
                if (client_open_identity(c) < 0)
                        log_warning("Out of memory: names may change, ignoring");
        }
        c->without_mux = false;
        backoff_reset(&c->lost);
        siblings_leave(c->siblings);
}

/* Owns CONFIG, which is right. */
static int client_set_config(Client *c, ClientConfig *config) {
        bool same = client_config_same_server(c->config, config);
        int r = tunnels_replace(&c->tunnels, config->tunnels, config->n_tunnels);

        if (r < 0) {
                client_config_free(config);
                return r;
        }
        if (config->n_connections != c->config->n_connections)
                log_warning("client.connections takes effect after a restart");
        if (health_watch(c->health, config->tunnels, config->n_tunnels) < 0)
                log_warning("Out of memory: the services are not looked after, ignoring");
        if (!str_equal(config->inspect, c->config->inspect))
                log_warning("client.inspect takes effect after a restart");
        config->previous = c->config; /* sessions and visitors may still use it */
        c->config = config;
        c->n_kept++;
        if (!same)
                client_change_server(c);
        if (r == 0 || !same)
                client_renew(c, !str_equal(config->server, config->previous->server));
        else if (c->session && c->online_usec > 0) {
                siblings_go(c->siblings, c->n_sessions, c->config, c->client_id);
                session_ask(c->session);
        }
        return 0;
}

static int client_reconfigure(Client *c, ConfigList *faults) {
        _cleanup_(client_config_freep) ClientConfig *config = NULL;
        _cleanup_free_ char *why = NULL;
        int r = client_config_load(&config, c->options, &c->changes, faults);

        if (r < 0)
                return r;
        r = client_config_prepare(config, c->files, &why);
        if (r < 0)
                return why && config_list_add(faults, why) >= 0 ? -EINVAL : r;
        return client_set_config(c, TAKE_PTR(config));
}

/* Reads the files again. */
static int client_reload(Client *c, ConfigList *faults) {
        int r;

        service_reloading();
        r = c->n_kept < CONFIGS_KEPT_MAX ? client_reconfigure(c, faults) : -ENOBUFS;
        for (size_t i = 0; i < faults->n; i++)
                log_error("%s", faults->items[i]);
        if (r < 0)
                log_error("The new configuration is refused, the running one stays: %s", strerror(-r));
        else
                log_info("The configuration was read again");
        service_ready();
        if (r < 0)
                service_status("The new configuration is refused: %s",
                               faults->n > 0 ? faults->items[0] : strerror(-r));
        return r;
}

static int on_control_change(Change *change, ConfigList *faults, void *userdata) {
        Client *c = userdata;
        Change *old;
        int r;

        if (!change)
                return client_reload(c, faults);
        if (c->changes.n >= CHANGES_MAX || c->n_kept >= CONFIGS_KEPT_MAX) {
                change_free(change);
                return -ENOBUFS;
        }
        old = changes_put(&c->changes, change);
        r = client_reconfigure(c, faults);
        if (r < 0)
                changes_undo(&c->changes, change, old);
        else
                change_free(old);
        return r;
}

static void on_control_view(ControlView *ret, void *userdata) {
        Client *c = userdata;

        *ret = (ControlView) {
                .config = c->config,
                .tunnels = &c->tunnels,
                .is_online = c->online_usec > 0,
                .n_connections = visitors_count(c->visitors),
        };
}

/* Without it requests are told all the same. */
static void client_open_inspector(Client *c) {
        InspectorParams params = {
                .worker = c->worker,
                .records = c->records,
                .visitors = c->visitors,
                .tunnels = &c->tunnels,
                .view = on_control_view,
                .userdata = c,
        };
        int r = c->records ? inspector_new(&c->inspector, c->config->inspect, &params) : 0;

        if (r < 0)
                log_warning("There is no inspector: can't listen at %s: %s, ignoring", c->config->inspect,
                            strerror(-r));
        else if (c->inspector)
                report_inspector(&c->report, inspector_url(c->inspector));
}

static const ControlOps control_ops = { .view = on_control_view, .change = on_control_change };

/* Several clients of one user are nothing strange: the first has the socket. */
static void client_open_control(Client *c) {
        int r = control_new(&c->control, c->worker, &control_ops, c);

        if (r < 0)
                log_full(
                        c->is_daemon ? LOG_WARNING : LOG_DEBUG,
                        "There is no control socket, so `pgrok status' doesn't find this client: %s, ignoring",
                        strerror(-r));
}

/* ---- the screen ---- */

static uint64_t on_screen_round_trip(void *userdata) {
        Client *c = userdata;

        return c->session ? session_round_trip_usec(c->session) : 0;
}

static void on_screen_quit(void *userdata) {
        client_stop(userdata, EXIT_SUCCESS);
}

static const ScreenOps screen_ops = { .round_trip = on_screen_round_trip, .quit = on_screen_quit };

/* A terminal that can't show it gets lines. */
static void client_open_screen(Client *c) {
        int r;

        if (c->report.mode != REPORT_SCREEN)
                return;
        c->report.mode = REPORT_TEXT;
        r = screen_new(&c->screen, c->worker, &c->report, c->config->server, &screen_ops, c);
        if (r < 0)
                log_debug("There is no screen: %s, ignoring", strerror(-r));
}

/* ---- start ---- */

static void on_ready_timeout(void *userdata) {
        client_say_ready(userdata);
}

static void on_watchdog(void *userdata _unused_) {
        service_watchdog();
}

/* A terminal that is gone says SIGHUP too. */
static void on_signal(uv_signal_t *handle, int signal_number) {
        Client *c = handle->data;
        ConfigList faults = {};

        if (signal_number == SIGHUP && c->is_daemon) {
                (void) client_reload(c, &faults);
                config_list_done(&faults);
        } else
                client_stop(c, EXIT_SUCCESS);
}

/* Once they are closed, a further signal has its default action: it ends us at once. */
static int client_init_signals(Client *c) {
        static const int numbers[ELEMENTSOF(c->signals)] = { SIGINT, SIGTERM, SIGHUP };

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                int r = uv_signal_init(&c->worker->loop, &c->signals[i]);

                if (r < 0)
                        return r;
                c->n_signals++;
                c->signals[i].data = c;
                r = uv_signal_start(&c->signals[i], on_signal, numbers[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int client_init_timers(Client *c) {
        uint64_t watchdog = service_watchdog_usec();
        int r = timer_new(&c->retry, c->worker, on_retry, c);

        if (r >= 0)
                r = timer_new(&c->retry_refused, c->worker, on_retry_refused, c);
        if (r >= 0)
                r = timer_new_after(&c->ready, c->worker, READY_TIMEOUT_USEC, on_ready_timeout, c);
        if (r >= 0)
                r = network_watch_new(&c->network, c->worker, on_network_change, c);
        if (r >= 0 && watchdog > 0) {
                r = timer_new(&c->watchdog, c->worker, on_watchdog, c);
                if (r >= 0)
                        timer_start_every(c->watchdog, watchdog);
        }
        return r;
}

/* The classic transport has no place for them. */
static int client_init_siblings(Client *c) {
        SiblingParams params = {
                .tunnels = &c->tunnels,
                .report = &c->report,
                .records = c->records,
                .instance = c->instance,
        };
        uint8_t bytes[INSTANCE_BYTES];

        random_bytes(bytes, sizeof(bytes));
        hex_encode(bytes, sizeof(bytes), c->instance);
        if (c->config->n_connections == 1 || streq(c->config->transport, "classic"))
                return 0;
        return siblings_new(&c->siblings, (unsigned) c->config->n_connections - 1, &params);
}

static int client_init(Client *c) {
        _cleanup_free_ char *why = NULL;
        int r = worker_new(&c->worker, 0);

        if (r >= 0)
                r = file_service_new(&c->files, c->worker);
        if (r >= 0)
                r = client_config_prepare(c->config, c->files, &why);
        if (r < 0) {
                report_error(&c->report, NULL, why ? why : strerror(-r));
                return r;
        }
        r = health_new(&c->health, c->worker, on_health_change, c);
        if (r >= 0)
                r = health_watch(c->health, c->config->tunnels, c->config->n_tunnels);
        if (r >= 0)
                r = tunnels_init(&c->tunnels, c->config->tunnels, c->config->n_tunnels);
        if (r >= 0 && c->config->inspect)
                r = records_new(&c->records, c->worker);
        if (r >= 0)
                r = visitors_new(&c->visitors, c->worker, &c->tunnels, &c->report, c->records);
        if (r >= 0)
                r = client_init_siblings(c);
        if (r >= 0)
                r = client_open_identity(c);
        if (r >= 0)
                r = client_init_signals(c);
        if (r >= 0)
                r = client_init_timers(c);
        if (r < 0)
                report_error(&c->report, NULL, strerror(-r));
        return r;
}

int client_run(ClientConfig *config, const Options *options, bool daemon, ReportMode mode) {
        Client c = {
                .config = config,
                .options = options,
                .report = { .mode = mode, .fd = STDOUT_FILENO, .lock = PTHREAD_MUTEX_INITIALIZER },
                .lost = { RECONNECT_MIN_USEC, RECONNECT_MAX_USEC, 0 },
                .refused = { .max_usec = REFUSED_MAX_USEC },
                .is_daemon = daemon,
                .exit_status = CLIENT_EXIT_FAILURE,
        };

        if (client_init(&c) >= 0) {
                client_open_screen(&c);
                client_open_control(&c);
                client_open_inspector(&c);
                client_connect(&c);
                worker_run(c.worker);
        }
        client_close(&c);
        worker_free(c.worker);
        screen_free(c.screen);
        file_service_free(c.files);
        records_free(c.records); /* its mail may have been under way */
        tunnels_done(&c.tunnels);
        identity_free(c.identity);
        free(c.client_id);
        changes_done(&c.changes);
        client_config_free(c.config);
        return c.exit_status;
}
