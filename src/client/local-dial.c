/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/local-dial.h"

#include <errno.h>

#include "base/str.h"
#include "client/file-service.h"
#include "net/dialer.h"
#include "net/stream-fd.h"
#include "net/stream-tls.h"
#include "net/timer.h"

/*  tcp, unix: dialing ──► done        https: dialing ──► TLS ──► done        files: done, in the next turn */

struct LocalDial {
        Worker *worker;             /* borrowed */
        const TunnelConfig *config; /* borrowed */
        Dialer *dialer;             /* owned */
        Stream *stream;             /* owned: TLS that isn't up yet, or what the next turn delivers */
        Timer *timeout;             /* owned: of TLS */
        ReadyItem ready;
        char *first_why; /* owned: why 127.0.0.1 failed; NULL while that is not known or not tried */
        bool has_second; /* ::1 is to be tried as well */
        LocalConnectedFn connected;
        LocalDialFn done;
        void *userdata; /* borrowed */
};

static int local_dial_start(LocalDial *d, const char *host);

static void local_dial_fail(LocalDial *d, const char *why) {
        d->done(d, NULL, d->first_why ? d->first_why : why, d->userdata);
}

/* ---- TLS ---- */

static const char *certificate_hint(const TunnelConfig *config) {
        return config->local_ca_file
                       ? "local_ca_file names the CAs to trust; insecure_local = true believes any"
                       : "local_ca_file (--local-ca-file) names a CA to trust; insecure_local = true "
                         "(--insecure-local) believes any";
}

static void local_dial_fail_tls(LocalDial *d, int error) {
        const char *explanation = stream_explain(d->stream);
        const char *why = error == 0 ? "it closed the connection in the TLS handshake" : strerror(-error);
        _cleanup_free_ char *text = NULL;

        if (error == -EKEYREJECTED)
                text = str_format("%s (%s)", explanation ? explanation : why, certificate_hint(d->config));
        else
                text = strdup(explanation ? explanation : why);
        local_dial_fail(d, text ? text : why);
}

static void on_local_tls(Stream *s, unsigned events _unused_, void *userdata) {
        LocalDial *d = userdata;
        int r = stream_flush(s);

        if (r == -EAGAIN)
                return;
        d->timeout = timer_free(d->timeout);
        stream_set_callback(s, NULL, NULL);
        stream_set_events(s, 0);
        if (r < 0)
                local_dial_fail_tls(d, r);
        else
                d->done(d, TAKE_PTR(d->stream), NULL, d->userdata);
}

static void on_local_tls_timeout(void *userdata) {
        local_dial_fail(userdata, "it accepts connections, but doesn't answer the TLS handshake");
}

/* Owns FD on success. */
static int local_dial_start_tls(LocalDial *d, int fd) {
        static const char *const alpn[] = { "http/1.1", NULL };
        int r = timer_new_after(&d->timeout, d->worker, LOCAL_DIAL_TLS_TIMEOUT_USEC, on_local_tls_timeout, d);

        if (r >= 0)
                r = stream_tls_new_client(&d->stream, d->worker, fd, d->config->local_tls,
                                          d->config->target.host, alpn, STREAM_TLS_LENIENT_END);
        if (r < 0)
                return r;
        stream_set_callback(d->stream, on_local_tls, d);
        stream_set_events(d->stream, STREAM_WRITABLE);
        return 0;
}

/* ---- sockets ---- */

/* FD is connected; takes it. */
static void local_dial_connected(LocalDial *d, int fd) {
        bool is_tls = d->config->target.kind == TARGET_TLS;
        int r = d->connected(fd, d->userdata);

        if (r >= 0)
                r = is_tls ? local_dial_start_tls(d, fd) : stream_fd_new(&d->stream, d->worker, fd);
        if (r < 0) {
                safe_close(fd);
                local_dial_fail(d, strerror(-r));
        } else if (!is_tls)
                d->done(d, TAKE_PTR(d->stream), NULL, d->userdata);
}

static void on_local_dialed(Dialer *dialer _unused_, int fd, int error _unused_, const char *why,
                            void *userdata) {
        LocalDial *d = userdata;
        _cleanup_free_ char *text = fd < 0 ? strdup(why) : NULL; /* WHY goes with the dialer */

        d->dialer = dialer_free(d->dialer);
        if (fd >= 0) {
                local_dial_connected(d, fd);
                return;
        }
        if (d->has_second) {
                d->has_second = false;
                d->first_why = TAKE_PTR(text);
                if (local_dial_start(d, "::1") >= 0)
                        return;
        }
        local_dial_fail(d, text ? text : "Out of memory");
}

static int local_dial_start(LocalDial *d, const char *host) {
        const Target *t = &d->config->target;
        DialTarget target = { .host = host, .port = t->port, .unix_path = t->path };

        return dialer_new(&d->dialer, d->worker, &target, on_local_dialed, d);
}

/* ---- files ---- */

static void on_local_ready(ReadyItem *item) {
        LocalDial *d = container_of(item, LocalDial, ready);

        d->done(d, TAKE_PTR(d->stream), NULL, d->userdata);
}

static void on_local_no_folder(ReadyItem *item) {
        LocalDial *d = container_of(item, LocalDial, ready);
        _cleanup_free_ char *why = str_format("Can't open the folder %s", d->config->target.path);

        local_dial_fail(d, why ? why : "Out of memory");
}

static int local_dial_start_folder(LocalDial *d) {
        const char *path = d->config->target.path;
        _cleanup_close_ int fd = -1;
        int r;

        d->ready.run = on_local_no_folder;
        if (access(path, R_OK | X_OK) == 0) {
                r = file_service_connect(d->config->files, path, &fd);
                if (r >= 0)
                        r = stream_fd_new(&d->stream, d->worker, fd);
                if (r < 0)
                        return r;
                (void) TAKE_FD(fd);
                d->ready.run = on_local_ready;
        }
        worker_ready(d->worker, &d->ready);
        return 0;
}

int local_dial_new(LocalDial **ret, Worker *w, const TunnelConfig *config, LocalConnectedFn connected,
                   LocalDialFn done, void *userdata) {
        const Target *t = &config->target;
        LocalDial *d = new0(LocalDial, 1);
        int r;

        if (!d)
                return -ENOMEM;
        *d = (LocalDial) {
                .worker = w, .config = config, .connected = connected, .done = done, .userdata = userdata
        };
        d->has_second = !t->path && *t->host == '\0';
        r = t->kind == TARGET_FOLDER ? local_dial_start_folder(d)
                                     : local_dial_start(d, *t->host ? t->host : "127.0.0.1");
        if (r < 0) {
                local_dial_free(d);
                return r;
        }
        *ret = d;
        return 0;
}

LocalDial *local_dial_free(LocalDial *d) {
        if (!d)
                return NULL;
        worker_unready(d->worker, &d->ready);
        dialer_free(d->dialer);
        stream_free(d->stream);
        timer_free(d->timeout);
        free(d->first_why);
        free(d);
        return NULL;
}
