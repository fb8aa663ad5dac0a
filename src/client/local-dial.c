/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/local-dial.h"

#include <errno.h>

#include "base/str.h"

struct LocalDial {
        Worker *worker; /* borrowed */
        Dialer *dialer; /* owned */
        uint16_t port;
        char *first_why; /* owned: why 127.0.0.1 failed; NULL while that is not known or not tried */
        bool has_second; /* ::1 is to be tried as well */
        LocalDialFn done;
        void *userdata; /* borrowed */
};

static int local_dial_start(LocalDial *d, const char *host);

static void on_local_dialed(Dialer *dialer _unused_, int fd, int error _unused_, const char *why,
                            void *userdata) {
        LocalDial *d = userdata;

        d->dialer = dialer_free(d->dialer);
        if (fd < 0 && d->has_second) {
                d->has_second = false;
                d->first_why = strdup(why);
                if (local_dial_start(d, "::1") >= 0)
                        return;
        }
        d->done(d, fd, d->first_why ? d->first_why : why, d->userdata);
}

static int local_dial_start(LocalDial *d, const char *host) {
        DialTarget target = { .host = host, .port = d->port };

        return dialer_new(&d->dialer, d->worker, &target, on_local_dialed, d);
}

int local_dial_new(LocalDial **ret, Worker *w, const Target *target, LocalDialFn done, void *userdata) {
        LocalDial *d = new0(LocalDial, 1);
        int r;

        if (!d)
                return -ENOMEM;
        *d = (LocalDial) { .worker = w, .port = target->port, .done = done, .userdata = userdata };
        d->has_second = *target->host == '\0';
        r = local_dial_start(d, *target->host ? target->host : "127.0.0.1");
        if (r < 0) {
                free(d);
                return r;
        }
        *ret = d;
        return 0;
}

LocalDial *local_dial_free(LocalDial *d) {
        if (!d)
                return NULL;
        dialer_free(d->dialer);
        free(d->first_why);
        free(d);
        return NULL;
}
