/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/metrics-service.h"

#include <errno.h>

#include "base/str.h"
#include "net/http-service.h"
#include "server/gather.h"
#include "server/visitor.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Owns TEXT; NULL: memory is out. */
static void answer_text(HttpExchange *x, unsigned status, const char *type, char *text) {
        http_exchange_answer(x, &(HttpAnswer) { .status = text ? status : 500,
                                               .content_type = type,
                                               .body = text,
                                               .body_length = text ? strlen(text) : 0 });
}

typedef struct Scrape {
        HttpExchange *exchange; /* borrowed; NULL: nobody waits any more */
} Scrape;

static void on_scrape_gone(void *userdata) {
        Scrape *scrape = userdata;

        scrape->exchange = NULL;
}

/* Both in one moment of the shard, so that no byte is counted twice when a relay ends. */
static void on_collect_metrics(Shard *sh, void *part, const void *userdata _unused_) {
        metrics_add(part, &sh->metrics);
        visitor_add_bytes(sh, part);
}

static void count_tunnels(Server *s, MetricsOfServer *ret) {
        Tunnel **tunnels;
        size_t n;

        if (registry_list_tunnels(s->registry, &tunnels, &n) < 0)
                return;
        for (size_t i = 0; i < n; i++) {
                ret->tunnels[tunnels[i]->protocol]++;
                tunnel_unref(tunnels[i]);
        }
        free(tunnels);
}

static void on_metrics(Server *s, void *parts, unsigned n, void *userdata) {
        MetricsOfServer of_server = { .auth_failures = s->n_auth_failures };
        const Metrics *shards = parts;
        Scrape *scrape = userdata;
        RegistryCounts counts;
        Metrics sum = {};

        for (unsigned i = 0; i < n; i++)
                metrics_add(&sum, &shards[i]);
        registry_count(s->registry, &counts);
        of_server.clients = counts.clients;
        count_tunnels(s, &of_server);
        if (scrape->exchange)
                answer_text(scrape->exchange, 200, METRICS_TYPE, metrics_format(&sum, &of_server));
        free(scrape);
}

static void scrape_start(Server *s, HttpExchange *x) {
        Scrape *scrape = new0(Scrape, 1);

        if (!scrape || gather_start(s, sizeof(Metrics), on_collect_metrics, on_metrics, scrape) < 0) {
                free(scrape);
                answer_text(x, 500, METRICS_TYPE, NULL);
                return;
        }
        scrape->exchange = x;
        http_exchange_wait(x, on_scrape_gone, scrape);
}

static void on_metrics_request(HttpExchange *x, const HttpRequest *r, void *userdata) {
        static const char plain[] = "text/plain; charset=utf-8";
        Server *s = userdata;

        if (!streq(r->method, "GET"))
                answer_text(x, 405, plain, strdup("Only GET and HEAD are possible here\n"));
        else if (streq(r->path, "/metrics"))
                scrape_start(s, x);
        else if (streq(r->path, "/healthz"))
                answer_text(x, s->stopper ? 503 : 200, plain, strdup(s->stopper ? "draining\n" : "ok\n"));
        else
                answer_text(x, 404, plain, strdup("There are /metrics and /healthz\n"));
}

/* FD listens at ADDRESS, or at a port that was chosen there. */
static bool listens_at(int fd, const Address *address) {
        Address bound;

        return fd >= 0 && address_of_socket(fd, &bound) >= 0 && address_covers(address, &bound);
}

int metrics_service_new(HttpService **ret, Server *s, const char *where, int *fd) {
        Address address;
        int r;

        if (str_is_empty(where)) {
                *ret = NULL;
                return 0;
        }
        if (address_parse(where, &address) < 0)
                return -EINVAL; /* the configuration was checked */
        if (!listens_at(*fd, &address))
                return http_service_new_tcp(ret, s->main, &address, on_metrics_request, s);
        r = http_service_new_socket(ret, s->main, *fd, NULL, on_metrics_request, s);
        if (r >= 0)
                *fd = -1;
        return r;
}
