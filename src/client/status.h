/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the screen knows: what was told (client/report.h) and what follows from it. No I/O and no clock; not
 * for two threads at once. Without memory something is not shown. */

#include <time.h>

#include "client/report.h"

#define STATUS_FORWARDINGS_MAX 1000
#define STATUS_EVENTS_MAX 128    /* the latest ones */
#define STATUS_DURATIONS_MAX 512 /* the same */
#define STATUS_WHAT_MAX 512

typedef enum StatusState { STATUS_CONNECTING, STATUS_ONLINE, STATUS_OFFLINE } StatusState;

typedef struct StatusForwarding {
        char *name;  /* owned, as all strings */
        char *url;   /* NULL: refused */
        char *local; /* or why it was refused */
} StatusForwarding;

/* A request, or a visitor's connection that has ended. */
typedef struct StatusEvent {
        time_t when;
        char method[16];            /* of a connection its protocol */
        char what[STATUS_WHAT_MAX]; /* the path, or the visitor */
        unsigned code;              /* of the answer; 0: there is none */
        bool has_failed;
        uint64_t duration_usec;
} StatusEvent;

typedef struct Status {
        StatusState state;
        uint64_t since_usec; /* online: since when */
        uint64_t retry_usec; /* offline: when it is tried again */
        char *server, *user, *version, *reason;
        char *inspector; /* or NULL */
        StatusForwarding forwardings[STATUS_FORWARDINGS_MAX];
        size_t n_forwardings;
        size_t n_open; /* connections */
        uint64_t n_connections, in_bytes, out_bytes;
        uint64_t durations[STATUS_DURATIONS_MAX]; /* the n-th is at n % MAX; as well of: */
        StatusEvent events[STATUS_EVENTS_MAX];
        uint64_t n_events;
        bool has_requests; /* so connections of http are no events */
        char *message;     /* the last one of the log, or NULL */
        int message_level;
} Status;

/* A zeroed Status is valid. */
void status_done(Status *s);

/* As of client/report.h. NOW_USEC is clock_usec(), NOW the time of the day. */
void status_online(Status *s, const ReportOnline *online, uint64_t now_usec);
void status_tunnel(Status *s, const ReportTunnel *tunnel);
void status_connection(Status *s, const ReportConnection *connection, time_t now);
void status_request(Status *s, const ReportRequest *request, time_t now);
void status_inspector(Status *s, const char *url);
void status_offline(Status *s, const char *reason, uint64_t retry_usec, uint64_t now_usec);
void status_error(Status *s, const char *name, const char *reason);

/* Of the log. LEVEL: LOG_ERR and so on. */
void status_message(Status *s, int level, const char *message);

/* So many percent of the latest connections took no longer than that. There was one. */
uint64_t status_percentile(const Status *s, unsigned percent);

/* The latest is number 0; NULL: there are no more. */
const StatusEvent *status_event(const Status *s, size_t number);
