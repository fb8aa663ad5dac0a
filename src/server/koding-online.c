/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/koding-online.h"

#include <errno.h>

#include "base/log.h"
#include "base/str.h"
#include "server/server.h"
#include "server/tunnel-request.h"

typedef struct KodingOnline {
        Mail mail;
        SessionName session;
        char *client_id; /* owned */
        User *user;      /* a reference */
} KodingOnline;

static void koding_online_free(KodingOnline *k) {
        free(k->client_id);
        user_unref(k->user);
        free(k);
}

/* ---- main ---- */

/* TAKEN, and R < 0, are what went wrong. */
static void log_hosts(const User *user, int r, const ConfigList *taken) {
        for (size_t i = 0; i < taken->n; i++)
                log_struct(
                        LOG_WARNING, LOG_FIELDS({ "PGROK_EVENT", "refused" }, { "PGROK_USER", user->name }),
                        "The host %s of %s belongs to another user, ignoring", taken->items[i], user->name);
        if (r < 0)
                log_error("The hosts of %s can't be kept: %s", user->name, strerror(-r));
}

void koding_on_known(User *user, void *userdata) {
        Server *s = userdata;
        ConfigList taken = {};
        int r = registry_keep_hosts(s->registry, user, &taken);

        log_hosts(user, r, &taken);
        config_list_done(&taken);
}

static void on_koding_online(Worker *w, Mail *mail) {
        KodingOnline *k = container_of(mail, KodingOnline, mail);
        Server *s = w->userdata;
        ConfigList taken = {};
        int r = registry_attend(s->registry, k->client_id, k->session, &taken);

        server_retry_parked(s);
        log_hosts(k->user, r == -ESTALE ? 0 : r, &taken);
        config_list_done(&taken);
        koding_online_free(k);
}

/* ---- the session ---- */

/* Each port is asked for as any client would do it. */
static int ask_for_ports(Session *s) {
        const PortRanges *ports = &s->spec.user->policy.tcp_ports;
        MessageReqTunnel m = { .protocol = (char*) "tcp" };
        unsigned n = 0;
        int r = 0;

        for (size_t i = 0; i < ports->n; i++)
                for (uint32_t port = ports->items[i].low; port <= ports->items[i].high; port++) {
                        if (r < 0 || n++ == KODING_PORTS_MAX)
                                return r;
                        m.remote_port = (uint16_t) port;
                        r = tunnel_request_post(s, &m);
                }
        return r;
}

int koding_online_post(Session *s) {
        KodingOnline *k = new0(KodingOnline, 1);

        if (!k)
                return -ENOMEM;
        if (str_replace(&k->client_id, s->spec.client_id) < 0) {
                koding_online_free(k);
                return -ENOMEM;
        }
        k->session = (SessionName) { .worker = s->shard->worker->index, .id = s->spec.id };
        k->user = user_ref(s->spec.user);
        worker_post(s->shard->server->main, &k->mail, on_koding_online);
        return ask_for_ports(s);
}
