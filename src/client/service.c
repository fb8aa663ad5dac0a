/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/service.h"

#include <inttypes.h>
#include <stdarg.h>
#include <systemd/sd-daemon.h>

#include "base/parse.h"

/* Failures are ignored throughout: nobody is there to be told. */

void service_ready(void) {
        (void) sd_notify(0, "READY=1");
}

void service_reloading(void) {
        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_usec());
}

void service_stopping(void) {
        (void) sd_notify(0, "STOPPING=1");
}

void service_watchdog(void) {
        (void) sd_notify(0, "WATCHDOG=1");
}

void service_status(const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        va_end(ap);
        if (text)
                (void) sd_notifyf(0, "STATUS=%s", text);
}

uint64_t service_watchdog_usec(void) {
        uint64_t usec = 0;

        return sd_watchdog_enabled(0, &usec) > 0 ? usec / 2 : 0;
}
