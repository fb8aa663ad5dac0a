/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/expiry.h"

#include <time.h>

#include "base/log.h"
#include "base/str.h"
#include "net/certificate.h"

#define SEC_PER_DAY 86400
#define WARN_DAYS 14 /* certbot renews thirty days before the end */

static void expiry_warn(const char *file, time_t end, time_t now) {
        char day[sizeof("2026-12-31")];
        struct tm tm;

        strftime(day, sizeof(day), "%F", gmtime_r(&end, &tm));
        if (end <= now)
                log_struct(
                        LOG_ERR, LOG_FIELDS({ "PGROK_EVENT", "expiry" }),
                        "The certificate in %s has expired on %s: browsers and clients refuse it; put a new one "
                        "in its place, which is read by itself",
                        file, day);
        else if (end - now < WARN_DAYS * SEC_PER_DAY)
                log_struct(
                        LOG_WARNING, LOG_FIELDS({ "PGROK_EVENT", "expiry" }),
                        "The certificate in %s expires on %s; put a new one in its place, which is read by itself",
                        file, day);
}

void expiry_check(Server *s) {
        const char *file = s->snapshot->config->certificate;
        time_t now = time(NULL), end;

        if (s->certificate_day == now / SEC_PER_DAY)
                return;
        s->certificate_day = now / SEC_PER_DAY;
        if (file && certificate_expires(file, &end) >= 0) /* of our own making it lasts for years */
                expiry_warn(file, end, now);
}
