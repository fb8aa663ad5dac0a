/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook-fixture.h"

#include <netinet/in.h>
#include <sys/socket.h>

static int server = -1; /* listens */
char hook_url[64];

int hook_set_up(void **state) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof(in);

        server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(bind(server, (struct sockaddr *) &in, n), 0);
        assert_int_equal(listen(server, 64), 0);
        assert_int_equal(getsockname(server, (struct sockaddr *) &in, &n), 0);
        snprintf(hook_url, sizeof(hook_url), "http://127.0.0.1:%u/hook?a=b", ntohs(in.sin_port));
        return worker_set_up(state);
}

int hook_tear_down(void **state) {
        hook_close();
        return worker_tear_down(state);
}

void hook_close(void) {
        server = safe_close(server);
}

int hook_accept(void) {
        int fd = -1;

        turn_while((fd = accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) < 0);
        return fd;
}

void hook_expect_nobody(void) {
        turn_for(5 * TICK_USEC);
        assert_int_equal(accept(server, NULL, NULL), -1);
}

char *hook_read(int fd, const char *end) {
        char request[4096];
        size_t n = 0;

        do {
                ssize_t k = -1;

                turn_while((k = recv(fd, request + n, sizeof(request) - 1 - n, 0)) < 0 && errno == EAGAIN);
                assert_true(k > 0);
                n += (size_t) k;
                request[n] = '\0';
        } while (!strstr(request, "\r\n\r\n") || !str_has_suffix(request, end));
        return strdup(request);
}

void hook_answer(int fd, const char *answer) {
        far_send(fd, answer, strlen(answer));
}

void hook_answer_body(int fd, const char *body) {
        _cleanup_free_ char *answer =
                str_format("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);

        hook_answer(fd, answer);
}
