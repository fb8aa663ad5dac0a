/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What happens, told to whoever started us: lines of text or of JSON on stdout, an observer that has a
 * screen, or, for the daemon, the log with its fields. Never waits: lines that nobody reads are dropped.
 * Errors go to the log in every mode. Any thread. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

typedef enum ReportMode { REPORT_TEXT, REPORT_JSON, REPORT_LOG, REPORT_SCREEN } ReportMode;

#define REPORT_BYTES 4096 /* as many as a pipe or terminal that polls as writable takes at once (pipe(7)) */

/* Who has let us in. All strings are borrowed. */
typedef struct ReportOnline {
        const char *server;
        const char *user;    /* as the server knows us; "": it doesn't say */
        const char *version; /* of the server; the same */
} ReportOnline;

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

/* Is told what report_X() is told. Any thread. */
typedef struct ReportObserver {
        void (*online)(const ReportOnline *online, void *userdata);
        void (*tunnel)(const ReportTunnel *tunnel, void *userdata);
        void (*visitors)(int change, void *userdata);
        void (*connection)(const ReportConnection *connection, void *userdata);
        void (*request)(const ReportRequest *request, void *userdata);
        void (*inspector)(const char *url, void *userdata);
        void (*offline)(const char *reason, uint64_t retry_usec, void *userdata);
        void (*error)(const char *name, const char *reason, void *userdata);
} ReportObserver;

typedef struct Report {
        ReportMode mode;
        const ReportObserver *observer; /* borrowed: of REPORT_SCREEN */
        void *observer_userdata;        /* borrowed */
        int fd;                         /* borrowed: stdout */
        pthread_mutex_t lock;           /* for what follows */
        bool has_lost;                  /* lines were dropped, and that was said */
        size_t n;
        char lines[REPORT_BYTES]; /* whole ones that wait for report_flush() */
} Report;

void report_online(Report *r, const ReportOnline *online);
void report_tunnel(Report *r, const ReportTunnel *tunnel);

/* So many visitors more (or less) are here: an observer is told, nobody else. */
void report_visitors(Report *r, int change);

/* There may be many at once, so these are told by report_flush(), or with what is told next. */
void report_connection(Report *r, const ReportConnection *connection);
void report_request(Report *r, const ReportRequest *request);
void report_flush(Report *r);

/* Its service fails, because WHY, or no more: NULL. */
void report_health(Report *r, const char *name, const char *why);

void report_offline(Report *r, const char *reason, uint64_t retry_usec);

/* The inspector's page is at URL. */
void report_inspector(Report *r, const char *url);

/* NAME: the tunnel that it is about, or NULL. */
void report_error(Report *r, const char *name, const char *reason);
