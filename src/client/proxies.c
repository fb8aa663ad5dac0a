/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/proxies.h"

#include <errno.h>
#include <sys/resource.h>
#include <utlist.h>

#include "base/log.h"
#include "base/str.h"

typedef struct ProxyEntry ProxyEntry;
struct ProxyEntry {
        ProxyEntry *prev, *next;
        Proxies *proxies; /* borrowed */
        Proxy *proxy;     /* owned */
        bool is_idle;     /* registered */
};

struct Proxies {
        const LinkParams *params; /* borrowed */
        const char *client_id;    /* borrowed */
        ProxyEntry *entries;      /* owned */
        unsigned n_opening, n_idle;
        unsigned n_max; /* of both together */
        unsigned n_waiting;
        bool has_failed; /* the latest attempt; said once, until one goes well */
        ProxiesVisitorFn on_visitor;
        void *userdata; /* borrowed */
};

static void entry_free(ProxyEntry *e) {
        Proxies *p = e->proxies;

        DL_DELETE(p->entries, e);
        if (e->is_idle)
                p->n_idle--;
        else
                p->n_opening--;
        proxy_free(e->proxy);
        free(e);
}

static int proxies_open(Proxies *p);

/* Begins as many of those that wait as the limits allow. */
static void proxies_go_on(Proxies *p) {
        while (p->n_waiting > 0 && p->n_opening < PROXIES_OPENING_MAX &&
               p->n_opening + p->n_idle < p->n_max) {
                int r = proxies_open(p);

                p->n_waiting--;
                if (r < 0)
                        log_warning("Can't open a connection for a visitor: %s, ignoring", strerror(-r));
        }
}

static void on_registered(Proxy *proxy _unused_, void *userdata) {
        ProxyEntry *e = userdata;
        Proxies *p = e->proxies;

        e->is_idle = true;
        p->n_opening--;
        p->n_idle++;
        p->has_failed = false;
        proxies_go_on(p);
}

static void on_started(Proxy *proxy _unused_, Stream *stream, Buffer *head, const MessageStartProxy *start,
                       void *userdata) {
        ProxyEntry *e = userdata;
        Proxies *p = e->proxies;

        entry_free(e);
        proxies_go_on(p);
        p->on_visitor(stream, head, start, p->userdata);
}

static void on_ended(Proxy *proxy _unused_, const char *why, void *userdata) {
        ProxyEntry *e = userdata;
        Proxies *p = e->proxies;

        if (why && !p->has_failed)
                log_warning("Can't open a connection for a visitor: %s, ignoring", why);
        p->has_failed = why;
        entry_free(e);
        proxies_go_on(p);
}

static const ProxyOps proxy_ops = { .registered = on_registered, .started = on_started, .ended = on_ended };

static int proxies_open(Proxies *p) {
        ProxyEntry *e = new0(ProxyEntry, 1);
        int r;

        if (!e)
                return -ENOMEM;
        e->proxies = p;
        r = proxy_new(&e->proxy, p->params, p->client_id, &proxy_ops, e);
        if (r < 0) {
                free(e);
                return r;
        }
        DL_APPEND(p->entries, e);
        p->n_opening++;
        return 0;
}

/* Each visitor needs two descriptors more. */
static unsigned descriptors_for_idle(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 4 > PROXIES_IDLE_MAX)
                return PROXIES_IDLE_MAX;
        return MAX((unsigned) limit.rlim_cur / 4, 1U);
}

int proxies_new(Proxies **ret, const LinkParams *params, const char *client_id, ProxiesVisitorFn on_visitor,
                void *userdata) {
        Proxies *p = new0(Proxies, 1);

        if (!p)
                return -ENOMEM;
        *p = (Proxies) {
                .params = params, .client_id = client_id, .on_visitor = on_visitor, .userdata = userdata
        };
        p->n_max = descriptors_for_idle();
        *ret = p;
        return 0;
}

void proxies_want(Proxies *p) {
        if (p->n_waiting >= PROXIES_WAITING_MAX) {
                log_debug("The server asks for too many connections, ignoring");
                return;
        }
        p->n_waiting++;
        proxies_go_on(p);
}

Proxies *proxies_free(Proxies *p) {
        if (!p)
                return NULL;
        while (p->entries)
                entry_free(p->entries);
        free(p);
        return NULL;
}
