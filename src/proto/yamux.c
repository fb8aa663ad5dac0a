/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/yamux.h"

#include <endian.h>
#include <errno.h>
#include <utlist.h>

#include "base/macro.h"

/* A stream is in the table from its SYN until the user has closed it and its last frame is written. What is
 * to be sent for it besides data (SYN or ACK without data, window, RST) follows from its fields when there is
 * room to write, so nothing is queued that could grow. */

#define WEARING_OUT_ID (UINT32_MAX - (1U << 20))

typedef enum FrameType { FRAME_DATA, FRAME_WINDOW, FRAME_PING, FRAME_GO_AWAY } FrameType;

enum { FLAG_SYN = 1, FLAG_ACK = 2, FLAG_FIN = 4, FLAG_RST = 8, FLAGS_KNOWN = 15 };

static void write_header(uint8_t *p, FrameType type, uint16_t flags, uint32_t id, uint32_t length) {
        uint16_t be_flags = htobe16(flags);
        uint32_t be_id = htobe32(id), be_length = htobe32(length);

        p[0] = 0;
        p[1] = (uint8_t) type;
        memcpy(p + 2, &be_flags, 2);
        memcpy(p + 4, &be_id, 4);
        memcpy(p + 8, &be_length, 4);
}

static uint32_t read_be32(const uint8_t *p) {
        uint32_t v;

        memcpy(&v, p, 4);
        return be32toh(v);
}

void yamux_init(Yamux *y, bool is_client, const YamuxEvents *events, void *userdata) {
        *y = (Yamux) {
                .events = events,
                .userdata = userdata,
                .is_client = is_client,
                .next_id = is_client ? 1 : 2,
                .may_grow = true,
        };
}

/* ---- the table ---- */

static YamuxStream *find_stream(Yamux *y, uint32_t id) {
        YamuxStream *s;

        HASH_FIND(hh, y->streams, &id, sizeof(id), s);
        return s;
}

static void enter_stream(Yamux *y, YamuxStream *s, uint32_t id, uint8_t owed) {
        s->yamux = y;
        s->id = id;
        s->send_window = s->receive_window = s->window = YAMUX_WINDOW_INITIAL;
        s->owed = owed;
        HASH_ADD(hh, y->streams, id, sizeof(s->id), s);
}

static void queue_stream(YamuxStream *s) {
        if (s->queued)
                return;
        s->queued = true;
        DL_APPEND(s->yamux->queue, s);
}

static void unqueue_stream(YamuxStream *s) {
        Yamux *y = s->yamux;

        if (!s->queued)
                return;
        s->queued = false;
        if (s->closed)
                DL_DELETE(y->closing, s);
        else
                DL_DELETE(y->queue, s);
}

static void release_stream(YamuxStream *s) {
        Yamux *y = s->yamux;

        unqueue_stream(s);
        HASH_DEL(y->streams, s);
        if (y->current == s)
                y->current = NULL;
        s->yamux = NULL;
        y->events->released(s, y->userdata);
}

void yamux_done(Yamux *y) {
        YamuxStream *s, *next;

        HASH_ITER(hh, y->streams, s, next)
                release_stream(s);
}

int yamux_open(Yamux *y, YamuxStream *s) {
        if (y->next_id > UINT32_MAX - 2)
                return -ENOBUFS;
        enter_stream(y, s, y->next_id, FLAG_SYN);
        y->next_id += 2;
        queue_stream(s);
        return 0;
}

bool yamux_is_wearing_out(const Yamux *y) {
        return y->next_id >= WEARING_OUT_ID;
}

void yamux_close(YamuxStream *s) {
        if (s->closed)
                return;
        unqueue_stream(s);
        s->closed = true;
        if (s->yamux->current == s) /* what comes of its frame is nobody's */
                s->yamux->current = NULL;
        if (s->has_sent_end && s->has_received_end && s->owed == 0) {
                release_stream(s);
                return;
        }
        s->must_reset = !s->has_sent_end || !s->has_received_end;
        s->queued = true;
        DL_APPEND(s->yamux->closing, s);
}

/* ---- input ---- */

static bool is_ours(const Yamux *y, uint32_t id) {
        return (id & 1) == (y->is_client ? 1 : 0);
}

static bool was_open(const Yamux *y, uint32_t id) {
        return is_ours(y, id) ? id < y->next_id : id <= y->last_peer_id;
}

/* Finds or opens the stream of a frame: NULL in *RET for one that is gone. */
static int stream_of_frame(Yamux *y, uint32_t id, uint16_t flags, YamuxStream **ret) {
        YamuxStream *s;

        if (id == 0)
                return -EPROTO;
        if (!(flags & FLAG_SYN)) {
                s = find_stream(y, id);
                if (!s && !was_open(y, id))
                        return -EPROTO;
                *ret = s && !s->closed ? s : NULL;
                return 0;
        }
        if (is_ours(y, id) || find_stream(y, id))
                return -EPROTO;
        y->last_peer_id =
                MAX(y->last_peer_id, id); /* a peer with threads may mix its ids up on their way out */
        s = y->events->incoming(y, y->userdata);
        if (!s) {
                if (y->n_refused == YAMUX_PINGS_MAX)
                        return -ENOBUFS;
                y->refused[y->n_refused++] = id;
                *ret = NULL;
                return 0;
        }
        enter_stream(y, s, id, FLAG_ACK);
        queue_stream(s);
        y->current = s;
        y->events->opened(s, y->userdata);
        *ret = y->current; /* NULL when it was closed meanwhile, or all of them */
        return 0;
}

static void peer_reset(Yamux *y, YamuxStream *s) {
        s->has_sent_end = s->has_received_end = true;
        s->owed = 0;
        y->events->reset(s, y->userdata);
}

static int peer_ended(Yamux *y, YamuxStream *s) {
        if (s->has_received_end)
                return -EPROTO;
        s->has_received_end = true;
        y->events->end(s, y->userdata);
        return 0;
}

static int handle_window(Yamux *y, YamuxStream *s, uint32_t delta) {
        bool was_empty = s->send_window == 0;

        if (delta > UINT32_MAX - s->send_window)
                return -EPROTO;
        s->send_window += delta;
        if (was_empty && delta > 0 && !s->has_sent_end)
                y->events->writable(s, y->userdata);
        return 0;
}

static int handle_stream_frame(Yamux *y, FrameType type, uint16_t flags, uint32_t id, uint32_t length) {
        YamuxStream *s = NULL;
        int r = stream_of_frame(y, id, flags, &s);

        if (r < 0)
                return r;
        if (type == FRAME_DATA) {
                if (s && (length > s->receive_window || (s->has_received_end && length > 0)))
                        return -EPROTO;
                if (s)
                        s->receive_window -= length;
                y->body = length;
        }
        y->current = s;
        y->ends = flags & FLAG_FIN;
        if (s && type == FRAME_WINDOW)
                r = handle_window(y, s, length);
        if (r >= 0 && (flags & FLAG_RST) && y->current)
                peer_reset(y, y->current);
        return r;
}

static int handle_ping(Yamux *y, uint16_t flags, uint32_t id, uint32_t value) {
        if (id != 0)
                return -EPROTO;
        if (flags & FLAG_ACK)
                y->events->pong(value, y->userdata);
        else if (y->n_pings == YAMUX_PINGS_MAX)
                return -ENOBUFS;
        else if (flags & FLAG_SYN)
                y->pings[y->n_pings++] = value;
        return 0;
}

static int handle_header(Yamux *y) {
        const uint8_t *h = y->header;
        uint16_t flags = (uint16_t) (h[2] << 8 | h[3]);
        uint32_t id = read_be32(h + 4), length = read_be32(h + 8);

        if (h[0] != 0 || (flags & ~FLAGS_KNOWN))
                return -EPROTO;
        y->current = NULL;
        y->ends = false;
        switch (h[1]) {
        case FRAME_DATA:
        case FRAME_WINDOW:
                return handle_stream_frame(y, (FrameType) h[1], flags, id, length);
        case FRAME_PING:
                return handle_ping(y, flags, id, length);
        case FRAME_GO_AWAY:
                if (id != 0)
                        return -EPROTO;
                y->events->go_away(length, y->userdata);
                return 0;
        default:
                return -EPROTO;
        }
}

/* The frame's last byte is in. */
static int finish_frame(Yamux *y) {
        YamuxStream *s = TAKE_PTR(y->current);

        y->n_header = 0;
        return s && y->ends ? peer_ended(y, s) : 0;
}

int yamux_input(Yamux *y, const uint8_t *data, size_t n) {
        while (n > 0) {
                size_t k;
                int r;

                if (y->n_header < YAMUX_HEADER_BYTES) {
                        k = MIN(n, (size_t) (YAMUX_HEADER_BYTES - y->n_header));
                        memcpy(y->header + y->n_header, data, k);
                        y->n_header += (unsigned) k;
                        r = y->n_header == YAMUX_HEADER_BYTES ? handle_header(y) : 0;
                } else {
                        k = MIN(n, (size_t) y->body);
                        y->body -= (uint32_t) k;
                        if (y->current)
                                y->events->data(y->current, data, k, y->userdata);
                        r = 0;
                }
                if (r >= 0 && y->n_header == YAMUX_HEADER_BYTES && y->body == 0)
                        r = finish_frame(y);
                if (r < 0)
                        return r;
                data += k;
                n -= k;
        }
        return 0;
}

/* ---- output ---- */

static uint16_t take_flags(YamuxStream *s) {
        uint16_t flags = s->owed;

        s->owed = 0;
        return flags;
}

size_t yamux_may_send(const YamuxStream *s) {
        return s->has_sent_end || s->closed ? 0 : s->send_window;
}

void yamux_begin_data(YamuxStream *s, size_t n, uint8_t ret[static YAMUX_HEADER_BYTES]) {
        s->send_window -= (uint32_t) n;
        write_header(ret, FRAME_DATA, take_flags(s), s->id, (uint32_t) n);
}

void yamux_end(YamuxStream *s, uint8_t ret[static YAMUX_HEADER_BYTES]) {
        s->has_sent_end = true;
        write_header(ret, FRAME_WINDOW, take_flags(s) | FLAG_FIN, s->id, 0);
}

/* A reader that used its whole window up in less than two round trips is limited by it. */
static void grow_window(YamuxStream *s, uint64_t now_usec) {
        Yamux *y = s->yamux;
        uint64_t elapsed = now_usec - s->granted_usec;

        if (!y->may_grow || y->round_trip_usec == 0 || s->window >= YAMUX_WINDOW_MAX || s->granted_usec == 0)
                return;
        if (elapsed >= 2 * (uint64_t) y->round_trip_usec)
                return;
        s->credit += s->window;
        s->window *= 2;
}

void yamux_consumed(YamuxStream *s, size_t n, uint64_t now_usec) {
        if (s->has_received_end || s->closed)
                return;
        s->credit += (uint32_t) n;
        if (s->credit < s->window / 2 || s->queued)
                return;
        grow_window(s, now_usec);
        s->granted_usec = now_usec;
        queue_stream(s);
}

/* Returns false when S needs no frame. */
static bool write_stream_frame(YamuxStream *s, uint8_t *p) {
        if (s->owed == 0 && s->credit < s->window / 2)
                return false;
        s->receive_window += s->credit;
        write_header(p, FRAME_WINDOW, take_flags(s), s->id, s->credit);
        s->credit = 0;
        return true;
}

static bool write_last_frame(YamuxStream *s, uint8_t *p) {
        if (!s->must_reset && s->owed == 0)
                return false;
        write_header(p, FRAME_WINDOW, take_flags(s) | (s->must_reset ? FLAG_RST : 0), s->id, 0);
        return true;
}

static size_t write_session_frame(Yamux *y, uint8_t *p) {
        if (y->n_pings > 0) {
                write_header(p, FRAME_PING, FLAG_ACK, 0, y->pings[0]);
                memmove(y->pings, y->pings + 1, --y->n_pings * sizeof(y->pings[0]));
        } else if (y->n_refused > 0)
                write_header(p, FRAME_WINDOW, FLAG_RST, y->refused[--y->n_refused], 0);
        else if (y->must_ping) {
                y->must_ping = false;
                write_header(p, FRAME_PING, FLAG_SYN, 0, y->ping_value);
        } else if (y->must_go_away) {
                y->must_go_away = false;
                write_header(p, FRAME_GO_AWAY, 0, 0, y->go_away_code);
        } else
                return 0;
        return YAMUX_HEADER_BYTES;
}

size_t yamux_output(Yamux *y, uint8_t *data, size_t room) {
        size_t n = 0, k = YAMUX_HEADER_BYTES;

        while (k > 0 && n + YAMUX_HEADER_BYTES <= room) {
                k = write_session_frame(y, data + n);
                n += k;
        }
        while (y->queue && n + YAMUX_HEADER_BYTES <= room) {
                YamuxStream *s = y->queue;

                unqueue_stream(s);
                if (write_stream_frame(s, data + n))
                        n += YAMUX_HEADER_BYTES;
        }
        return n;
}

size_t yamux_output_last(Yamux *y, uint8_t *data, size_t room) {
        size_t n = 0;

        while (y->closing && n + YAMUX_HEADER_BYTES <= room) {
                YamuxStream *s = y->closing;

                if (write_last_frame(s, data + n))
                        n += YAMUX_HEADER_BYTES;
                release_stream(s);
        }
        return n;
}

void yamux_ping(Yamux *y, uint32_t value) {
        y->must_ping = true;
        y->ping_value = value;
}

void yamux_go_away(Yamux *y, YamuxGoAway code) {
        y->must_go_away = true;
        y->go_away_code = code;
}
