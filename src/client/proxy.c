/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/proxy.h"

#include <errno.h>

#include "base/str.h"
#include "net/timer.h"

/*  opening (link) ──connected──► registering ──RegProxy is sent──► registered ──StartProxy──► a visitor's */

struct Proxy {
        const char *client_id; /* borrowed */
        Link *link;            /* owned */
        Channel *channel;      /* owned; NULL while opening */
        Timer *timeout;        /* owned */
        bool is_registered;
        const ProxyOps *ops; /* borrowed */
        void *userdata;      /* borrowed */
};

static void on_proxy_timeout(void *userdata) {
        Proxy *p = userdata;

        p->ops->ended(p, p->is_registered ? NULL : "the server does not answer on a new connection",
                      p->userdata);
}

static void proxy_start(Proxy *p, const MessageStartProxy *start) {
        Buffer *head = NULL;
        Stream *s = channel_release(TAKE_PTR(p->channel), &head);

        p->ops->started(p, s, head, start, p->userdata);
}

/* ERROR: 0 for the end. */
static void proxy_fail(Proxy *p, int error) {
        const char *why = stream_explain(channel_stream(p->channel));

        if (p->is_registered)
                why = NULL; /* it was idle for long, or the session is over */
        else if (error == 0)
                why = "the server closed a new connection";
        else if (!why)
                why = strerror(-error);
        p->ops->ended(p, why, p->userdata);
}

static void on_proxy_message(Channel *c _unused_, const Message *m, int error, void *userdata) {
        Proxy *p = userdata;

        if (!m)
                proxy_fail(p, error);
        else if (m->type == MESSAGE_START_PROXY && p->is_registered)
                proxy_start(p, &m->start_proxy);
        else
                p->ops->ended(p, "the server sent something else than StartProxy on a new connection",
                              p->userdata);
}

static void on_proxy_writable(Channel *c _unused_, void *userdata) {
        Proxy *p = userdata;

        p->is_registered = true;
        timer_start(p->timeout, PROXY_IDLE_TIMEOUT_USEC);
        p->ops->registered(p, p->userdata);
}

static void on_proxy_open(Link *l _unused_, Channel *c, const Address *peer _unused_, const char *why,
                          void *userdata) {
        Proxy *p = userdata;
        Message m = { .type = MESSAGE_REG_PROXY,
                      .reg_proxy.client_id = (char*) p->client_id }; /* borrowed */
        int r;

        if (!c) {
                p->ops->ended(p, why, p->userdata);
                return;
        }
        p->channel = c;
        r = channel_queue(c, &m);
        if (r < 0)
                proxy_fail(p, r);
        else
                channel_set_writable_fn(c, on_proxy_writable);
}

int proxy_new(Proxy **ret, const LinkParams *params, const char *client_id, const ProxyOps *ops,
              void *userdata) {
        Proxy *p = new0(Proxy, 1);
        int r;

        if (!p)
                return -ENOMEM;
        *p = (Proxy) { .client_id = client_id, .ops = ops, .userdata = userdata };
        r = timer_new_after(&p->timeout, params->worker, PROXY_REGISTER_TIMEOUT_USEC, on_proxy_timeout, p);
        if (r >= 0)
                r = link_new(&p->link, params, on_proxy_message, on_proxy_open, p);
        if (r < 0) {
                proxy_free(p);
                return r;
        }
        *ret = p;
        return 0;
}

Proxy *proxy_free(Proxy *p) {
        if (!p)
                return NULL;
        link_free(p->link);
        channel_free(p->channel);
        timer_free(p->timeout);
        free(p);
        return NULL;
}
