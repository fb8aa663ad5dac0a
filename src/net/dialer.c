/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/dialer.h"

#include <errno.h>

#include "base/parse.h"
#include "base/str.h"
#include "net/address.h"
#include "net/connect-proxy.h"
#include "net/socket.h"
#include "net/timer.h"

/*   RESOLVE ──addresses──► RACE ──first to connect──► [CONNECT through the proxy] ──► done
 *
 * An attempt is one socket that connects. They start one after the other, and stay until one wins. */

#define DIALER_ATTEMPTS_MAX 8
#define DIALER_STAGGER_USEC (250 * USEC_PER_MSEC)

typedef struct DialAttempt {
        Socket socket;
        Dialer *dialer; /* borrowed */
        bool active;
        bool connected; /* connect() said so */
} DialAttempt;

/* libuv can't always cancel a lookup, so the request stands by itself and forgets its dialer first. */
typedef struct DialLookup {
        uv_getaddrinfo_t request;
        Dialer *dialer; /* borrowed; NULL once it is freed */
} DialLookup;

struct Dialer {
        Worker *worker;      /* borrowed */
        DialLookup *lookup;  /* owned by libuv while it runs */
        Timer *timeout;      /* owned */
        Timer *stagger;      /* owned */
        ConnectProxy *proxy; /* owned; NULL without a proxy or before a connection to it */
        char *host;          /* owned: where to go in the end */
        bool is_local;       /* and that is a unix socket's path */
        uint16_t port;
        ProxyUrl proxy_url; /* host "" without a proxy */
        Address addresses[DIALER_ATTEMPTS_MAX];
        DialAttempt attempts[DIALER_ATTEMPTS_MAX];
        size_t n_addresses, n_started, n_active;
        int error; /* of the last attempt that failed */
        DialFn done;
        void *userdata; /* borrowed */
};

static const char *dialer_peer(const Dialer *d) {
        return d->proxy_url.host[0] ? d->proxy_url.host : d->host;
}

static uint16_t dialer_peer_port(const Dialer *d) {
        return d->proxy_url.host[0] ? d->proxy_url.port : d->port;
}

static void dialer_end_race(Dialer *d) {
        for (size_t i = 0; i < d->n_started; i++)
                if (d->attempts[i].active) {
                        d->attempts[i].active = false;
                        socket_done(&d->attempts[i].socket, false);
                }
        d->n_active = 0;
        timer_stop(d->stagger);
}

static void dialer_fail(Dialer *d, int error, const char *why) {
        _cleanup_free_ char *text = NULL;

        dialer_end_race(d);
        timer_stop(d->timeout);
        if (!why && d->is_local)
                why = text = str_format("Can't connect to %s: %s", d->host,
                                        error == -EAGAIN ? "its queue is full" : strerror(-error));
        else if (!why)
                why = text = str_format("Can't connect to %s port %u: %s", dialer_peer(d),
                                        dialer_peer_port(d), strerror(-error));
        d->done(d, -1, error, why ? why : "Out of memory", d->userdata);
}

static void on_dialer_timeout(void *userdata) {
        Dialer *d = userdata;

        d->proxy = connect_proxy_free(d->proxy);
        dialer_fail(d, -ETIMEDOUT, NULL);
}

static void on_dialer_proxied(ConnectProxy *p, int fd, int error, const char *why, void *userdata) {
        Dialer *d = userdata;

        d->proxy = connect_proxy_free(p);
        if (error < 0) {
                dialer_fail(d, error, why);
                return;
        }
        timer_stop(d->timeout);
        d->done(d, fd, 0, NULL, d->userdata);
}

/* FD is connected; takes it. */
static void dialer_connected(Dialer *d, int fd) {
        _cleanup_close_ int owned = fd;
        int r;

        socket_set_nodelay(fd);
        if (!d->proxy_url.host[0]) {
                timer_stop(d->timeout);
                d->done(d, TAKE_FD(owned), 0, NULL, d->userdata);
                return;
        }
        r = connect_proxy_new(&d->proxy, d->worker, fd, &d->proxy_url, d->host, d->port, on_dialer_proxied,
                              d);
        if (r < 0)
                dialer_fail(d, r, NULL);
        else
                TAKE_FD(owned);
}

static void dialer_next(Dialer *d);

static void on_attempt_event(Socket *socket, unsigned events _unused_) {
        DialAttempt *a = container_of(socket, DialAttempt, socket);
        Dialer *d = a->dialer;
        int error = 0;
        socklen_t n = sizeof(error);

        if (!a->connected && getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
                error = errno;
        a->active = false;
        d->n_active--;
        if (error != 0) {
                socket_done(socket, false);
                d->error = -error;
                dialer_next(d);
                return;
        }
        socket_detach(socket);
        dialer_end_race(d);
        dialer_connected(d, TAKE_FD(socket->fd));
}

static int attempt_start(DialAttempt *a, Dialer *d, const Address *address) {
        _cleanup_close_ int fd = -1;
        int r;

        fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        /* Asked again it often knows the outcome: on this machine the peer answers within the first call. */
        for (int i = 0; i < 2 && !a->connected; i++) {
                a->connected = connect(fd, &address->sa, address->length) == 0;
                if (!a->connected && errno != EINPROGRESS && errno != EALREADY)
                        return -errno;
        }
        r = socket_init(&a->socket, d->worker, fd, on_attempt_event);
        if (r < 0)
                return r;
        TAKE_FD(fd);
        a->dialer = d;
        a->active = true;
        if (a->connected)
                socket_is_writable(&a->socket);
        socket_set_events(&a->socket, STREAM_WRITABLE);
        return 0;
}

/* Starts the next attempt that can be started; fails when none is left or under way. */
static void dialer_next(Dialer *d) {
        while (d->n_started < d->n_addresses) {
                size_t i = d->n_started++;
                int r = attempt_start(&d->attempts[i], d, &d->addresses[i]);

                if (r >= 0) {
                        d->n_active++;
                        if (d->n_started < d->n_addresses)
                                timer_start(d->stagger, DIALER_STAGGER_USEC);
                        return;
                }
                d->error = r;
        }
        if (d->n_active == 0)
                dialer_fail(d, d->error, NULL);
}

static void on_dialer_stagger(void *userdata) {
        dialer_next(userdata);
}

static const struct addrinfo *next_of_family(const struct addrinfo *list, int family, bool same) {
        while (list && (list->ai_family == family) != same)
                list = list->ai_next;
        return list;
}

/* Takes the addresses so that the families alternate, beginning with the resolver's first choice. */
static void dialer_set_addresses(Dialer *d, const struct addrinfo *list) {
        int family = list->ai_family;
        const struct addrinfo *same = list, *other = next_of_family(list, family, false);

        for (bool turn = true; (same || other) && d->n_addresses < DIALER_ATTEMPTS_MAX; turn = !turn) {
                const struct addrinfo **from = (turn && same) || !other ? &same : &other;
                Address *a = &d->addresses[d->n_addresses++];

                address_set(a, (*from)->ai_addr, (*from)->ai_addrlen);
                address_set_port(a, dialer_peer_port(d));
                *from = next_of_family((*from)->ai_next, family, from == &same);
        }
}

static void on_dialer_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list) {
        DialLookup *lookup = container_of(request, DialLookup, request);
        Dialer *d = lookup->dialer;

        free(lookup);
        if (d) {
                d->lookup = NULL;
                if (status < 0 || !list) {
                        _cleanup_free_ char *why =
                                str_format("Can't find the address of %s: %s", dialer_peer(d),
                                           status < 0 ? uv_strerror(status) : "none");

                        dialer_fail(d, status < 0 ? status : -EADDRNOTAVAIL, why);
                } else {
                        dialer_set_addresses(d, list);
                        dialer_next(d);
                }
        }
        uv_freeaddrinfo(list);
}

/* Takes an address as it stands, without a lookup. Returns false when the host is a name. */
static bool dialer_take_literal(Dialer *d) {
        Address *a = &d->addresses[0];

        if (d->is_local)
                address_set_unix(a, d->host);
        else if (address_parse_ip(dialer_peer(d), a) < 0)
                return false;
        else
                address_set_port(a, dialer_peer_port(d));
        d->n_addresses = 1;
        d->error = attempt_start(&d->attempts[0], d, a);
        d->n_started = 1;
        if (d->error >= 0)
                d->n_active = 1;
        else
                timer_start(d->stagger, 0); /* tells it after we have returned */
        return true;
}

static int dialer_resolve(Dialer *d) {
        struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                  .ai_socktype = SOCK_STREAM,
                                  .ai_flags = AI_ADDRCONFIG };
        DialLookup *lookup = new0(DialLookup, 1);
        int r;

        if (!lookup)
                return -ENOMEM;
        if (streq(dialer_peer(d), "localhost") || strchr(dialer_peer(d), ':'))
                hints.ai_flags = 0; /* ::1 doesn't count as a configured address */
        lookup->dialer = d;
        r = uv_getaddrinfo(&d->worker->loop, &lookup->request, on_dialer_resolved, dialer_peer(d), NULL,
                           &hints);
        if (r < 0) {
                free(lookup);
                return r;
        }
        d->lookup = lookup;
        return 0;
}

static int dialer_init(Dialer *d, Worker *w, const DialTarget *target) {
        int r;

        d->worker = w;
        d->port = target->port;
        d->is_local = target->unix_path;
        d->host = strdup(d->is_local ? target->unix_path : target->host);
        if (!d->host)
                return -ENOMEM;
        if (d->is_local && strlen(d->host) >= sizeof(((struct sockaddr_un*) 0)->sun_path))
                return -ENAMETOOLONG;
        if (target->proxy) {
                r = proxy_url_parse(target->proxy, &d->proxy_url);
                if (r < 0)
                        return r;
        }
        r = timer_new(&d->stagger, w, on_dialer_stagger, d);
        if (r < 0)
                return r;
        r = timer_new_after(&d->timeout, w, DIALER_TIMEOUT_USEC, on_dialer_timeout, d);
        if (r < 0)
                return r;
        return dialer_take_literal(d) ? 0 : dialer_resolve(d);
}

int dialer_new(Dialer **ret, Worker *w, const DialTarget *target, DialFn done, void *userdata) {
        Dialer *d = new0(Dialer, 1);
        int r;

        if (!d)
                return -ENOMEM;
        d->done = done;
        d->userdata = userdata;
        r = dialer_init(d, w, target);
        if (r < 0) {
                dialer_free(d);
                return r;
        }
        *ret = d;
        return 0;
}

Dialer *dialer_free(Dialer *d) {
        if (!d)
                return NULL;
        if (d->lookup) {
                d->lookup->dialer = NULL;
                (void) uv_cancel((uv_req_t*) &d->lookup->request); /* else it ends by itself, unseen */
        }
        for (size_t i = 0; i < d->n_started; i++)
                if (d->attempts[i].active)
                        socket_done(&d->attempts[i].socket, false);
        connect_proxy_free(d->proxy);
        timer_free(d->timeout);
        timer_free(d->stagger);
        explicit_bzero(&d->proxy_url, sizeof(d->proxy_url));
        free(d->host);
        free(d);
        return NULL;
}
