/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/inspector-walk.h"

#include "net/http-json.h"
#include "net/timer.h"

typedef struct Walk {
        HttpExchange *exchange; /* borrowed */
        Records *records;       /* borrowed */
        WalkRange left;
        Timer *timer; /* owned */
        const WalkOps *ops;
        void *userdata; /* owned */
} Walk;

static void walk_free(Walk *walk) {
        timer_free(walk->timer);
        walk->ops->free(walk->userdata);
        free(walk);
}

static void on_walk_due(void *userdata) {
        Walk *walk = userdata;
        WalkRange *left = &walk->left;
        _cleanup_(record_freep) Record *record =
                left->first < left->next ? records_copy(walk->records, left->first++, left->bodies) : NULL;

        if (record)
                walk->ops->record(record, walk->exchange, walk->userdata);
        if (left->first < left->next) {
                timer_start(walk->timer, 0);
                return;
        }
        walk->ops->answer(walk->exchange, walk->userdata);
        walk_free(walk);
}

static void on_walk_gone(void *userdata) {
        walk_free(userdata);
}

void inspector_walk(HttpExchange *x, Worker *w, Records *records, const WalkRange *range, const WalkOps *ops,
                    void *userdata) {
        Walk *walk = new0(Walk, 1);

        if (!walk || timer_new(&walk->timer, w, on_walk_due, walk) < 0) {
                free(walk);
                ops->free(userdata);
                http_answer_error(x, 500, "Out of memory");
                return;
        }
        walk->exchange = x;
        walk->records = records;
        walk->left = *range;
        walk->ops = ops;
        walk->userdata = userdata;
        http_exchange_wait(x, on_walk_gone, walk);
        timer_start(walk->timer, 0);
}
