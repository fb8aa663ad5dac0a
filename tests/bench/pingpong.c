/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The load of the bench that must cost little itself:
 *   pingpong serve          echoes on a free port of 127.0.0.1, which it prints
 *   pingpong PORT ROUNDS    sends 64 bytes and waits for them, ROUNDS times; prints p50 and p99 in µs */

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_BYTES 64
#define ROUNDS_MAX 10000000

static struct sockaddr_in loopback(uint16_t port) {
        return (struct sockaddr_in){ .sin_family = AF_INET,
                                     .sin_port = htons(port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void set_nodelay(int fd) {
        int on = 1;

        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
                err(1, "TCP_NODELAY");
}

static void *echo(void *p) {
        int fd = (int) (intptr_t) p;
        char data[65536];
        ssize_t n;

        set_nodelay(fd);
        while ((n = read(fd, data, sizeof(data))) > 0)
                if (write(fd, data, (size_t) n) != n)
                        break;
        close(fd);
        return NULL;
}

static int serve(void) {
        struct sockaddr_in a = loopback(0);
        socklen_t length = sizeof(a);
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (fd < 0 || bind(fd, (struct sockaddr*) &a, sizeof(a)) < 0 || listen(fd, 4096) < 0)
                err(1, "listen");
        getsockname(fd, (struct sockaddr*) &a, &length);
        printf("%u\n", ntohs(a.sin_port));
        fflush(stdout);
        for (;;) {
                int visitor = accept(fd, NULL, NULL);
                pthread_t thread;

                if (visitor < 0 || pthread_create(&thread, NULL, echo, (void*) (intptr_t) visitor) != 0)
                        err(1, "accept");
                pthread_detach(thread);
        }
}

static double now_usec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

static double round_trip_usec(int fd) {
        char data[MESSAGE_BYTES] = {};
        double begin = now_usec();

        if (write(fd, data, sizeof(data)) != sizeof(data))
                err(1, "write");
        if (recv(fd, data, sizeof(data), MSG_WAITALL) != sizeof(data))
                errx(1, "the tunnel closed");
        return now_usec() - begin;
}

static int compare(const void *a, const void *b) {
        double x = *(const double*) a, y = *(const double*) b;

        return (x > y) - (x < y);
}

static int measure(uint16_t port, size_t rounds) {
        struct sockaddr_in a = loopback(port);
        double *usec = calloc(rounds, sizeof(double));
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (!usec || fd < 0 || connect(fd, (struct sockaddr*) &a, sizeof(a)) < 0)
                err(1, "connect");
        set_nodelay(fd);
        for (int i = 0; i < 200; i++)
                round_trip_usec(fd); /* warm */
        for (size_t i = 0; i < rounds; i++)
                usec[i] = round_trip_usec(fd);
        qsort(usec, rounds, sizeof(double), compare);
        printf("%.1f %.1f\n", usec[rounds / 2], usec[rounds * 99 / 100]);
        close(fd);
        free(usec);
        return 0;
}

int main(int argc, char **argv) {
        if (argc == 2 && strcmp(argv[1], "serve") == 0)
                return serve();
        if (argc == 3 && atoi(argv[1]) > 0 && atoi(argv[2]) > 0 && atoi(argv[2]) < ROUNDS_MAX)
                return measure((uint16_t) atoi(argv[1]), (size_t) atoi(argv[2]));
        errx(2, "usage: pingpong serve | pingpong PORT ROUNDS");
}
