/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/connect-proxy.h"

#include <errno.h>

#include "base/str.h"
#include "net/address.h"
#include "net/socket.h"

#define CONNECT_ANSWER_BYTES_MAX 8192

struct ConnectProxy {
        Socket socket;
        Buffer *request; /* owned; NULL once it is sent */
        char answer[CONNECT_ANSWER_BYTES_MAX + 1];
        size_t n_answer;
        ConnectProxyFn done;
        void *userdata; /* borrowed */
};

/* Decodes %XX of N bytes into RET. Returns 0 or -EINVAL. */
static int percent_decode(const char *s, size_t n, char *ret, size_t ret_size) {
        size_t k = 0;

        for (size_t i = 0; i < n; i++) {
                uint8_t byte = (uint8_t) s[i];

                if (s[i] == '%') {
                        char hex[3] = "";

                        if (i + 2 >= n)
                                return -EINVAL;
                        memcpy(hex, s + i + 1, 2);
                        if (hex_decode(hex, &byte, 1) < 0 || byte < 0x20)
                                return -EINVAL;
                        i += 2;
                }
                if (k + 1 >= ret_size)
                        return -EINVAL;
                ret[k++] = (char) byte;
        }
        ret[k] = '\0';
        return 0;
}

int proxy_url_parse(const char *url, ProxyUrl *ret) {
        const char *s = str_skip_prefix(url, "http://"), *at;
        _cleanup_free_ char *authority = NULL;
        ProxyUrl u = {};

        if (!s)
                s = url;
        if (strstr(s, "://"))
                return -EINVAL;
        authority = strndup(s, strcspn(s, "/"));
        if (!authority)
                return -ENOMEM;
        at = strrchr(authority, '@');
        if (at && percent_decode(authority, (size_t) (at - authority), u.user, sizeof(u.user)) < 0)
                return -EINVAL;
        if (host_port_split(at ? at + 1 : authority, 80, u.host, sizeof(u.host), &u.port) < 0 ||
            u.host[0] == '\0')
                return -EINVAL;
        if (u.user[0] != '\0' && !strchr(u.user, ':') && strlen(u.user) + 1 < sizeof(u.user))
                strcat(u.user, ":");
        *ret = u;
        return 0;
}

static int connect_request(const ProxyUrl *url, const char *host, uint16_t port, Buffer *out) {
        _cleanup_free_ char *request = NULL, *authorization = NULL;
        const char *left = strchr(host, ':') ? "[" : "", *right = *left ? "]" : "";

        if (url->user[0] != '\0') {
                char encoded[BASE64_SIZE(sizeof(url->user))];

                base64_encode((const uint8_t*) url->user, strlen(url->user), encoded);
                authorization = str_format("Proxy-Authorization: Basic %s\r\n", encoded);
                if (!authorization)
                        return -ENOMEM;
        }
        request = str_format("CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n%s\r\n", left, host, right,
                             port, left, host, right, port, authorization ? authorization : "");
        return request ? buffer_append(out, request, strlen(request)) : -ENOMEM;
}

static void connect_proxy_fail(ConnectProxy *p, int error, const char *why) {
        _cleanup_free_ char *text = NULL;

        if (!why)
                why = text = str_format("The HTTP proxy doesn't connect us: %s", strerror(-error));
        p->done(p, -1, error, why ? why : "Out of memory", p->userdata);
}

static void connect_proxy_answered(ConnectProxy *p, const char *end) {
        unsigned status;

        if (sscanf(p->answer, "HTTP/1.%*1[01] %3u", &status) != 1) {
                connect_proxy_fail(p, -EPROTO, "The HTTP proxy's answer to CONNECT is not HTTP");
                return;
        }
        if (status / 100 != 2) {
                _cleanup_free_ char *line = str_escape(p->answer, strcspn(p->answer, "\r\n"));
                _cleanup_free_ char *why =
                        str_format("The HTTP proxy refuses to connect us: %s", line ? line : "");

                connect_proxy_fail(p, -ECONNREFUSED, why);
                return;
        }
        if (*end != '\0') { /* the target speaks only after us */
                connect_proxy_fail(p, -EPROTO,
                                   "The HTTP proxy sends more than the head of its answer to CONNECT");
                return;
        }
        socket_detach(&p->socket);
        p->done(p, TAKE_FD(p->socket.fd), 0, NULL, p->userdata);
}

static void connect_proxy_read(ConnectProxy *p) {
        ssize_t k = socket_read(&p->socket, p->answer + p->n_answer, CONNECT_ANSWER_BYTES_MAX - p->n_answer);
        const char *end;

        if (k == -EAGAIN)
                return;
        if (k <= 0) {
                connect_proxy_fail(p, k < 0 ? (int) k : -ECONNRESET, NULL);
                return;
        }
        p->n_answer += (size_t) k;
        p->answer[p->n_answer] = '\0';
        end = strstr(p->answer, "\r\n\r\n");
        if (end)
                connect_proxy_answered(p, end + 4);
        else if (p->n_answer == CONNECT_ANSWER_BYTES_MAX || strlen(p->answer) < p->n_answer)
                connect_proxy_fail(p, -EPROTO, "The HTTP proxy's answer to CONNECT is not HTTP");
}

static void on_connect_proxy_event(Socket *s, unsigned events) {
        ConnectProxy *p = container_of(s, ConnectProxy, socket);

        if ((events & STREAM_WRITABLE) && p->request) {
                ssize_t k = socket_write(s, buffer_head(p->request), buffer_length(p->request));

                if (k < 0 && k != -EAGAIN) {
                        connect_proxy_fail(p, (int) k, NULL);
                        return;
                }
                if (k > 0)
                        buffer_consume(p->request, (size_t) k);
                if (buffer_length(p->request) == 0) {
                        p->request = buffer_put(NULL, p->request);
                        socket_set_events(s, STREAM_READABLE);
                }
        }
        if (events & STREAM_READABLE)
                connect_proxy_read(p);
}

int connect_proxy_new(ConnectProxy **ret, Worker *w, int fd, const ProxyUrl *url, const char *host,
                      uint16_t port, ConnectProxyFn done, void *userdata) {
        ConnectProxy *p = new0(ConnectProxy, 1);
        int r = -ENOMEM;

        if (!p)
                return -ENOMEM;
        p->socket.fd = -1;
        p->done = done;
        p->userdata = userdata;
        p->request = buffer_get(NULL);
        if (p->request)
                r = connect_request(url, host, port, p->request);
        if (r >= 0)
                r = socket_init(&p->socket, w, fd, on_connect_proxy_event);
        if (r < 0) {
                connect_proxy_free(p);
                return r;
        }
        socket_set_events(&p->socket, STREAM_READABLE | STREAM_WRITABLE);
        *ret = p;
        return 0;
}

ConnectProxy *connect_proxy_free(ConnectProxy *p) {
        if (!p)
                return NULL;
        socket_done(&p->socket, false);
        if (p->request)
                explicit_bzero(p->request->data, p->request->end);
        buffer_put(NULL, p->request);
        free(p);
        return NULL;
}
