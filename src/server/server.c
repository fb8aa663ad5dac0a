/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/server.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/service.h"
#include "base/str.h"
#include "server/auth-method.h"
#include "server/control.h"
#include "server/expiry.h"
#include "server/koding-online.h"
#include "server/login.h"
#include "server/metrics-service.h"
#include "server/predecessor.h"
#include "server/reload.h"
#include "server/revoke.h"
#include "server/stopper.h"
#include "server/tunnel-request.h"
#include "server/upgrade.h"
#include "server/visitor.h"

#define SWEEP_USEC USEC_PER_SEC
#define STOP_MARGIN_USEC (10 * USEC_PER_SEC) /* for what a stop does besides waiting */

/* ---- what main keeps ---- */

unsigned server_choose_shard(const Server *s, const char *client_id, unsigned number) {
        unsigned best = 0, best_own = UINT_MAX;

        for (unsigned i = 0; i < s->n_shards; i++) {
                unsigned own = registry_count_on(s->registry, client_id, i, number);

                if (own > best_own || (own == best_own && s->shards[i].n_placed >= s->shards[best].n_placed))
                        continue;
                best = i;
                best_own = own;
        }
        return best;
}

void server_session_began(Server *s, unsigned shard) {
        s->shards[shard].n_placed++;
}

static void on_server_sweep(void *userdata) {
        Server *s = userdata;

        if (!registry_sweep(s->registry, clock_usec()))
                timer_stop(s->sweep);
}

void server_session_ended(Server *s, unsigned shard) {
        s->shards[shard].n_placed--;
        server_update_sweep(s);
}

void server_update_sweep(Server *s) {
        if (s->sweep)
                timer_start_every(s->sweep, SWEEP_USEC);
}

static void on_retry_parked(Worker *w, Mail *mail) {
        visitor_retry_parked(shard_of(w));
        free(mail);
}

/* Without memory they wait for their timeout. */
void server_retry_parked(const Server *s) {
        for (unsigned i = 0; i < s->n_shards; i++) {
                Mail *mail = new0(Mail, 1);

                if (mail)
                        worker_post(s->shards[i].worker, mail, on_retry_parked);
        }
}

/* ---- signals and the end ---- */

void server_end(Server *s) {
        for (size_t i = 0; i < SERVER_SIGNALS_MAX; i++) {
                int number = s->signals[i].signum; /* 0 once it is closed */

                uv_close((uv_handle_t*) &s->signals[i], NULL);
                (void) signal(number, SIG_IGN); /* this is the end already, and an orderly one */
        }
        s->sweep = timer_free(s->sweep);
        s->watch = timer_free(s->watch);
        login_cancel_all(s);
        tunnel_request_cancel_all(s);
        s->auth = auth_free(s->auth); /* what it has on the loop would keep that alive */
        registry_set_change_fn(s->registry, NULL, NULL);
        registry_set_port_fn(s->registry, NULL, NULL);
        s->state = state_free(s->state);
        predecessors_done(s);
        worker_end(s->main);
}

void server_close_services(Server *s) {
        s->watchdog = watchdog_free(s->watchdog);
        s->control = http_service_free(s->control);
        s->metrics = http_service_free(s->metrics);
}

int server_drain(Server *s) {
        int r;

        if (s->stopper)
                return 0;
        r = stopper_new(&s->stopper, s, s->snapshot->config->drain_usec);
        if (r < 0)
                return r;
        s->draining = true;
        log_info("Draining: no new clients and visitors, and an end with the last visitor");
        service_status("Draining"); /* not STOPPING: systemd would allow it less time */
        return 0;
}

static void server_stop(Server *s, int signal) {
        upgrade_cancel(s);
        if (s->stopper && !s->draining) {
                stopper_hurry(s->stopper);
                return;
        }
        log_info("Stopping because of %s", strsignal(signal));
        service_stopping();
        service_extend_timeout(s->snapshot->config->stop_usec + STOP_MARGIN_USEC);
        if (s->draining) {
                s->draining = false;
                stopper_limit(s->stopper, s->snapshot->config->stop_usec);
        } else if (stopper_new(&s->stopper, s, s->snapshot->config->stop_usec) < 0)
                _exit(EXIT_FAILURE); /* no memory to stop in an orderly way */
}

static void on_server_signal(uv_signal_t *handle, int signal) {
        _cleanup_free_ char *why = NULL;

        if (signal == SIGHUP)
                (void) server_reload(handle->data, &why); /* logs */
        else if (signal != SIGUSR2)
                server_stop(handle->data, signal);
        else if (upgrade_start(handle->data, NULL, &why) < 0)
                log_error("There is no upgrade: %s", why ? why : "Out of memory");
}

static int server_catch_signals(Server *s) {
        static const int signals[SERVER_SIGNALS_MAX] = { SIGTERM, SIGINT, SIGHUP, SIGUSR2 };

        for (size_t i = 0; i < SERVER_SIGNALS_MAX; i++) {
                uv_signal_init(&s->main->loop, &s->signals[i]);
                s->signals[i].data = s;
        }
        for (size_t i = 0; i < SERVER_SIGNALS_MAX; i++) {
                int r = uv_signal_start(&s->signals[i], on_server_signal, signals[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- start ---- */

void server_log_faults(const ConfigList *faults) {
        for (size_t i = 0; i < faults->n; i++)
                log_error("%s", faults->items[i]);
}

static int server_set_up_snapshot(Server *s, ServerConfig *config) {
        ConfigList faults = {};
        int r = snapshot_new(&s->snapshot, config, NULL, s->inherited, &s->dev_ca, &faults);

        if (r < 0 && faults.n > 0)
                predecessor_refuse(s->inherited, faults.items[0]);
        server_log_faults(&faults);
        config_list_done(&faults);
        return r;
}

static void on_server_watch(void *userdata) {
        Server *s = userdata;

        auth_poll(s->auth);
        revoke_expired(s);
        expiry_check(s);
        log_kinds_tell(&s->log_kinds);
        if (!s->stopper)
                reload_look_at_credentials(s);
}

static void on_user_revoked(User *user, User *successor, const char *why, void *userdata) {
        revoke_user(userdata, user, successor, why);
}

void server_listen_to_auth(Server *s) {
        auth_set_revoked_fn(s->auth, on_user_revoked, s);
        auth_set_known_fn(s->auth, koding_on_known, s);
}

static int server_set_up_auth(Server *s) {
        ConfigList faults = {};
        int r = auth_method_new(&s->auth, s->main, s->snapshot->config, &faults);

        if (r >= 0)
                r = attempts_new(&s->attempts);
        if (r >= 0)
                r = crowd_new(&s->crowd);
        if (r >= 0)
                r = guard_new(&s->guard);
        if (r >= 0)
                r = timer_new(&s->watch, s->main, on_server_watch, s);
        if (r >= 0)
                timer_start_every(s->watch, AUTH_POLL_USEC);
        server_log_faults(&faults);
        config_list_done(&faults);
        return r;
}

static int server_set_up_access_log(Server *s) {
        const char *target = s->snapshot->config->access_log;
        int r = access_log_new(&s->access_log, target);

        if (r < 0)
                log_error("Can't open the access log %s: %s", target, strerror(-r));
        return r;
}

static int server_set_up_registry(Server *s) {
        RegistryOptions options = snapshot_registry_options(s->snapshot);

        return registry_new(&s->registry, &options);
}

unsigned server_wanted_shards(const ServerConfig *c) {
        return c->n_workers > 0 ? (unsigned) c->n_workers : uv_available_parallelism();
}

static int server_make_shards(Server *s) {
        unsigned n = server_wanted_shards(s->snapshot->config);

        s->shards = new0(Shard, n);
        if (!s->shards)
                return -ENOMEM;
        for (; s->n_shards < n; s->n_shards++) {
                Shard *sh = &s->shards[s->n_shards];
                int r = worker_new(&sh->worker, s->n_shards);

                if (r < 0)
                        return r;
                sh->worker->userdata = sh;
                sh->server = s;
                sh->snapshot = snapshot_ref(s->snapshot);
        }
        return 0;
}

/* Visitors need a descriptor each, and their streams another. */
static void raise_descriptor_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
}

/* A port that is listened on once stays so over a restart: visitors wait instead of being refused. */
static void on_port_changed(uint16_t port, int fd, void *userdata _unused_) {
        char name[INHERITED_NAME_MAX];

        if (fd >= 0)
                service_keep_socket(inherited_port_name(port, name), fd);
        else
                service_forget_socket(inherited_port_name(port, name));
}

static void on_registry_changed(void *userdata) {
        state_changed(userdata);
}

/* Without a usable state folder we go on: only names and ports may change after a restart. */
static void server_open_state(Server *s) {
        _cleanup_free_ char *folder = state_folder(), *why = NULL;

        if (!folder) {
                log_warning("There is no state folder: set HOME or XDG_STATE_HOME, ignoring");
                return;
        }
        if (state_open(&s->state, s->main, folder, s->inherited->fds[INHERITED_STATE], s->registry, &why) <
            0) {
                log_warning("%s; names and ports may change after a restart, ignoring",
                            why ? why : "Out of memory");
                return;
        }
        s->inherited->fds[INHERITED_STATE] = -1;
        state_load(s->state, inherited_take_port, s->inherited);
        registry_set_change_fn(s->registry, on_registry_changed, s->state);
        server_update_sweep(s);
}

static int server_set_up_metrics(Server *s) {
        const char *where = s->snapshot->config->metrics_listen;
        int r = metrics_service_new(&s->metrics, s, where, &s->inherited->fds[INHERITED_METRICS]);

        if (r < 0)
                log_error("Can't listen on %s: %s", where, strerror(-r));
        return r;
}

/* A predecessor has everything to itself until here. */
static int server_take_state(Server *s) {
        int r = predecessor_await_state(s->inherited);

        if (r < 0)
                return r;
        if (service_is_supervised())
                registry_set_port_fn(s->registry, on_port_changed, NULL);
        server_open_state(s);
        return 0;
}

static int server_set_up(Server *s, ServerConfig *config) {
        int r = worker_new(&s->main, UINT_MAX);

        raise_descriptor_limit();
        if (r < 0)
                return r;
        s->main->userdata = s;
        r = server_set_up_snapshot(s, config);
        if (r >= 0)
                r = server_set_up_access_log(s);
        if (r >= 0)
                r = server_set_up_auth(s);
        if (r >= 0)
                r = server_set_up_registry(s);
        if (r >= 0)
                r = timer_new(&s->sweep, s->main, on_server_sweep, s);
        if (r >= 0)
                r = server_set_up_metrics(s);
        if (r >= 0)
                r = server_take_state(s);
        if (r < 0)
                return r;
        server_listen_to_auth(s);
        reload_watch_credentials(s);
        return server_make_shards(s);
}

static void on_shard_start(Worker *w, Mail *mail) {
        free(mail);
        shard_update_listeners(shard_of(w));
}

static int server_start_shards(Server *s) {
        for (unsigned i = 0; i < s->n_shards; i++) {
                Mail *start = new0(Mail, 1);
                int r;

                if (!start)
                        return -ENOMEM;
                worker_post(s->shards[i].worker, start, on_shard_start);
                r = worker_start(s->shards[i].worker);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* "http=ADDR:PORT,ADDR:PORT", or "" when there is none. */
static void describe_sockets(const Snapshot *s, ListenerKind kind, const char *name, char *ret, size_t size) {
        char address[ADDRESS_TEXT_MAX];
        size_t n = 0;

        ret[0] = '\0';
        for (unsigned i = 0; i < s->n_sockets && n < size; i++)
                if (s->sockets[i].kind == kind)
                        n += (size_t) snprintf(ret + n, size - n, "%s%s%s", n == 0 ? name : ",",
                                               n == 0 ? "=" : "",
                                               address_format(&s->sockets[i].socket->address, address));
}

static void describe_metrics(const Server *s, char *ret, size_t size) {
        char address[ADDRESS_TEXT_MAX];

        ret[0] = '\0';
        if (s->metrics)
                snprintf(ret, size, " metrics=%s", address_format(http_service_address(s->metrics), address));
}

static void server_tell_ready(const Server *s) {
        char http[512], https[512], tunnel[512], metrics[512];

        describe_sockets(s->snapshot, LISTEN_HTTP, " http", http, sizeof(http));
        describe_sockets(s->snapshot, LISTEN_HTTPS, " https", https, sizeof(https));
        describe_sockets(s->snapshot, LISTEN_TUNNEL, " tunnel", tunnel, sizeof(tunnel));
        describe_metrics(s, metrics, sizeof(metrics));
        printf("Ready: domain=%s%s%s%s%s\n", s->snapshot->config->domain, http, https, tunnel, metrics);
        fflush(stdout);
        log_struct(LOG_INFO, LOG_FIELDS({ "PGROK_EVENT", "ready" }), "Ready: domain=%s%s%s%s%s",
                   s->snapshot->config->domain, http, https, tunnel, metrics);
        service_ready();
}

void server_close_sockets(Server *s) {
        snapshot_close_sockets(s->snapshot);
        registry_close_ports(s->registry);
}

static void server_done(Server *s) {
        guard_free(s->guard); /* its threads post to workers */
        for (unsigned i = 0; i < s->n_shards; i++) {
                worker_free(s->shards[i].worker);
                snapshot_unref(s->shards[i].snapshot);
        }
        free(s->shards);
        safe_close(s->successor_fd);
        stopper_free(s->stopper); /* its mail was the shards' last */
        server_close_services(s);
        timer_free(s->sweep);
        timer_free(s->watch);
        auth_free(s->auth);
        attempts_free(s->attempts);
        crowd_free(s->crowd);
        access_log_free(s->access_log);
        state_free(s->state);
        registry_free(s->registry);
        snapshot_unref(s->snapshot);
        dev_ca_free(s->dev_ca);
        worker_free(s->main);
}

/* What of the inherited is nobody's any more is let go, which systemd understands of its main process only. */
static void server_take_over(Server *s) {
        control_open(s);
        predecessor_await_leave(s->inherited);
        predecessors_open(s);
        inherited_done(s->inherited);
        expiry_check(s);
        if (watchdog_new(&s->watchdog, s) < 0)
                log_warning("Out of memory: systemd is not told how we are, ignoring");
        server_tell_ready(s);
}

static int server_fail(Server *s, int error) {
        log_error("Can't start: %s", strerror(-error));
        if (has_predecessor(s->inherited))
                predecessor_refuse(s->inherited, strerror(-error));
        else
                service_failed(error);
        server_done(s);
        return EXIT_FAILURE;
}

int server_run(ServerConfig *config, const ServerOptions *options, Inherited *inherited) {
        Server s = {
                .options = options, .inherited = inherited, .started_usec = clock_usec(), .successor_fd = -1
        };
        int r;

        log_kinds_init(&s.log_kinds);
        r = server_set_up(&s, config);
        if (r < 0)
                return server_fail(&s, r);
        r = server_catch_signals(&s);
        if (r >= 0)
                r = server_start_shards(&s);
        if (r < 0) {
                log_error("Can't start: %s", strerror(-r));
                return EXIT_FAILURE; /* threads may run: leave everything to the kernel */
        }
        server_take_over(&s);
        worker_run(s.main);
        for (unsigned i = 0; i < s.n_shards; i++)
                worker_join(s.shards[i].worker);
        server_done(&s);
        log_info("Stopped");
        return EXIT_SUCCESS;
}
