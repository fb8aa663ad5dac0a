/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/parse.h"

/* The name of a family stands before its samples once, with its help and type. */

static const uint64_t bucket_usec[METRICS_BUCKETS] = {
        5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};

void metrics_request(Metrics *m, unsigned status, uint64_t duration_usec) {
        unsigned bucket = 0;

        if (status < METRICS_STATUS_MIN || status > METRICS_STATUS_MAX)
                return;
        while (bucket < METRICS_BUCKETS && duration_usec > bucket_usec[bucket])
                bucket++;
        m->requests[status - METRICS_STATUS_MIN]++;
        m->request_buckets[bucket]++;
        m->request_usec += duration_usec;
}

void metrics_add(Metrics *sum, const Metrics *part) {
        const uint64_t *from = (const uint64_t*) part;
        uint64_t *to = (uint64_t*) sum;

        _Static_assert(sizeof(Metrics) % sizeof(uint64_t) == 0, "Metrics has counters only");
        for (size_t i = 0; i < sizeof(Metrics) / sizeof(uint64_t); i++)
                to[i] += from[i];
}

static void put_family(FILE *f, const char *name, const char *type, const char *help) {
        fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_by_protocol(FILE *f, const char *name, const uint64_t values[static TUNNEL_PROTOCOL_MAX]) {
        for (int p = 0; p < TUNNEL_PROTOCOL_MAX; p++)
                fprintf(f, "%s{proto=\"%s\"} %" PRIu64 "\n", name,
                        tunnel_protocol_to_string((TunnelProtocol) p), values[p]);
}

static void put_tunnels(FILE *f, const Metrics *m, const MetricsOfServer *s) {
        put_family(f, "pgrokd_clients", "gauge", "Clients that are connected.");
        fprintf(f, "pgrokd_clients %" PRIu64 "\n", s->clients);
        put_family(f, "pgrokd_tunnels", "gauge", "Tunnels of connected clients.");
        put_by_protocol(f, "pgrokd_tunnels", s->tunnels);
        put_family(f, "pgrokd_connections", "gauge", "Connections of visitors that are open.");
        put_by_protocol(f, "pgrokd_connections", m->connections);
        put_family(f, "pgrokd_connections_total", "counter", "Connections of visitors that were accepted.");
        put_by_protocol(f, "pgrokd_connections_total", m->connections_total);
        put_family(f, "pgrokd_bytes_total", "counter", "Bytes relayed: in from visitors, out to visitors.");
        fprintf(f, "pgrokd_bytes_total{direction=\"in\"} %" PRIu64 "\n", m->bytes_in);
        fprintf(f, "pgrokd_bytes_total{direction=\"out\"} %" PRIu64 "\n", m->bytes_out);
        put_family(f, "pgrokd_auth_failures_total", "counter",
                   "Logins that were refused because of who it was.");
        fprintf(f, "pgrokd_auth_failures_total %" PRIu64 "\n", s->auth_failures);
}

static double seconds(uint64_t usec) {
        return (double) usec / (double) USEC_PER_SEC;
}

static void put_requests(FILE *f, const Metrics *m) {
        static const char histogram[] = "pgrokd_request_duration_seconds";
        uint64_t n = 0;

        put_family(f, "pgrokd_requests_total", "counter", "HTTP requests, by the status of their answer.");
        for (size_t i = 0; i < ELEMENTSOF(m->requests); i++)
                if (m->requests[i] > 0)
                        fprintf(f, "pgrokd_requests_total{code=\"%zu\"} %" PRIu64 "\n",
                                METRICS_STATUS_MIN + i, m->requests[i]);
        put_family(f, histogram, "histogram", "Time until an HTTP request was answered.");
        for (size_t i = 0; i < METRICS_BUCKETS; i++) {
                n += m->request_buckets[i];
                fprintf(f, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", histogram, seconds(bucket_usec[i]), n);
        }
        n += m->request_buckets[METRICS_BUCKETS];
        fprintf(f, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", histogram, n);
        fprintf(f, "%s_sum %.6f\n%s_count %" PRIu64 "\n", histogram, seconds(m->request_usec), histogram, n);
}

/* ---- the process ---- */

/* When it was started, as seconds since 1970, or 0: /proc says it in ticks since the machine's start. */
static double start_time(void) {
        _cleanup_fclose_ FILE *f = fopen("/proc/self/stat", "re");
        struct timespec now, since_boot;
        unsigned long long ticks = 0;
        char line[1024];
        const char *rest;

        if (!f || !fgets(line, sizeof(line), f))
                return 0;
        rest = strrchr(line, ')'); /* the program's name may hold anything */
        if (!rest ||
            sscanf(rest + 1,
                   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                   &ticks) != 1)
                return 0;
        clock_gettime(CLOCK_REALTIME, &now);
        clock_gettime(CLOCK_BOOTTIME, &since_boot);
        return (double) (now.tv_sec - since_boot.tv_sec) + (double) (now.tv_nsec - since_boot.tv_nsec) / 1e9 +
               (double) ticks / (double) sysconf(_SC_CLK_TCK);
}

static unsigned count_descriptors(void) {
        DIR *folder = opendir("/proc/self/fd");
        unsigned n = 0;

        if (!folder)
                return 0;
        for (struct dirent *e; (e = readdir(folder));)
                n += e->d_name[0] != '.';
        closedir(folder);
        return n - 1; /* without the folder itself */
}

static void put_memory(FILE *f) {
        _cleanup_fclose_ FILE *statm = fopen("/proc/self/statm", "re");
        unsigned long long all = 0, resident = 0;
        unsigned long long page = (unsigned long long) sysconf(_SC_PAGESIZE);

        if (!statm || fscanf(statm, "%llu %llu", &all, &resident) != 2)
                return;
        put_family(f, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.");
        fprintf(f, "process_virtual_memory_bytes %llu\n", all * page);
        put_family(f, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.");
        fprintf(f, "process_resident_memory_bytes %llu\n", resident * page);
}

static void put_process(FILE *f) {
        struct rusage usage = {};
        struct rlimit limit = {};

        getrusage(RUSAGE_SELF, &usage);
        getrlimit(RLIMIT_NOFILE, &limit);
        put_family(f, "process_cpu_seconds_total", "counter",
                   "Total user and system CPU time spent in seconds.");
        fprintf(f, "process_cpu_seconds_total %.6f\n",
                (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                        (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
        put_family(f, "process_open_fds", "gauge", "Number of open file descriptors.");
        fprintf(f, "process_open_fds %u\n", count_descriptors());
        put_family(f, "process_max_fds", "gauge", "Maximum number of open file descriptors.");
        fprintf(f, "process_max_fds %llu\n", (unsigned long long) limit.rlim_cur);
        put_memory(f);
        put_family(f, "process_start_time_seconds", "gauge",
                   "Start time of the process since unix epoch in seconds.");
        fprintf(f, "process_start_time_seconds %.2f\n", start_time());
}

char *metrics_format(const Metrics *m, const MetricsOfServer *s) {
        char *text = NULL;
        size_t n;
        FILE *f = open_memstream(&text, &n);

        if (!f)
                return NULL;
        put_tunnels(f, m, s);
        put_requests(f, m);
        put_process(f);
        if (fclose(f) == 0)
                return text;
        free(text);
        return NULL;
}
