/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/curl-loop.h"

#include <errno.h>

#include "base/parse.h"
#include "net/timer.h"

struct CurlLoop {
        Worker *worker;          /* borrowed */
        const CurlLibrary *curl; /* borrowed */
        CURLM *multi;            /* owned */
        Timer *timer;            /* owned: when libcurl wants to be called */
        CurlDoneFn done;
        void *userdata; /* borrowed */
};

/* A socket that libcurl watches; owned by libuv until its close callback. */
typedef struct CurlSocket {
        uv_poll_t poll;
        CurlLoop *loop; /* borrowed */
        curl_socket_t fd;
} CurlSocket;

static void curl_loop_act(CurlLoop *l, curl_socket_t fd, int events) {
        CURLMsg *m;
        int n;

        l->curl->multi_socket_action(l->multi, fd, events, &n);
        while ((m = l->curl->multi_info_read(l->multi, &n)))
                if (m->msg == CURLMSG_DONE)
                        l->done(m->easy_handle, m->data.result, l->userdata);
}

static void on_curl_timer(void *userdata) {
        curl_loop_act(userdata, CURL_SOCKET_TIMEOUT, 0);
}

static void on_curl_socket(uv_poll_t *poll, int status, int events) {
        CurlSocket *s = poll->data;
        int what = status < 0 ? CURL_CSELECT_ERR : 0;

        if (events & UV_READABLE)
                what |= CURL_CSELECT_IN;
        if (events & UV_WRITABLE)
                what |= CURL_CSELECT_OUT;
        curl_loop_act(s->loop, s->fd, what);
}

static void on_curl_socket_closed(uv_handle_t *handle) {
        free(handle->data);
}

static int set_timer(CURLM *multi _unused_, long msec, void *userdata) {
        CurlLoop *l = userdata;

        if (msec < 0)
                timer_stop(l->timer);
        else
                timer_start(l->timer, (uint64_t) msec * USEC_PER_MSEC);
        return 0;
}

/* Without memory nobody watches FD, and its transfer makes no progress. */
static CurlSocket *curl_socket_new(CurlLoop *l, curl_socket_t fd) {
        CurlSocket *s = new0(CurlSocket, 1);

        if (!s)
                return NULL;
        if (uv_poll_init(&l->worker->loop, &s->poll, fd) < 0) {
                free(s);
                return NULL;
        }
        s->poll.data = s;
        s->loop = l;
        s->fd = fd;
        l->curl->multi_assign(l->multi, fd, s);
        return s;
}

static int watch_socket(CURL *easy _unused_, curl_socket_t fd, int what, void *userdata, void *socket) {
        CurlLoop *l = userdata;
        CurlSocket *s = socket;

        if (what == CURL_POLL_REMOVE) {
                l->curl->multi_assign(l->multi, fd, NULL);
                if (s)
                        uv_close((uv_handle_t*) &s->poll, on_curl_socket_closed);
                return 0;
        }
        if (!s)
                s = curl_socket_new(l, fd);
        if (s)
                uv_poll_start(&s->poll,
                              (what & CURL_POLL_IN ? UV_READABLE : 0) |
                                      (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
                              on_curl_socket);
        return 0;
}

static int curl_loop_set_up(CurlLoop *l, long max_idle) {
        const CurlLibrary *curl = l->curl;

        l->multi = curl->multi_init();
        if (!l->multi || curl->multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) != CURLM_OK ||
            curl->multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l) != CURLM_OK ||
            curl->multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, set_timer) != CURLM_OK ||
            curl->multi_setopt(l->multi, CURLMOPT_TIMERDATA, l) != CURLM_OK ||
            curl->multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, max_idle) != CURLM_OK)
                return -ENOMEM;
        return timer_new(&l->timer, l->worker, on_curl_timer, l);
}

int curl_loop_new(CurlLoop **ret, Worker *w, const CurlLibrary *library, long max_idle, CurlDoneFn done,
                  void *userdata) {
        _cleanup_(curl_loop_freep) CurlLoop *l = new0(CurlLoop, 1);
        int r;

        if (!l)
                return -ENOMEM;
        l->worker = w;
        l->curl = library;
        l->done = done;
        l->userdata = userdata;
        r = curl_loop_set_up(l, max_idle);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

void curl_loop_add(CurlLoop *l, CURL *easy) {
        l->curl->multi_add_handle(l->multi, easy);
}

void curl_loop_remove(CurlLoop *l, CURL *easy) {
        l->curl->multi_remove_handle(l->multi, easy);
}

CurlLoop *curl_loop_free(CurlLoop *l) {
        if (!l)
                return NULL;
        if (l->multi)
                l->curl->multi_cleanup(l->multi);
        timer_free(l->timer);
        free(l);
        return NULL;
}
