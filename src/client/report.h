/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What happens, told to whoever started us: lines of text or of JSON on stdout, or, for the daemon, the
 * log with its fields. Never waits: lines that nobody reads are dropped. Errors go to the log in every
 * mode. Any thread. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

typedef enum ReportMode { REPORT_TEXT, REPORT_JSON, REPORT_LOG } ReportMode;

#define REPORT_BYTES 4096 /* as many as a pipe or terminal that polls as writable takes at once (pipe(7)) */

typedef struct Report {
        ReportMode mode;
        int fd;               /* borrowed: stdout */
        pthread_mutex_t lock; /* for what follows */
        bool has_lost;        /* lines were dropped, and that was said */
        size_t n;
        char lines[REPORT_BYTES]; /* whole ones that wait for report_flush() */
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

/* A request of an http tunnel that was answered, or will not be. All strings are borrowed. The log doesn't
 * get the query of its path, which may hold a secret. */
typedef struct ReportRequest {
        const char *name; /* of the tunnel */
        const char *url;
        const char *visitor; /* "ip:port", as the server says */
        const char *method;
        const char *path; /* as it came, with its query */
        unsigned status;  /* 0: there was no answer */
        uint64_t duration_usec;
        uint64_t in_bytes; /* heads and bodies */
        uint64_t out_bytes;
        const char *error; /* or NULL */
} ReportRequest;

typedef struct ReportTunnel {
        const char *name;
        const char *url;
        const char *proto;
        const char *local;
} ReportTunnel;

void report_online(Report *r, const char *server);
void report_tunnel(Report *r, const ReportTunnel *tunnel);

/* There may be many at once, so these are told by report_flush(), or with what is told next. */
void report_connection(Report *r, const ReportConnection *connection);
void report_request(Report *r, const ReportRequest *request);
void report_flush(Report *r);

void report_offline(Report *r, const char *reason, uint64_t retry_usec);

/* NAME: the tunnel that it is about, or NULL. */
void report_error(Report *r, const char *name, const char *reason);
