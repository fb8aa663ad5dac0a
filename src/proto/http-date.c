/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/http-date.h"

#include <errno.h>

#include "base/str.h"
#include "proto/date.h"

static const char days_of_week[7][4] = {
        "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"
}; /* from 1970-01-01 */

const char *http_date_format(int64_t sec, char ret[static HTTP_DATE_MAX]) {
        int64_t days = sec / SEC_PER_DAY - (sec % SEC_PER_DAY < 0);
        unsigned rest = (unsigned) (sec - days * SEC_PER_DAY);
        Date d = date_from_days(days);

        snprintf(ret, HTTP_DATE_MAX, "%s, %02u %s %04d %02u:%02u:%02u GMT", days_of_week[(days % 7 + 7) % 7],
                 d.day, date_months[d.month - 1], (int) d.year, rest / 3600, rest / 60 % 60, rest % 60);
        return ret;
}

/* N digits at S, or -1. */
static int digits(const char *s, size_t n) {
        int v = 0;

        for (size_t i = 0; i < n; i++) {
                if (!char_is_digit(s[i]))
                        return -1;
                v = v * 10 + (s[i] - '0');
        }
        return v;
}

static unsigned month_of(const char *s) {
        for (unsigned i = 0; i < ELEMENTSOF(date_months); i++)
                if (memcmp(s, date_months[i], 3) == 0)
                        return i + 1;
        return 0;
}

int http_date_parse(const char *s, int64_t *ret_sec) {
        static const char form[] = "xxx, 00 xxx 0000 00:00:00 GMT";
        int day, year, hour, minute, second;
        char again[HTTP_DATE_MAX];
        unsigned month;
        int64_t sec;

        if (strlen(s) != strlen(form))
                return -EINVAL;
        day = digits(s + 5, 2);
        month = month_of(s + 8);
        year = digits(s + 12, 4);
        hour = digits(s + 17, 2);
        minute = digits(s + 20, 2);
        second = digits(s + 23, 2);
        if (day < 1 || month == 0 || year < 0 || hour < 0 || minute < 0 || second < 0)
                return -EINVAL;
        sec = date_to_days((Date) { year, month, (unsigned) day }) * SEC_PER_DAY + hour * 3600 + minute * 60 +
              second;
        if (!streq(http_date_format(sec, again), s)) /* a day or an hour that there is not */
                return -EINVAL;
        *ret_sec = sec;
        return 0;
}
