/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/relay.h"

#include <errno.h>

#include "base/parse.h"

/* Each direction by itself:
 *
 *   OPEN ──source's end, nothing buffered──► [WITHHELD ──►] SHUT ──flushed──► DONE
 *     └──sink takes no more──► BROKEN: nothing more is read; the other way may still carry an answer
 *
 * The relay is done when both directions are DONE or BROKEN, or when a source fails.
 *
 * A tap sees all bytes where the sink takes them. With a filter bytes are judged before they move, where they
 * are with the source, or else in `input'. What was admitted then goes the way that all go without one. */

#define RELAY_BURST_BYTES (256U * 1024) /* that a direction moves at one event; about so many */
#define RELAY_BURST_READS 4
#define RELAY_GATHER_BYTES (16 * 1024) /* that are copied behind a filter's own, to leave with them */
#define RELAY_STALL_USEC (5 * UINT64_C(1000000)) /* for a sink that stalls, after the source's abort */
#define RELAY_WITHHOLD_MAX_USEC (300 * UINT64_C(1000000)) /* for an answer that never begins */
#define RELAY_THROTTLE_MAX_USEC USEC_PER_SEC              /* until it looks whether a rate has changed */

typedef enum DirectionState {
        DIRECTION_OPEN,
        DIRECTION_WITHHELD,
        DIRECTION_SHUT,
        DIRECTION_DONE,
        DIRECTION_BROKEN,
} DirectionState;

typedef struct Direction {
        Stream *from, *to;  /* borrowed */
        const Relay *relay; /* that it is one of */
        Buffer *buffer;     /* owned; bytes read and not written, or NULL */
        Buffer *input;      /* owned; bytes read and not let through or not taken, or NULL */
        uint64_t admitted;  /* how many of the bytes that are next the filter lets through */
        DirectionState state;
        bool wants_more; /* the filter can't decide about `input' yet */
        bool held;       /* the filter lets nothing through now */
        bool unreported; /* the filter hasn't heard yet that what it let through has passed */
        bool blocked;    /* the sink takes nothing now, and the bytes are still with the source */
        bool aborted;    /* the source's peer has broken it off; what it sent before is still under way */
        bool unflushed;  /* the sink holds bytes that the kernel didn't take */
        uint64_t bytes;  /* taken by the sink */
        uint64_t bytes_checked; /* the same when the abort was last looked at */
        uint64_t last_usec;     /* when it last moved; kept only if A's end may be withheld */
        size_t credit;          /* bytes that it may move, from due_usec on; kept only if there are rates */
        uint64_t due_usec;
        unsigned rate_changes; /* that were seen when it queued for that */
        bool throttled;        /* until then, or until a rate changes */
        bool hurries;          /* its next share is moved before it is due */
} Direction;

struct Relay {
        Direction a_to_b, b_to_a;
        uint64_t withhold_usec;
        Timer *withhold;              /* owned; from A's end on, if that is withheld */
        Timer *stall;                 /* owned; from an abort on, while bytes from before it are under way */
        Rate *rates[RELAY_RATES_MAX]; /* borrowed, or NULL */
        bool has_rates;
        const RelayFilter *filter; /* borrowed, or NULL */
        void *filter_userdata;     /* borrowed */
        const RelayTap *tap;       /* borrowed, or NULL */
        void *tap_userdata;        /* borrowed */
        bool resumed;              /* A's direction is to be run, whatever the event was */
        Timer *throttle;           /* owned; the first time that a rate makes it wait */
        RelayDoneFn done;
        void *userdata; /* borrowed */
};

static void on_relay_withheld(void *userdata);

static BufferPool *direction_pool(Direction *d) {
        return &d->from->worker->buffers;
}

static RelaySide direction_side(const Relay *r, const Direction *d) {
        return d == &r->a_to_b ? RELAY_A : RELAY_B;
}

/* The sink has taken N bytes at DATA. */
static void direction_count(Direction *d, const void *data, size_t n) {
        const Relay *r = d->relay;

        d->bytes += n;
        if (r->tap)
                r->tap->passed(r->tap_userdata, direction_side(r, d), data, n);
}

/* Writes what waits. Returns 0 when nothing is left, -EAGAIN, or the sink's error. */
static int direction_write(Direction *d) {
        while (d->buffer) {
                ssize_t k = stream_write(d->to, buffer_head(d->buffer), buffer_length(d->buffer));

                if (k < 0)
                        return (int) k;
                direction_count(d, buffer_head(d->buffer), (size_t) k);
                buffer_consume(d->buffer, (size_t) k);
                if (buffer_length(d->buffer) == 0)
                        d->buffer = buffer_put(direction_pool(d), d->buffer);
        }
        return 0;
}

/* The ways from source to sink return 1, 0 at the end, -EAGAIN when the source has nothing or, with
 * `blocked`, the sink takes nothing, -EPIPE when the sink failed, or the source's error. */

/* Through a buffer of our own. */
static int direction_read(Direction *d, size_t max) {
        ssize_t k;

        d->buffer = buffer_get(direction_pool(d));
        if (!d->buffer)
                return -ENOMEM;
        k = stream_read(d->from, d->buffer->data, MIN((size_t) BUFFER_BYTES, max));
        if (k <= 0) {
                d->buffer = buffer_put(direction_pool(d), d->buffer);
                return (int) k;
        }
        buffer_produce(d->buffer, (size_t) k);
        d->credit -= (size_t) k;
        return 1;
}

/* From where the bytes are with the source. */
static int direction_pass(Direction *d, size_t max) {
        const uint8_t *p;
        ssize_t k = stream_peek(d->from, &p);

        if (k <= 0)
                return (int) k;
        k = stream_write(d->to, p, MIN((size_t) k, max));
        if (k < 0) {
                d->blocked = k == -EAGAIN;
                return d->blocked ? -EAGAIN : -EPIPE;
        }
        direction_count(d, p, (size_t) k);
        d->credit -= (size_t) k;
        stream_consume(d->from, (size_t) k);
        return 1;
}

/* To where the sink wants them. */
static int direction_read_into(Direction *d, size_t max) {
        uint8_t *p;
        ssize_t room = stream_reserve(d->to, &p), k;

        if (room < 0) {
                d->blocked = room == -EAGAIN;
                return d->blocked ? -EAGAIN : -EPIPE;
        }
        k = stream_read(d->from, p, MIN((size_t) room, max));
        stream_commit(d->to, k > 0 ? (size_t) k : 0);
        if (k <= 0)
                return (int) k;
        direction_count(d, p, (size_t) k);
        d->credit -= (size_t) k;
        return 1;
}

static int direction_transfer(Direction *d, size_t max) {
        if (stream_can_peek(d->from))
                return direction_pass(d, max);
        return stream_can_reserve(d->to) ? direction_read_into(d, max) : direction_read(d, max);
}

/* ---- the filter ---- */

static Direction *relay_direction(Relay *r, RelaySide from) {
        return from == RELAY_A ? &r->a_to_b : &r->b_to_a;
}

static void direction_consume(Direction *d, size_t n) {
        if (!d->input) {
                if (n > 0)
                        stream_consume(d->from, n);
                return;
        }
        buffer_consume(d->input, n);
        if (buffer_length(d->input) == 0)
                d->input = buffer_put(direction_pool(d), d->input);
}

static int direction_pass_input(Direction *d, size_t max) {
        ssize_t k = stream_write(d->to, buffer_head(d->input), MIN(buffer_length(d->input), max));

        if (k < 0) {
                d->blocked = k == -EAGAIN;
                return d->blocked ? -EAGAIN : -EPIPE;
        }
        direction_count(d, buffer_head(d->input), (size_t) k);
        d->credit -= (size_t) k;
        direction_consume(d, (size_t) k);
        return 1;
}

static int direction_pass_admitted(Direction *d, size_t max) {
        size_t before = d->credit;
        int e;

        max = (size_t) MIN((uint64_t) max, d->admitted);
        e = d->input ? direction_pass_input(d, max) : direction_transfer(d, max);
        d->admitted -= before - d->credit;
        return e;
}

/* Reads behind what is in `input'. */
static int direction_read_input(Direction *d) {
        const uint8_t *p;
        ssize_t k;

        if (!d->input)
                d->input = buffer_get(direction_pool(d));
        if (!d->input)
                return -ENOMEM;
        if (buffer_room(d->input) == 0)
                buffer_compact(d->input);
        if (stream_can_peek(d->from)) {
                k = stream_peek(d->from, &p);
                if (k > 0) {
                        k = MIN(k, (ssize_t) buffer_room(d->input));
                        (void) buffer_append(d->input, p, (size_t) k);
                        stream_consume(d->from, (size_t) k);
                }
        } else {
                k = stream_read(d->from, buffer_tail(d->input), buffer_room(d->input));
                if (k > 0)
                        buffer_produce(d->input, (size_t) k);
        }
        if (buffer_length(d->input) == 0)
                d->input = buffer_put(direction_pool(d), d->input);
        if (k > 0)
                d->wants_more = false;
        return k > 0 ? 1 : (int) k;
}

/* Copies the first of N admitted bytes at P to OUT, if there is something already. Returns how many. */
static size_t direction_gather(Direction *d, Buffer *out, const uint8_t *p, size_t n) {
        if (buffer_length(out) == 0)
                return 0;
        n = (size_t) MIN((uint64_t) MIN(n, (size_t) RELAY_GATHER_BYTES), d->admitted);
        if (buffer_append(out, p, n) < 0)
                return 0;
        d->admitted -= n;
        return n;
}

/* Has N bytes at P judged, until there is something to move or to wait for; what takes their place is
 * appended to OUT. Returns how many bytes are done with, or -ECANCELED. */
static ssize_t direction_ask(Relay *r, Direction *d, const uint8_t *p, size_t n, Buffer *out) {
        size_t done = 0;

        while (done < n) {
                size_t taken = 0;
                int64_t e = r->filter->judge(r->filter_userdata, direction_side(r, d),
                                             (const char*) p + done, n - done, out, &taken);

                if (e == 0)
                        done += taken;
                else if (e > 0) {
                        d->admitted = (uint64_t) e;
                        done += direction_gather(d, out, p + done, n - done);
                } else if (e == -EAGAIN)
                        d->wants_more = true;
                else if (e == -EBUSY)
                        d->held = true;
                else
                        return (ssize_t) e;
                if (e >= 0)
                        d->unreported = true;
                if (e != 0)
                        break;
        }
        return (ssize_t) done;
}

/* Returns as the ways from source to sink do, or -ECANCELED. */
static int direction_judge(Relay *r, Direction *d) {
        const uint8_t *p;
        Buffer *out;
        ssize_t n;

        if (d->wants_more || (!d->input && !stream_can_peek(d->from))) {
                int e = direction_read_input(d);

                if (e <= 0)
                        return e;
        }
        p = d->input ? buffer_head(d->input) : NULL;
        n = d->input ? (ssize_t) buffer_length(d->input) : stream_peek(d->from, &p);
        if (n <= 0)
                return (int) n;
        out = buffer_get(direction_pool(d));
        if (!out)
                return -ENOMEM;
        n = direction_ask(r, d, p, (size_t) n, out);
        if (n > 0) {
                d->credit -= MIN(d->credit, (size_t) n);
                direction_consume(d, (size_t) n);
        }
        d->buffer = buffer_length(out) > 0 && n >= 0 ? TAKE_PTR(out) : NULL;
        buffer_put(direction_pool(d), out);
        if (n < 0)
                return (int) n;
        return d->held && n == 0 ? -EAGAIN : 1;
}

/* What was admitted has been taken by the sink. */
static int direction_report(Relay *r, Direction *d) {
        if (!d->unreported || d->admitted > 0 || d->buffer)
                return 0;
        d->unreported = false;
        return r->filter->passed(r->filter_userdata, direction_side(r, d));
}

static int direction_step(Relay *r, Direction *d, size_t max) {
        if (!r->filter)
                return direction_transfer(d, max);
        return d->admitted > 0 ? direction_pass_admitted(d, max) : direction_judge(r, d);
}

/* Nobody but the filter keeps what was read. */
static bool direction_has_work(const Direction *d) {
        return d->input && !d->wants_more && !d->held;
}

static bool direction_is_held(const Direction *d) {
        return d->held && (d->input || stream_can_peek(d->from));
}

/* ---- rates ---- */

static void relay_run(Relay *r, bool a_to_b, bool b_to_a);

static unsigned relay_rate_changes(const Relay *r) {
        unsigned n = 0;

        for (size_t i = 0; i < RELAY_RATES_MAX; i++)
                n += r->rates[i] ? rate_changes(r->rates[i]) : 0;
        return n;
}

/* Queues for a share, the same of each rate. Returns when it is due. */
static uint64_t direction_queue(Relay *r, Direction *d, uint64_t now) {
        uint64_t due = now;

        d->rate_changes = relay_rate_changes(r);
        d->credit = SIZE_MAX;
        for (size_t i = 0; i < RELAY_RATES_MAX; i++)
                if (r->rates[i])
                        d->credit = MIN(d->credit, rate_share(r->rates[i]));
        for (size_t i = 0; i < RELAY_RATES_MAX; i++) {
                uint64_t of_rate = r->rates[i] ? rate_queue(r->rates[i], d->credit, now) : 0;

                due = MAX(due, of_rate);
        }
        return due;
}

static void direction_return_credit(Relay *r, Direction *d) {
        for (size_t i = 0; i < RELAY_RATES_MAX; i++)
                if (r->rates[i])
                        rate_return(r->rates[i], d->credit);
}

static void relay_start_throttle(Relay *r, uint64_t now) {
        const Direction *directions[] = { &r->a_to_b, &r->b_to_a };
        uint64_t due = UINT64_MAX;

        for (size_t i = 0; i < ELEMENTSOF(directions); i++)
                if (directions[i]->throttled)
                        due = MIN(due, directions[i]->due_usec);
        if (due < UINT64_MAX)
                timer_start(r->throttle, MIN(due - MIN(due, now), RELAY_THROTTLE_MAX_USEC));
}

static bool direction_is_due(Relay *r, Direction *d, uint64_t now) {
        bool is_due = d->throttled && (d->due_usec <= now || d->rate_changes != relay_rate_changes(r));

        d->throttled = d->throttled && !is_due;
        return is_due;
}

static void on_relay_throttle(void *userdata) {
        Relay *r = userdata;
        uint64_t now = clock_usec();
        bool a_to_b = direction_is_due(r, &r->a_to_b, now), b_to_a = direction_is_due(r, &r->b_to_a, now);

        relay_start_throttle(r, now);
        relay_run(r, a_to_b, b_to_a);
}

/* How many bytes D may move now. 0: none, before the timer says so. */
static size_t direction_allowance(Relay *r, Direction *d) {
        uint64_t now;

        if (!r->has_rates)
                return SIZE_MAX;
        if (d->throttled)
                return 0;
        if (d->credit > 0)
                return d->credit;
        now = clock_usec();
        d->due_usec = direction_queue(r, d, now);
        if (d->due_usec <= now || d->hurries) {
                d->hurries = false;
                return d->credit;
        }
        if (!r->throttle && timer_new(&r->throttle, d->from->worker, on_relay_throttle, r) < 0)
                return d->credit;
        d->throttled = true;
        relay_start_throttle(r, now);
        return 0;
}

/* ---- moving ---- */

static void direction_break(Direction *d) {
        d->state = DIRECTION_BROKEN;
        d->unflushed = d->blocked = d->unreported = false;
        d->buffer = buffer_put(direction_pool(d), d->buffer);
        d->input = buffer_put(direction_pool(d), d->input);
}

/* Passes the end on, or keeps it for a while. */
static int direction_end(Relay *r, Direction *d) {
        int e = r->filter ? r->filter->ended(r->filter_userdata, direction_side(r, d)) : 0;

        if (e < 0)
                return e;
        if (r->tap)
                r->tap->ended(r->tap_userdata, direction_side(r, d));
        if (d == &r->a_to_b && r->withhold_usec > 0) {
                e = timer_new_after(&r->withhold, d->from->worker, r->withhold_usec, on_relay_withheld, r);
                if (e >= 0)
                        d->state = DIRECTION_WITHHELD;
                return e;
        }
        e = stream_shutdown(d->to);
        if (e >= 0)
                d->state = DIRECTION_SHUT;
        return e;
}

/* The source has come to its end. Returns as direction_move(). */
static int direction_finish(Relay *r, Direction *d) {
        int e = direction_end(r, d);

        return e < 0 && e != -ECANCELED ? -EPIPE : e;
}

/* Moves bytes until there are none, the sink is full, or the burst is spent. Returns 0, -EAGAIN when the sink
 * is full, -EPIPE when the sink failed, the source's error, or -ECANCELED. */
static int direction_move(Relay *r, Direction *d) {
        uint64_t before = d->bytes;
        size_t max;

        d->blocked = false;
        for (int i = 0;
             (i < RELAY_BURST_READS && d->bytes - before < RELAY_BURST_BYTES) || direction_has_work(d); i++) {
                int e = direction_write(d);

                if (e < 0)
                        return e == -EAGAIN ? e : -EPIPE;
                e = direction_report(r, d);
                if (e < 0)
                        return e;
                if (d->state != DIRECTION_OPEN || direction_is_held(d))
                        return 0;
                max = direction_allowance(r, d);
                if (max == 0)
                        return 0;
                e = direction_step(r, d, max);
                if (e == 0)
                        return direction_finish(r, d);
                if (e < 0)
                        return e == -EAGAIN && !d->blocked ? 0 : e;
        }
        return direction_report(r, d);
}

/* Returns 0, or the source's error. */
static int direction_pump(Relay *r, Direction *d) {
        uint64_t before = d->bytes;
        int e = direction_move(r, d), f;

        if (r->withhold_usec > 0 && d->bytes != before)
                d->last_usec = clock_usec();
        if (e < 0 && e != -EAGAIN && e != -EPIPE)
                return e;
        f = e == -EPIPE || d->state == DIRECTION_BROKEN ? -EPIPE : stream_flush(d->to);
        d->unflushed = f == -EAGAIN;
        if (f < 0 && f != -EAGAIN)
                direction_break(d);
        else if (f == 0 && d->state == DIRECTION_SHUT)
                d->state = DIRECTION_DONE;
        return 0;
}

/* The events that a stream is wanted for: from what it is the source of and what it is the sink of. */
static unsigned relay_stream_events(const Direction *source_of, const Direction *sink_of) {
        unsigned events = source_of->aborted ? 0 : STREAM_ABORTED;

        if (source_of->state == DIRECTION_OPEN && !source_of->buffer && !source_of->blocked &&
            !source_of->throttled && !direction_is_held(source_of))
                events |= STREAM_READABLE;
        if (sink_of->buffer || sink_of->blocked || sink_of->unflushed)
                events |= STREAM_WRITABLE;
        return events;
}

static void relay_update_events(Relay *r) {
        stream_set_events(r->a_to_b.from, relay_stream_events(&r->a_to_b, &r->b_to_a));
        stream_set_events(r->b_to_a.from, relay_stream_events(&r->b_to_a, &r->a_to_b));
}

static void relay_let_go(Relay *r) {
        Stream *streams[] = { r->a_to_b.from, r->b_to_a.from };

        for (size_t i = 0; i < ELEMENTSOF(streams); i++) {
                stream_set_callback(streams[i], NULL, NULL);
                stream_set_events(streams[i], 0);
        }
}

static void relay_finish(Relay *r, int error, RelaySide failed) {
        RelayResult result = {
                .error = error,
                .failed = failed,
                .a_to_b_bytes = r->a_to_b.bytes,
                .b_to_a_bytes = r->b_to_a.bytes,
                .a_is_unread = r->a_to_b.state == DIRECTION_OPEN || r->a_to_b.state == DIRECTION_BROKEN,
        };

        r->done(r, &result, r->userdata);
}

static bool direction_is_over(const Direction *d) {
        return d->state == DIRECTION_DONE || d->state == DIRECTION_BROKEN;
}

static bool relay_is_over(const Relay *r) {
        if (!direction_is_over(&r->b_to_a))
                return false;
        /* A peer that closes both directions at its end takes nothing more from A. */
        return direction_is_over(&r->a_to_b) || r->withhold_usec > 0;
}

/* Carries on after any event: moves bytes, then finishes or waits for what the states ask for. */
static void relay_run(Relay *r, bool a_to_b, bool b_to_a) {
        int e = b_to_a ? direction_pump(r, &r->b_to_a) : 0;

        if (e < 0) {
                relay_finish(r, e, RELAY_B);
                return;
        }
        a_to_b = a_to_b || r->resumed;
        r->resumed = false;
        e = a_to_b ? direction_pump(r, &r->a_to_b) : 0;
        if (e < 0)
                relay_finish(r, e, RELAY_A);
        else if (relay_is_over(
                         r)) /* what A said may go unread when B has answered in full; B's bytes may not */
                relay_finish(r, r->b_to_a.state == DIRECTION_BROKEN ? -EPIPE : 0, RELAY_A);
        else
                relay_update_events(r);
}

static bool direction_is_stalled(Direction *d) {
        bool stalled = d->aborted && !d->throttled && d->bytes == d->bytes_checked;

        d->bytes_checked = d->bytes;
        return stalled;
}

/* After an abort: what was sent before it has its time while the sink takes some of it. */
static void on_relay_stall(void *userdata) {
        Relay *r = userdata;

        if (direction_is_stalled(&r->a_to_b))
                relay_finish(r, -ECONNRESET, RELAY_A);
        else if (direction_is_stalled(&r->b_to_a))
                relay_finish(r, -ECONNRESET, RELAY_B);
        else
                timer_start(r->stall, RELAY_STALL_USEC);
}

/* D's source is broken off. Returns true when nothing of it can be under way. Whether something is shows at a
 * read, which is not to wait for a rate. */
static bool relay_abort(Relay *r, Direction *d) {
        d->aborted = true;
        d->throttled = false;
        d->hurries = d->credit == 0;
        d->bytes_checked = d->bytes;
        if (d->state != DIRECTION_OPEN)
                return true;
        return !r->stall &&
               timer_new_after(&r->stall, d->from->worker, RELAY_STALL_USEC, on_relay_stall, r) < 0;
}

static void on_a_event(Stream *s _unused_, unsigned events, void *userdata) {
        Relay *r = userdata;

        if ((events & STREAM_ABORTED) && relay_abort(r, &r->a_to_b))
                relay_finish(r, -ECONNRESET, RELAY_A);
        else
                relay_run(r, events & STREAM_READABLE, events & STREAM_WRITABLE);
}

static void on_b_event(Stream *s _unused_, unsigned events, void *userdata) {
        Relay *r = userdata;

        if ((events & STREAM_ABORTED) && relay_abort(r, &r->b_to_a))
                relay_finish(r, -ECONNRESET, RELAY_B);
        else
                relay_run(r, events & STREAM_WRITABLE, events & STREAM_READABLE);
}

/* Its source may have bytes that we don't take for now. */
static bool direction_is_unread(const Direction *d) {
        return d->state == DIRECTION_OPEN && (d->throttled || d->blocked || d->buffer);
}

/* The peer behind B closes its whole connection at A's end, so that waits: until B was silent after an
 * answer, which it isn't as long as nobody listens, or for long when no answer has begun. */
static void on_relay_withheld(void *userdata) {
        Relay *r = userdata;
        uint64_t now = clock_usec(), answered = r->b_to_a.last_usec, asked = r->a_to_b.last_usec;
        uint64_t patience = answered > asked ? r->withhold_usec : RELAY_WITHHOLD_MAX_USEC;
        uint64_t due = MAX(answered, asked) + patience;

        if (now < due)
                timer_start(r->withhold, MIN(due - now, r->withhold_usec));
        else if (direction_is_unread(&r->b_to_a))
                timer_start(r->withhold, r->withhold_usec);
        else {
                if (stream_shutdown(r->a_to_b.to) < 0)
                        direction_break(&r->a_to_b);
                else
                        r->a_to_b.state = DIRECTION_SHUT;
                relay_run(r, true, false);
        }
}

/* A first attempt, so that most relays need no event to begin; also for what the sink holds already. Whatever
 * goes wrong shows again at the event that `unflushed` asks for. */
static void direction_start(Direction *d, Buffer *head) {
        d->buffer = buffer_length(head) > 0 ? head : buffer_put(direction_pool(d), head);
        (void) direction_write(d);
        d->unflushed = stream_flush(d->to) < 0;
}

int relay_new(Relay **ret, Stream *a, Stream *b, const RelayOptions *options, RelayDoneFn done,
              void *userdata) {
        Relay *r = new0(Relay, 1);

        if (!r)
                return -ENOMEM;
        *r = (Relay) {
                .a_to_b = { .from = a, .to = b, .relay = r },
                .b_to_a = { .from = b, .to = a, .relay = r },
                .withhold_usec = options->withhold_a_end_usec,
                .filter = options->filter,
                .filter_userdata = options->filter_userdata,
                .tap = options->tap,
                .tap_userdata = options->tap_userdata,
                .done = done,
                .userdata = userdata,
        };
        for (size_t i = 0; i < RELAY_RATES_MAX; i++) {
                r->rates[i] = options->rates[i];
                r->has_rates = r->has_rates || r->rates[i];
        }
        if (r->withhold_usec > 0)
                r->a_to_b.last_usec = clock_usec();
        stream_set_callback(a, on_a_event, r);
        stream_set_callback(b, on_b_event, r);
        stream_set_direct(a);
        stream_set_direct(b);
        if (r->filter)
                r->a_to_b.input = buffer_length(options->a_head) > 0
                                          ? options->a_head
                                          : buffer_put(direction_pool(&r->a_to_b), options->a_head);
        else {
                direction_start(&r->a_to_b, options->a_head);
                direction_start(&r->b_to_a, options->b_head);
                relay_update_events(r);
        }
        *ret = r;
        return 0;
}

void relay_start(Relay *r) {
        relay_run(r, true, false);
}

void relay_resume(Relay *r, RelaySide side) {
        if (side == RELAY_A)
                r->resumed = true;
        relay_direction(r, side)->held = false;
}

Buffer *relay_take_input(Relay *r, RelaySide side) {
        Direction *d = relay_direction(r, side);

        return TAKE_PTR(d->input);
}

Relay *relay_free(Relay *r) {
        if (!r)
                return NULL;
        timer_free(r->withhold);
        timer_free(r->stall);
        timer_free(r->throttle);
        if (r->has_rates) {
                direction_return_credit(r, &r->a_to_b);
                direction_return_credit(r, &r->b_to_a);
        }
        relay_let_go(r);
        buffer_put(direction_pool(&r->a_to_b), r->a_to_b.buffer);
        buffer_put(direction_pool(&r->b_to_a), r->b_to_a.buffer);
        buffer_put(direction_pool(&r->a_to_b), r->a_to_b.input);
        buffer_put(direction_pool(&r->b_to_a), r->b_to_a.input);
        free(r);
        return NULL;
}

void relay_get_bytes(const Relay *r, uint64_t *ret_a_to_b, uint64_t *ret_b_to_a) {
        *ret_a_to_b = r->a_to_b.bytes;
        *ret_b_to_a = r->b_to_a.bytes;
}
