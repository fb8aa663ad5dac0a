/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/arrivals.h"

#include <errno.h>
#include <utlist.h>

#include "base/parse.h"
#include "net/channel.h"
#include "net/timer.h"

/* One timer for all: they come in order and have the same time. */

typedef struct Arrival {
        Arrivals *arrivals; /* borrowed */
        Channel *channel;   /* owned */
        uint64_t due_usec;
        struct Arrival *prev, *next;
} Arrival;

struct Arrivals {
        Arrival *list;  /* owned, the oldest first */
        Timer *timeout; /* owned */
        ArrivalFn on_arrival;
        void *userdata; /* borrowed */
};

static void arrival_free(Arrival *a) {
        DL_DELETE(a->arrivals->list, a);
        channel_free(a->channel);
        free(a);
}

static void on_arrivals_timeout(void *userdata) {
        Arrivals *as = userdata;
        uint64_t now = clock_usec();

        while (as->list && as->list->due_usec <= now)
                arrival_free(as->list);
        if (as->list)
                timer_start(as->timeout, as->list->due_usec - now);
}

static void on_arrival_message(Channel *c, const Message *m, int error _unused_, void *userdata) {
        Arrival *a = userdata;
        Arrivals *as = a->arrivals;

        if (m && m->type == MESSAGE_START_PROXY) {
                Buffer *head = NULL;
                Stream *stream = channel_release(c, &head);

                a->channel = NULL;
                arrival_free(a);
                as->on_arrival(stream, head, &m->start_proxy, as->userdata);
        } else
                arrival_free(a);
}

int arrivals_new(Arrivals **ret, Worker *w, ArrivalFn on_arrival, void *userdata) {
        Arrivals *as = new0(Arrivals, 1);
        int r;

        if (!as)
                return -ENOMEM;
        as->on_arrival = on_arrival;
        as->userdata = userdata;
        r = timer_new(&as->timeout, w, on_arrivals_timeout, as);
        if (r < 0) {
                free(as);
                return r;
        }
        *ret = as;
        return 0;
}

void arrivals_add(Arrivals *as, Stream *stream) {
        Arrival *a = new0(Arrival, 1);

        if (!a || channel_new(&a->channel, stream, NULL, on_arrival_message, a) < 0) {
                stream_free(stream);
                free(a);
                return;
        }
        a->arrivals = as;
        a->due_usec = clock_usec() + ARRIVAL_TIMEOUT_USEC;
        if (!as->list)
                timer_start(as->timeout, ARRIVAL_TIMEOUT_USEC);
        DL_APPEND(as->list, a);
}

Arrivals *arrivals_free(Arrivals *as) {
        if (!as)
                return NULL;
        while (as->list)
                arrival_free(as->list);
        timer_free(as->timeout);
        free(as);
        return NULL;
}
