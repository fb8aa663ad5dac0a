/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Server-sent events for the inspector's pages: what has changed among the records, a few times a second, to
 * whoever reads along. */

#include "client/records.h"
#include "net/http-service.h"
#include "net/timer.h"

#define EVENTS_READERS_MAX 16
#define EVENTS_INTERVAL_USEC (100 * UINT64_C(1000))
#define EVENTS_ALIVE_USEC (15 * UINT64_C(1000000)) /* so that a reader that has gone is noticed */

typedef struct InspectorEvents InspectorEvents;

/* RECORDS is borrowed; outlives it. Returns 0 or -ENOMEM. loop: main */
int inspector_events_new(InspectorEvents **ret, Worker *w, Records *records);

/* Answers X with the stream: first all there is, then what changes. */
void inspector_events_add(InspectorEvents *e, HttpExchange *x);

/* Once the service has told those who read that it ends. Takes NULL; returns NULL. */
InspectorEvents *inspector_events_free(InspectorEvents *e);
