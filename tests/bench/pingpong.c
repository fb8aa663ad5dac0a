/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The load of the bench that must cost little itself:
 *   pingpong serve          echoes on a free port of 127.0.0.1, which it prints
 *   pingpong PORT ROUNDS    sends 64 bytes and waits for them, ROUNDS times; prints p50 and p99 in µs */

#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP 200

static struct sockaddr_in address = { .sin_family = AF_INET };

static int nodelay(int fd) {
        int on = 1;

        if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
                err(1, "socket");
        return fd;
}

/* Closing FD also takes it off the epoll. Visitors send little before they read: a write that blocks is short. */
static void echo(int fd) {
        char data[65536];
        ssize_t n = read(fd, data, sizeof(data));

        if (n <= 0 || write(fd, data, (size_t) n) != n)
                close(fd);
}

static void watch(int epoll, int fd) {
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
                err(1, "epoll_ctl");
}

static void allow_many_descriptors(void) {
        struct rlimit limit;

        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
}

static void serve(int listener) {
        socklen_t length = sizeof(address);
        struct epoll_event events[256];
        int epoll = epoll_create1(0);

        allow_many_descriptors();
        if (bind(listener, (struct sockaddr*) &address, length) < 0 || listen(listener, 4096) < 0)
                err(1, "listen");
        getsockname(listener, (struct sockaddr*) &address, &length);
        printf("%u\n", ntohs(address.sin_port));
        fflush(stdout);
        watch(epoll, listener);
        for (;;) {
                int n = epoll_wait(epoll, events, 256, -1);

                for (int i = 0; i < n; i++)
                        if (events[i].data.fd == listener)
                                watch(epoll, nodelay(accept(listener, NULL, NULL)));
                        else
                                echo(events[i].data.fd);
        }
}

static double round_trip_usec(int fd) {
        char data[64] = {};
        struct timespec a, b;

        clock_gettime(CLOCK_MONOTONIC, &a);
        if (write(fd, data, sizeof(data)) != sizeof(data) || recv(fd, data, sizeof(data), MSG_WAITALL) != sizeof(data))
                errx(1, "the tunnel closed");
        clock_gettime(CLOCK_MONOTONIC, &b);
        return (double) (b.tv_sec - a.tv_sec) * 1e6 + (double) (b.tv_nsec - a.tv_nsec) / 1e3;
}

static int compare(const void *a, const void *b) {
        double x = *(const double*) a, y = *(const double*) b;

        return (x > y) - (x < y);
}

int main(int argc, char **argv) {
        int fd = nodelay(socket(AF_INET, SOCK_STREAM, 0));
        size_t n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
        double *usec = calloc(n + 1, sizeof(double));

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (argc == 2 && strcmp(argv[1], "serve") == 0)
                serve(fd);
        address.sin_port = htons((uint16_t) (argc == 3 ? atoi(argv[1]) : 0));
        if (n == 0 || !usec || connect(fd, (struct sockaddr*) &address, sizeof(address)) < 0)
                err(1, "pingpong serve | pingpong PORT ROUNDS");
        for (size_t i = 0; i < WARM_UP; i++)
                (void) round_trip_usec(fd);
        for (size_t i = 0; i < n; i++)
                usec[i] = round_trip_usec(fd);
        qsort(usec, n, sizeof(double), compare);
        printf("%.1f %.1f\n", usec[n / 2], usec[n * 99 / 100]);
        return 0;
}
