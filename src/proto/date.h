/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Days of the Gregorian calendar, UTC. */

#include <stdint.h>

#define SEC_PER_DAY 86400

typedef struct Date {
        int64_t year;
        unsigned month, day; /* from 1 */
} Date;

extern const char date_months[12][4]; /* "Jan" … */

/* DAYS after 1970-01-01, which may be negative; and back. */
Date date_from_days(int64_t days);
int64_t date_to_days(Date d);
