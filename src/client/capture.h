/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The requests on a visitor's connection of an http tunnel, as a tap on its relay sees them: each is recorded
 * for the inspector, and reported once it is answered. What can't be followed goes on unseen. loop: the
 * relay's */

#include "client/records.h"
#include "client/report.h"
#include "net/relay.h"

typedef struct Capture Capture;

typedef struct CaptureOrigin { /* all borrowed; outlive the capture */
        const char *name;      /* of the tunnel */
        const char *url;
        const char *visitor; /* "ip:port" */
        uint64_t start_usec; /* when it came, which is the first request's time */
        Report *report;
        Records *records;
        uint64_t record; /* of the first request, which is a replay; or 0 */
        Worker *worker;
        ReadyItem *told; /* run at the end of a turn in which something was reported */
} CaptureOrigin;

extern const RelayTap capture_tap; /* its userdata is the capture. A is the visitor's side */

/* ORIGIN is copied. Returns 0 or -ENOMEM. */
int capture_new(Capture **ret, const CaptureOrigin *origin);

/* The connection is over: what is not answered is reported with ERROR (or NULL). */
void capture_end(Capture *c, const char *error);

/* Reports nothing more. Takes NULL; returns NULL. */
Capture *capture_free(Capture *c);
