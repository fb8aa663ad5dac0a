/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is counted. Each shard counts for itself, on its own thread, so that counting costs nothing worth
 * mentioning; who wants to know adds up. */

#include <stdint.h>

#include "server/tunnel.h"

#define METRICS_STATUS_MIN 100
#define METRICS_STATUS_MAX 599
#define METRICS_BUCKETS 11 /* of the histogram, without +Inf */

typedef struct Metrics {
        uint64_t connections[TUNNEL_PROTOCOL_MAX]; /* of visitors, open now */
        uint64_t connections_total[TUNNEL_PROTOCOL_MAX];
        uint64_t bytes_in, bytes_out; /* relayed from visitors, and to them */
        uint64_t requests[METRICS_STATUS_MAX - METRICS_STATUS_MIN + 1];
        uint64_t request_buckets[METRICS_BUCKETS + 1]; /* each without those below it */
        uint64_t request_usec;
} Metrics;

/* An http request was answered with STATUS after that time. loop: the shard's */
void metrics_request(Metrics *m, unsigned status, uint64_t duration_usec);

/* Adds what PART counts to SUM. */
void metrics_add(Metrics *sum, const Metrics *part);

/* What main knows. */
typedef struct MetricsOfServer {
        uint64_t clients;
        uint64_t tunnels[TUNNEL_PROTOCOL_MAX];
        uint64_t auth_failures;
} MetricsOfServer;

/* All of it in Prometheus' text format 0.0.4, with what the process uses; owned by the caller, or NULL when
 * memory is out. */
char *metrics_format(const Metrics *m, const MetricsOfServer *s);
