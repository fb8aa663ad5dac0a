/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/reload.h"

#include <errno.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/service.h"
#include "base/str.h"
#include "server/auth-method.h"
#include "server/koding-online.h"
#include "server/login.h"
#include "server/metrics-service.h"
#include "server/revoke.h"
#include "server/tunnel-request.h"

/*   prepare: load, make credentials, bind, read the tokens ──something is wrong──► undo, the old one stays
 *      └──► apply, which can't fail: registry, auth, metrics, a mail to each shard */

typedef struct SnapshotMail {
        Mail mail;
        Snapshot *snapshot; /* a reference */
} SnapshotMail;

typedef struct Reload {
        Server *server;
        Snapshot *snapshot;    /* a reference */
        Auth *auth;            /* owned */
        HttpService *metrics;  /* owned */
        AccessLog *access_log; /* owned */
        bool moves_metrics;
        SnapshotMail **mails; /* owned, n_mails of them: one a shard */
        unsigned n_mails;
} Reload;

/* ---- all shards ---- */

static void on_snapshot(Worker *w, Mail *mail) {
        SnapshotMail *m = container_of(mail, SnapshotMail, mail);

        shard_set_snapshot(shard_of(w), m->snapshot);
        free(m);
}

static int reload_make_mails(Reload *l) {
        l->mails = new0(SnapshotMail *, l->server->n_shards);
        if (!l->mails)
                return -ENOMEM;
        for (; l->n_mails < l->server->n_shards; l->n_mails++) {
                l->mails[l->n_mails] = new0(SnapshotMail, 1);
                if (!l->mails[l->n_mails])
                        return -ENOMEM;
        }
        return 0;
}

/* The snapshot is in force. */
static void reload_set_snapshot(Reload *l) {
        Server *s = l->server;

        while (l->n_mails > 0) {
                SnapshotMail *m = l->mails[--l->n_mails];

                m->snapshot = snapshot_ref(l->snapshot);
                worker_post(s->shards[l->n_mails].worker, &m->mail, on_snapshot);
        }
        snapshot_unref(s->snapshot);
        s->snapshot = TAKE_PTR(l->snapshot);
        s->certificate_day = 0;
}

static void reload_done(Reload *l) {
        while (l->n_mails > 0)
                free(l->mails[--l->n_mails]);
        free(l->mails);
        http_service_free(l->metrics);
        access_log_free(l->access_log);
        auth_free(l->auth);
        snapshot_unref(l->snapshot);
}

/* ---- prepare ---- */

static int reload_prepare_metrics(Reload *l, ConfigList *faults) {
        const char *older = l->server->snapshot->config->metrics_listen;
        const char *where = l->snapshot->config->metrics_listen;
        int r, none = -1;

        l->moves_metrics = !str_equal(older, where);
        if (!l->moves_metrics)
                return 0;
        r = metrics_service_new(&l->metrics, l->server, where, &none);
        if (r < 0)
                (void) config_list_take(faults, str_format("Can't listen on %s: %s", where, strerror(-r)));
        return r;
}

static int reload_prepare_access_log(Reload *l, ConfigList *faults) {
        const char *target = l->snapshot->config->access_log;
        int r = access_log_new(&l->access_log, target);

        if (r < 0)
                (void) config_list_take(faults,
                                        str_format("Can't open the access log %s: %s", target, strerror(-r)));
        return r;
}

/* Both are tried, so that all that is wrong is told. */
static int reload_use(Reload *l, ServerConfig *config, ConfigList *faults) {
        Server *s = l->server;
        int a = auth_method_new(&l->auth, s->main, config, faults);
        int r = snapshot_new(&l->snapshot, config, s->snapshot, NULL, &s->dev_ca, faults);

        return a < 0 ? a : r;
}

static int reload_prepare(Reload *l, ConfigList *faults) {
        const ServerOptions *o = l->server->options;
        ServerConfig config = {};
        int r = server_config_load(&config, &o->paths, o->settings, o->n_settings, o->dev, faults);

        if (r < 0)
                server_config_done(&config);
        else
                r = reload_use(l, &config, faults);
        if (r >= 0)
                r = reload_prepare_metrics(l, faults);
        if (r >= 0)
                r = reload_prepare_access_log(l, faults);
        return r < 0 ? r : reload_make_mails(l);
}

/* ---- apply ---- */

static void on_user_unknown(User *user, void *userdata) {
        Server *s = userdata;

        registry_revoke(s->registry, user->name, NULL, clock_usec());
}

/* Whom others have let in must prove anew who it is, and may be somebody else then. */
static void forget_users(Server *s) {
        User *user;

        login_cancel_all(s);
        tunnel_request_cancel_all(s);
        while ((user = registry_any_user(s->registry))) {
                revoke_user(s, user, NULL, "the server asks otherwise now who its clients are");
                user_unref(user);
        }
        auth_set_known_fn(s->auth, on_user_unknown, s); /* what was kept for those who aren't here */
}

static void reload_apply_auth(Reload *l) {
        Server *s = l->server;

        if (l->snapshot->trust != s->snapshot->trust)
                forget_users(s);
        s->auth = auth_replace(s->auth, TAKE_PTR(l->auth));
        server_listen_to_auth(s);
}

static void reload_apply(Reload *l) {
        Server *s = l->server;
        RegistryOptions options = snapshot_registry_options(l->snapshot);

        registry_set_options(s->registry, &options);
        reload_apply_auth(l);
        if (l->moves_metrics) {
                http_service_free(s->metrics);
                s->metrics = TAKE_PTR(l->metrics);
        }
        access_log_replace(s->access_log, TAKE_PTR(l->access_log));
        if (server_wanted_shards(l->snapshot->config) != s->n_shards)
                log_warning("server.workers takes effect after a restart");
        reload_set_snapshot(l);
}

/* ---- credentials ---- */

static const char *credential_file(const Server *s, size_t i) {
        const ServerConfig *c = s->snapshot->config;
        const char *const files[SERVER_CREDENTIALS_MAX] = { c->certificate, c->key, c->client_ca,
                                                            c->visitor_ca, c->tls_directory };

        return files[i];
}

void reload_watch_credentials(Server *s) {
        for (size_t i = 0; i < SERVER_CREDENTIALS_MAX; i++)
                file_watch_use(&s->credentials[i], credential_file(s, i));
}

/* Certificate and key change one after the other: true once all stand still. */
static bool credentials_have_changed(Server *s) {
        bool changed = false, settled = true;

        for (size_t i = 0; i < SERVER_CREDENTIALS_MAX; i++) {
                int r = file_watch_look(&s->credentials[i], credential_file(s, i));

                changed = changed || r > 0;
                settled = settled && r >= 0;
        }
        return changed && settled;
}

void reload_look_at_credentials(Server *s) {
        Reload l = { .server = s };
        ConfigList faults = {};
        int r;

        if (!credentials_have_changed(s))
                return;
        reload_watch_credentials(s);
        r = snapshot_new_credentials(&l.snapshot, s->snapshot, &s->dev_ca, &faults);
        if (r >= 0)
                r = reload_make_mails(&l);
        if (r >= 0) {
                reload_set_snapshot(&l);
                log_info("Read the certificates again: they have changed");
        } else {
                server_log_faults(&faults);
                log_error("The certificates that were read before stay in use");
        }
        reload_done(&l);
        config_list_done(&faults);
}

/* ---- all of it ---- */

static void refuse(const ConfigList *faults, int error) {
        server_log_faults(faults);
        log_error("The new configuration is refused, the running one stays");
        service_status("The new configuration is refused, the running one stays: %s",
                       faults->n > 0 ? faults->items[0] : strerror(-error));
        service_ready();
}

int server_reload(Server *s, char **ret_why) {
        Reload l = { .server = s };
        ConfigList faults = {};
        int r;

        if (s->stopper) {
                *ret_why = strdup("The server is about to stop, and reads no configuration any more");
                return -ESHUTDOWN;
        }
        if (s->upgrade) {
                *ret_why = strdup("The server is about to hand over to a new process; try again");
                return -EBUSY;
        }
        service_reloading();
        r = reload_prepare(&l, &faults);
        if (r >= 0) {
                reload_apply(&l);
                log_struct(LOG_INFO, LOG_FIELDS({ "PGROK_EVENT", "reloaded" }),
                           "The configuration was read again");
                watchdog_renew_status(s->watchdog); /* of a refusal before */
                service_ready();
        } else {
                refuse(&faults, r);
                *ret_why = config_list_join(&faults);
        }
        reload_done(&l);
        config_list_done(&faults);
        return r;
}
