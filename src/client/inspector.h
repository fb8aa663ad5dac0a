/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inspector: a web page and a JSON API that show what was captured, and can say requests again. It is for
 * people at this machine: whatever a web page from elsewhere makes their browser ask is refused.
 *
 *   GET    /                               the page; /app.js, /style.css
 *   GET    /api/status                     tunnels, and how much there is
 *   GET    /api/requests                   summaries; ?method= &status= (200, 4xx) &path= &text=
 *   DELETE /api/requests                   forgets all
 *   GET    /api/requests.har               all, as HAR
 *   GET    /api/requests/ID                heads, frames; with .har or .curl behind ID: as that
 *   GET    /api/requests/ID/request/body   decoded; ?raw=1: as it came. The same for /response/body
 *   POST   /api/requests/ID/replay         {} or changes, see replays_start(): {"id": …}
 *   POST   /api/pause                      {"paused": true}
 *   GET    /api/events                     server-sent events: summaries of what is new or has changed */

#include "client/control.h"
#include "client/replay.h"

#define INSPECTOR_PORTS 20              /* tried, when the first ones are taken */
#define INSPECTOR_BODY_MAX (256 * 1024) /* of a request to it */

typedef struct Inspector Inspector;

typedef struct InspectorParams {
        Worker *worker; /* borrowed, as all; outlive it */
        Records *records;
        Visitors *visitors;
        Tunnels *tunnels;
        void (*view)(ControlView *ret, void *userdata);
        void *userdata;
} InspectorParams;

/* Listens at WHERE, or on the first of the next ports that is free. Returns 0, -EINVAL or another negative
 * errno. loop: main */
int inspector_new(Inspector **ret, const char *where, const InspectorParams *params);

/* Where it is, for a person. */
const char *inspector_url(const Inspector *i);

/* Takes NULL; returns NULL. */
Inspector *inspector_free(Inspector *i);
