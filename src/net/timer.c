/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/timer.h"

#include <errno.h>

#include "base/parse.h"

#define NSEC_PER_MSEC UINT64_C(1000000)

struct Timer {
        uv_timer_t handle;
        TimerFn fn;
        void *userdata; /* borrowed */
};

static void on_timer(uv_timer_t *handle) {
        Timer *t = handle->data;

        t->fn(t->userdata);
}

static void on_timer_closed(uv_handle_t *handle) {
        free(handle->data);
}

int timer_new(Timer **ret, Worker *w, TimerFn fn, void *userdata) {
        Timer *t = new0(Timer, 1);

        if (!t)
                return -ENOMEM;
        uv_timer_init(&w->loop, &t->handle);
        t->handle.data = t;
        t->fn = fn;
        t->userdata = userdata;
        *ret = t;
        return 0;
}

/* Rounded up: never early. */
static uint64_t usec_to_msec(uint64_t usec) {
        return usec / USEC_PER_MSEC + (usec % USEC_PER_MSEC != 0);
}

/* The loop counts from when it looked at the clock, before it did all that came up in this turn. Setting its
 * time here would let timers that are started by timers fire in the same turn, without end. */
static uint64_t timer_delay_msec(Timer *t, uint64_t usec) {
        uint64_t now = uv_hrtime() / NSEC_PER_MSEC, then = uv_now(t->handle.loop);

        return usec_to_msec(usec) + now - MIN(now, then);
}

void timer_start(Timer *t, uint64_t usec) {
        uv_timer_start(&t->handle, on_timer, timer_delay_msec(t, usec), 0);
}

void timer_start_every(Timer *t, uint64_t usec) {
        uv_timer_start(&t->handle, on_timer, timer_delay_msec(t, usec), usec_to_msec(usec));
}

void timer_stop(Timer *t) {
        uv_timer_stop(&t->handle);
}

Timer *timer_free(Timer *t) {
        if (t)
                uv_close((uv_handle_t*) &t->handle, on_timer_closed);
        return NULL;
}

int timer_new_after(Timer **ret, Worker *w, uint64_t usec, TimerFn fn, void *userdata) {
        int r = timer_new(ret, w, fn, userdata);

        if (r >= 0)
                timer_start(*ret, usec);
        return r;
}
