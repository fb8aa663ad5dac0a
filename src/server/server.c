/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/server.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "net/mux.h"
#include "server/auth-method.h"
#include "server/control.h"
#include "server/koding-online.h"
#include "server/login.h"
#include "server/metrics-service.h"
#include "server/revoke.h"
#include "server/stopper.h"
#include "server/tunnel-request.h"
#include "server/visitor.h"

#define SWEEP_USEC USEC_PER_SEC

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
        for (size_t i = 0; i < SERVER_SIGNALS_MAX; i++)
                uv_close((uv_handle_t*) &s->signals[i], NULL);
        s->sweep = timer_free(s->sweep);
        s->watch = timer_free(s->watch);
        login_cancel_all(s);
        tunnel_request_cancel_all(s);
        s->auth = auth_free(s->auth); /* what it has on the loop would keep that alive */
        worker_end(s->main);
}

void server_close_services(Server *s) {
        s->control = http_service_free(s->control);
        s->metrics = http_service_free(s->metrics);
}

int server_drain(Server *s) {
        int r;

        if (s->stopper)
                return 0;
        r = stopper_new(&s->stopper, s, s->config->drain_usec);
        if (r < 0)
                return r;
        s->draining = true;
        log_info("Draining: no new clients and visitors, and an end with the last visitor");
        (void) sd_notify(0, "STATUS=Draining"); /* not STOPPING: systemd would allow it less time */
        return 0;
}

static void server_stop(Server *s, int signal) {
        if (s->stopper && !s->draining) {
                stopper_hurry(s->stopper);
                return;
        }
        log_info("Stopping because of %s", strsignal(signal));
        (void) sd_notify(0, "STOPPING=1");
        if (s->draining) {
                s->draining = false;
                stopper_limit(s->stopper, s->config->stop_usec);
        } else if (stopper_new(&s->stopper, s, s->config->stop_usec) < 0)
                _exit(EXIT_FAILURE); /* no memory to stop in an orderly way */
}

int server_reload(Server *s _unused_, char **ret_why) {
        *ret_why = strdup("This version reads its configuration at the start only; restart it for a new one");
        return -EOPNOTSUPP;
}

static void server_reload_and_log(Server *s) {
        _cleanup_free_ char *why = NULL;
        int r = server_reload(s, &why);

        if (r < 0)
                log_warning("%s", why ? why : strerror(-r));
}

static void on_server_signal(uv_signal_t *handle, int signal) {
        if (signal == SIGHUP)
                server_reload_and_log(handle->data);
        else
                server_stop(handle->data, signal);
}

static int server_catch_signals(Server *s) {
        static const int signals[SERVER_SIGNALS_MAX] = { SIGTERM, SIGINT, SIGHUP };

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

/* ---- sockets ---- */

static int server_bind_one(Server *s, ListenerKind kind, const char *where) {
        PublicSocket *socket = &s->sockets[s->n_sockets];
        Address address;
        int fd;

        if (s->n_sockets == SHARD_LISTENERS_MAX) {
                log_error("There are more than %u addresses to listen on", SHARD_LISTENERS_MAX);
                return -ENOBUFS;
        }
        if (address_parse(where, &address) < 0)
                return -EINVAL; /* the configuration was checked */
        fd = listener_bind(&address);
        if (fd < 0) {
                log_error("Can't listen on %s: %s", where, strerror(-fd));
                return fd;
        }
        *socket = (PublicSocket) { .fd = fd, .kind = kind };
        s->n_sockets++;
        return address_of_socket(fd, &socket->address);
}

static int server_bind(Server *s) {
        const ConfigList *lists[LISTEN_KIND_MAX] = {
                [LISTEN_HTTP] = &s->config->http_listen,
                [LISTEN_HTTPS] = &s->config->https_listen,
                [LISTEN_TUNNEL] = &s->config->tunnel_listen,
        };

        for (int kind = 0; kind < LISTEN_KIND_MAX; kind++)
                for (size_t i = 0; i < lists[kind]->n; i++)
                        if (lists[kind]->items[i][0] != '\0') {
                                int r = server_bind_one(s, (ListenerKind) kind, lists[kind]->items[i]);

                                if (r < 0)
                                        return r;
                        }
        return 0;
}

/* The first socket of that kind, or NULL. */
static const PublicSocket *server_socket(const Server *s, ListenerKind kind) {
        for (unsigned i = 0; i < s->n_sockets; i++)
                if (s->sockets[i].kind == kind)
                        return &s->sockets[i];
        return NULL;
}

/* The port that URLs say: of the first address. */
static uint16_t server_port(const Server *s, ListenerKind kind) {
        const PublicSocket *socket = server_socket(s, kind);

        return socket ? address_port(&socket->address) : 0;
}

/* ---- start ---- */

static int server_require_clients(Server *s, char **ret_why) {
        if (s->config->one_port && s->config->https_listen.n > 0)
                log_info("Clients connect to tunnel_listen only, since server.tls.client_ca is set: "
                         "one_port has no effect");
        return tls_server_require_client(s->tunnel_tls, s->config->client_ca, ret_why);
}

static int server_set_up_tls(Server *s) {
        static const char *const tunnel_alpn[] = { MUX_ALPN, NULL };
        static const char *const https_alpn[] = { "http/1.1", NULL };
        static const char *const one_port_alpn[] = { "http/1.1", MUX_ALPN, NULL };
        const ServerConfig *c = s->config;
        /* Visitors have no certificate, and a ticket of theirs must not pass for one. */
        const char *const *edge_alpn = c->one_port && !c->client_ca ? one_port_alpn : https_alpn;
        _cleanup_free_ char *why = NULL, *folder = NULL;
        int r;

        if (c->certificate) {
                r = tls_server_new_files(&s->tunnel_tls, c->certificate, c->key, tunnel_alpn, &why);
                if (r >= 0 && c->client_ca)
                        r = server_require_clients(s, &why);
                if (r >= 0)
                        r = tls_server_new_files(&s->https_tls, c->certificate, c->key, edge_alpn, &why);
        } else {
                folder = dev_ca_folder();
                r = folder ? dev_ca_new(&s->dev_ca, folder, &why) : -ENOMEM;
                if (r >= 0)
                        r = tls_server_new_select(&s->tunnel_tls, dev_ca_select, s->dev_ca, tunnel_alpn);
                if (r >= 0)
                        r = tls_server_new_select(&s->https_tls, dev_ca_select, s->dev_ca, edge_alpn);
        }
        if (r < 0)
                log_error("%s", why ? why : strerror(-r));
        return r;
}

static void on_server_watch(void *userdata) {
        Server *s = userdata;

        auth_poll(s->auth);
        revoke_expired(s);
}

static void on_user_revoked(User *user, User *successor, const char *why, void *userdata) {
        revoke_user(userdata, user, successor, why);
}

static int server_set_up_auth(Server *s) {
        ConfigList faults = {};
        int r = auth_method_new(&s->auth, s->main, s->config, &faults);

        if (r >= 0)
                r = attempts_new(&s->attempts);
        if (r >= 0)
                r = crowd_new(&s->crowd);
        if (r >= 0)
                r = timer_new(&s->watch, s->main, on_server_watch, s);
        if (r >= 0)
                timer_start_every(s->watch, AUTH_POLL_USEC);
        if (r >= 0)
                auth_set_revoked_fn(s->auth, on_user_revoked, s);
        for (size_t i = 0; i < faults.n; i++)
                log_error("%s", faults.items[i]);
        config_list_done(&faults);
        return r;
}

static int server_set_up_registry(Server *s) {
        const ServerConfig *c = s->config;
        const PublicSocket *http = server_socket(s, LISTEN_HTTP), *tunnel = server_socket(s, LISTEN_TUNNEL);
        RegistryOptions options = {
                .rules = {
                        .domain = c->domain,
                        .reserved = &c->reserved_names,
                        .http_port = server_port(s, LISTEN_HTTP),
                        .https_port = server_port(s, LISTEN_HTTPS),
                        .tcp_low = c->tcp_low,
                        .tcp_high = c->tcp_high,
                },
                .grace_usec = c->grace_usec,
                .park_usec = c->park_usec,
                .max_clients = c->max_clients,
                .max_tunnels_per_client = c->max_tunnels_per_client,
                .rate_per_tunnel = c->rate_per_tunnel,
        };

        /* tcp tunnels are for those who may reach the http tunnels */
        options.tcp_address = http ? http->address : tunnel->address;
        return registry_new(&s->registry, &options);
}

static int server_make_shards(Server *s) {
        unsigned n = s->config->n_workers > 0 ? (unsigned) s->config->n_workers : uv_available_parallelism();

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

static int server_set_up(Server *s) {
        int r;

        raise_descriptor_limit();
        r = worker_new(&s->main, UINT_MAX);
        if (r < 0)
                return r;
        s->main->userdata = s;
        r = server_set_up_auth(s);
        if (r >= 0)
                r = server_set_up_tls(s);
        if (r >= 0)
                r = server_bind(s);
        if (r >= 0)
                r = server_set_up_registry(s);
        if (r >= 0)
                auth_set_known_fn(s->auth, koding_on_known, s);
        if (r >= 0)
                r = timer_new(&s->sweep, s->main, on_server_sweep, s);
        if (r >= 0) {
                r = metrics_service_open(s);
                if (r < 0)
                        log_error("Can't listen on %s: %s", s->config->metrics_listen, strerror(-r));
        }
        return r < 0 ? r : server_make_shards(s);
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
static void describe_sockets(const Server *s, ListenerKind kind, const char *name, char *ret, size_t size) {
        char address[ADDRESS_TEXT_MAX];
        size_t n = 0;

        ret[0] = '\0';
        for (unsigned i = 0; i < s->n_sockets && n < size; i++)
                if (s->sockets[i].kind == kind)
                        n += (size_t) snprintf(ret + n, size - n, "%s%s%s", n == 0 ? name : ",",
                                               n == 0 ? "=" : "",
                                               address_format(&s->sockets[i].address, address));
}

static void describe_metrics(const Server *s, char *ret, size_t size) {
        char address[ADDRESS_TEXT_MAX];

        ret[0] = '\0';
        if (s->metrics)
                snprintf(ret, size, " metrics=%s", address_format(http_service_address(s->metrics), address));
}

static void server_tell_ready(const Server *s) {
        char http[512], https[512], tunnel[512], metrics[512];

        describe_sockets(s, LISTEN_HTTP, " http", http, sizeof(http));
        describe_sockets(s, LISTEN_HTTPS, " https", https, sizeof(https));
        describe_sockets(s, LISTEN_TUNNEL, " tunnel", tunnel, sizeof(tunnel));
        describe_metrics(s, metrics, sizeof(metrics));
        printf("Ready: domain=%s%s%s%s%s\n", s->config->domain, http, https, tunnel, metrics);
        fflush(stdout);
        log_struct(LOG_INFO, LOG_FIELDS({ "PGROK_EVENT", "ready" }), "Ready: domain=%s%s%s%s%s",
                   s->config->domain, http, https, tunnel, metrics);
        (void) sd_notify(0, "READY=1");
}

void server_close_sockets(Server *s) {
        for (unsigned i = 0; i < s->n_sockets; i++)
                s->sockets[i].fd = safe_close(s->sockets[i].fd);
        registry_close_ports(s->registry);
}

static void server_done(Server *s) {
        for (unsigned i = 0; i < s->n_shards; i++)
                worker_free(s->shards[i].worker);
        free(s->shards);
        stopper_free(s->stopper); /* its mail was the shards' last */
        server_close_services(s);
        timer_free(s->sweep);
        timer_free(s->watch);
        auth_free(s->auth);
        attempts_free(s->attempts);
        crowd_free(s->crowd);
        registry_free(s->registry);
        tls_server_unref(s->https_tls);
        tls_server_unref(s->tunnel_tls);
        dev_ca_free(s->dev_ca);
        for (unsigned i = 0; i < s->n_sockets; i++)
                safe_close(s->sockets[i].fd);
        worker_free(s->main);
}

int server_run(const ServerConfig *config, const ServerOptions *options) {
        Server s = { .config = config, .options = options, .started_usec = clock_usec() };
        int r = server_set_up(&s);

        if (r < 0) {
                log_error("Can't start: %s", strerror(-r));
                server_done(&s);
                return EXIT_FAILURE;
        }
        r = server_catch_signals(&s);
        if (r >= 0)
                r = server_start_shards(&s);
        if (r < 0) {
                log_error("Can't start: %s", strerror(-r));
                return EXIT_FAILURE; /* threads may run: leave everything to the kernel */
        }
        control_open(&s);
        server_tell_ready(&s);
        worker_run(s.main);
        for (unsigned i = 0; i < s.n_shards; i++)
                worker_join(s.shards[i].worker);
        server_done(&s);
        log_info("Stopped");
        return EXIT_SUCCESS;
}
