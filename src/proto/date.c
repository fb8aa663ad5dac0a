/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/date.h"

/* Years begin in March here, so that the day that some have and some have not is their last; eras have 400 of
 * them. */

#define DAYS_BEFORE_1970 719468 /* since 0000-03-01 */
#define DAYS_PER_ERA 146097

const char date_months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

Date date_from_days(int64_t days) {
        int64_t era, year_of_era;
        unsigned day_of_era, day_of_year, month;

        days += DAYS_BEFORE_1970;
        era = (days >= 0 ? days : days - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
        day_of_era = (unsigned) (days - era * DAYS_PER_ERA);
        year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
        day_of_year = day_of_era - (unsigned) (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        month = (5 * day_of_year + 2) / 153;
        return (Date) {
                .year = year_of_era + era * 400 + (month >= 10),
                .month = month < 10 ? month + 3 : month - 9,
                .day = day_of_year - (153 * month + 2) / 5 + 1,
        };
}

int64_t date_to_days(Date d) {
        int64_t year = d.year - (d.month <= 2), era = (year >= 0 ? year : year - 399) / 400;
        int64_t year_of_era = year - era * 400;
        unsigned month = d.month > 2 ? d.month - 3 : d.month + 9,
                 day_of_year = (153 * month + 2) / 5 + d.day - 1;

        return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
               DAYS_BEFORE_1970;
}
