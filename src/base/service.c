/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/service.h"

#include <inttypes.h>
#include <stdarg.h>
#include <systemd/sd-daemon.h>

#include "base/parse.h"

/* Failures are ignored throughout: nobody is there to be told. */

bool service_is_supervised(void) {
        const char *path = getenv("NOTIFY_SOCKET");

        return path && *path;
}

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

void service_extend_timeout(uint64_t usec) {
        (void) sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, usec);
}

void service_leave(pid_t successor) {
        (void) sd_notifyf(1, "MAINPID=%li", (long) successor);
}

void service_failed(int error) {
        (void) sd_notifyf(0, "ERRNO=%i", -error);
}

void service_keep_socket(const char *name, int fd) {
        char state[64];

        snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s", name);
        (void) sd_pid_notify_with_fds(0, 0, state, &fd, 1);
}

void service_forget_socket(const char *name) {
        (void) sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
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
