/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a Status looks on a page of some size. */

#include "client/canvas.h"
#include "client/status.h"

/* What changes by itself. */
typedef struct StatusNow {
        uint64_t clock_usec;
        uint64_t round_trip_usec; /* 0: not known */
} StatusNow;

/* C is blank. */
void status_view(const Status *s, const StatusNow *now, Canvas *c);
