/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What happens, told to whoever started us: lines of text or of JSON on stdout, or, for the daemon, the
 * log with its fields. Never waits: a line that nobody reads is dropped. Errors go to the log in every
 * mode. Any thread. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

typedef enum ReportMode { REPORT_TEXT, REPORT_JSON, REPORT_LOG } ReportMode;

typedef struct Report {
        ReportMode mode;
        int fd;               /* borrowed: stdout */
        pthread_mutex_t lock; /* for what follows, and so that lines are whole and none waits for another */
        bool has_lost;        /* lines were dropped, and that was said */
} Report;

/* A visitor's connection that has ended. All strings are borrowed. */
typedef struct ReportConnection {
        const char *name; /* of the tunnel */
        const char *url;
        const char *visitor; /* "ip:port", as the server says */
        uint64_t duration_usec;
        uint64_t in_bytes;  /* from the visitor */
        uint64_t out_bytes; /* to the visitor */
        const char *error;  /* or NULL */
} ReportConnection;

typedef struct ReportTunnel {
        const char *name;
        const char *url;
        const char *proto;
        const char *local;
} ReportTunnel;

void report_online(Report *r, const char *server);
void report_tunnel(Report *r, const ReportTunnel *tunnel);
void report_connection(Report *r, const ReportConnection *connection);
void report_offline(Report *r, const char *reason, uint64_t retry_usec);

/* NAME: the tunnel that it is about, or NULL. */
void report_error(Report *r, const char *name, const char *reason);
