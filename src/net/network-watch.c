/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/network-watch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <time.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/parse.h"
#include "net/timer.h"

#define DRAIN_READS_MAX 64 /* in a turn */

struct NetworkWatch {
        Worker *worker; /* borrowed */
        PollItem poll;
        int fd;                /* owned: rtnetlink, or -1 */
        Timer *quiet;          /* owned: runs from the first change of a bunch on */
        uint64_t quiet_usec;   /* of the next bunch; doubles as long as they follow each other */
        uint64_t changed_usec; /* when the last bunch was told, or 0 */
        Timer *pulse;          /* owned */
        uint64_t due_usec;     /* of the pulse, in CLOCK_BOOTTIME, which goes on in suspend */
        bool is_waiting;       /* for `quiet' */
        NetworkWatchFn changed;
        void *userdata; /* borrowed */
};

static uint64_t boottime_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_BOOTTIME, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / 1000;
}

static void on_quiet(void *userdata) {
        NetworkWatch *n = userdata;

        n->is_waiting = false;
        n->changed_usec = clock_usec();
        n->changed(n->userdata);
}

/* A network that never rests, as where containers come and go, must not keep who is told from connecting. */
static uint64_t next_quiet_usec(const NetworkWatch *n) {
        bool is_calm = n->changed_usec == 0 || clock_usec() - n->changed_usec >= NETWORK_WATCH_CALM_USEC;

        return is_calm ? NETWORK_WATCH_QUIET_USEC : MIN(2 * n->quiet_usec, NETWORK_WATCH_QUIET_MAX_USEC);
}

/* What has changed doesn't matter. */
static void on_netlink(PollItem *item, uint32_t events _unused_) {
        NetworkWatch *n = container_of(item, NetworkWatch, poll);
        char message[8192];

        for (unsigned i = 0; i < DRAIN_READS_MAX; i++)
                if (recv(n->fd, message, sizeof(message), MSG_DONTWAIT) < 0 && errno != ENOBUFS &&
                    errno != EINTR)
                        break;
        if (n->is_waiting)
                return;
        n->is_waiting = true;
        n->quiet_usec = next_quiet_usec(n);
        timer_start(n->quiet, n->quiet_usec);
}

static void on_pulse(void *userdata) {
        NetworkWatch *n = userdata;
        uint64_t now = boottime_usec();
        bool is_late = now > n->due_usec + NETWORK_WATCH_LATE_USEC;

        n->due_usec = now + NETWORK_WATCH_PULSE_USEC;
        timer_start(n->pulse, NETWORK_WATCH_PULSE_USEC);
        if (is_late)
                n->changed(n->userdata);
}

static int network_watch_listen(NetworkWatch *n) {
        struct sockaddr_nl address = {
                .nl_family = AF_NETLINK,
                .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR |
                             RTMGRP_IPV6_ROUTE,
        };
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
        int r;

        if (fd < 0 || bind(fd, (struct sockaddr*) &address, sizeof(address)) < 0)
                return -errno;
        r = worker_poll(n->worker, &n->poll, fd, EPOLLIN);
        if (r >= 0)
                n->fd = TAKE_FD(fd);
        return r;
}

int network_watch_new(NetworkWatch **ret, Worker *w, NetworkWatchFn changed, void *userdata) {
        NetworkWatch *n = new0(NetworkWatch, 1);
        int r;

        if (!n)
                return -ENOMEM;
        *n = (NetworkWatch) {
                .worker = w, .poll.run = on_netlink, .fd = -1, .changed = changed, .userdata = userdata
        };
        r = timer_new(&n->quiet, w, on_quiet, n);
        if (r >= 0)
                r = timer_new(&n->pulse, w, on_pulse, n);
        if (r < 0) {
                network_watch_free(n);
                return r;
        }
        r = network_watch_listen(n);
        if (r < 0)
                log_debug("Changes of the network are not told: %s, ignoring", strerror(-r));
        n->due_usec = boottime_usec() + NETWORK_WATCH_PULSE_USEC;
        timer_start(n->pulse, NETWORK_WATCH_PULSE_USEC);
        *ret = n;
        return 0;
}

NetworkWatch *network_watch_free(NetworkWatch *n) {
        if (!n)
                return NULL;
        if (n->fd >= 0)
                worker_unpoll(n->worker, &n->poll, n->fd);
        safe_close(n->fd);
        timer_free(n->quiet);
        timer_free(n->pulse);
        free(n);
        return NULL;
}
