/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/watchdog.h"

#include <errno.h>

#include "base/parse.h"
#include "base/service.h"
#include "server/gather.h"

#define WATCHDOG_STATUS_USEC (5 * USEC_PER_SEC) /* at most; more often if systemd wants to hear of us */
#define STATUS_TEXT_MAX 128

struct Watchdog {
        Server *server;               /* borrowed */
        Timer *timer;                 /* owned */
        char status[STATUS_TEXT_MAX]; /* as told last */
};

static void on_watchdog_collect(Shard *sh, void *part, const void *userdata _unused_) {
        *(uint64_t*) part = sh->n_visitors;
}

static void watchdog_tell_status(Watchdog *w, uint64_t n_connections) {
        char status[STATUS_TEXT_MAX];
        RegistryCounts counts;

        registry_count(w->server->registry, &counts);
        snprintf(status, sizeof(status), "%u client%s, %u tunnel%s, %llu connection%s", counts.clients,
                 counts.clients == 1 ? "" : "s", counts.tunnels, counts.tunnels == 1 ? "" : "s",
                 (unsigned long long) n_connections, n_connections == 1 ? "" : "s");
        if (strcmp(status, w->status) == 0)
                return;
        strcpy(w->status, status);
        service_status("%s", status);
}

/* All workers have answered. */
static void on_watchdog_answered(Server *s, void *parts, unsigned n, void *userdata _unused_) {
        const uint64_t *n_visitors = parts;
        uint64_t sum = 0;

        service_watchdog();
        for (unsigned i = 0; i < n; i++)
                sum += n_visitors[i];
        if (s->watchdog && !s->stopper) /* a stop has its own status */
                watchdog_tell_status(s->watchdog, sum);
}

static void on_watchdog_timer(void *userdata) {
        Watchdog *w = userdata;

        (void) gather_start(w->server, sizeof(uint64_t), on_watchdog_collect, on_watchdog_answered, NULL);
}

int watchdog_new(Watchdog **ret, Server *server) {
        uint64_t usec = service_watchdog_usec();
        Watchdog *w;
        int r;

        if (!service_is_supervised())
                return 0;
        w = new0(Watchdog, 1);
        if (!w)
                return -ENOMEM;
        w->server = server;
        r = timer_new(&w->timer, server->main, on_watchdog_timer, w);
        if (r < 0) {
                free(w);
                return r;
        }
        timer_start_every(w->timer, usec > 0 ? MIN(usec, WATCHDOG_STATUS_USEC) : WATCHDOG_STATUS_USEC);
        *ret = w;
        return 0;
}

void watchdog_renew_status(Watchdog *w) {
        if (w)
                w->status[0] = '\0';
}

Watchdog *watchdog_free(Watchdog *w) {
        if (!w)
                return NULL;
        timer_free(w->timer);
        free(w);
        return NULL;
}
