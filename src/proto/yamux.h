/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* yamux (hashicorp/yamux spec.md): many streams over one connection, as a state machine without I/O. Bytes go
 * in and become events; frames come out when asked for. The user embeds YamuxStream in its own stream and
 * owns that memory again when `released` says so. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uthash.h>

#define YAMUX_HEADER_BYTES 12
#define YAMUX_WINDOW_INITIAL (256U * 1024) /* of each stream, both ways, by the spec */
#define YAMUX_WINDOW_MAX (16U * 1024 * 1024)
#define YAMUX_PINGS_MAX 32 /* unanswered, and streams refused: a peer that goes beyond is cut off */

typedef enum YamuxGoAway { YAMUX_NORMAL, YAMUX_PROTOCOL_ERROR, YAMUX_INTERNAL_ERROR } YamuxGoAway;

typedef struct Yamux Yamux;
typedef struct YamuxStream YamuxStream;

struct YamuxStream {
        Yamux *yamux; /* borrowed; NULL: not open */
        uint32_t id;
        uint32_t send_window;    /* bytes that we may send */
        uint32_t receive_window; /* bytes that the peer may still send */
        uint32_t window;         /* what the peer may have under way: grows */
        uint32_t credit;         /* bytes read here and not granted anew yet */
        uint64_t granted_usec;   /* when it was last granted something */
        uint8_t owed;            /* flags to send with the next frame */
        bool must_reset;         /* RST is to be sent */
        bool has_sent_end, has_received_end;
        bool closed; /* the user is done with it */
        bool queued; /* in the list of those with a frame to send */
        YamuxStream *prev, *next;
        UT_hash_handle hh;
};

/* None may free the Yamux, nor feed it; closing streams is fine. */
typedef struct YamuxEvents {
        /* The peer opens a stream. Returns zeroed memory for it, or NULL: it is reset. */
        YamuxStream *(*incoming)(Yamux *y, void *userdata);

        /* That stream is open. */
        void (*opened)(YamuxStream *s, void *userdata);

        /* N bytes for S, all to be taken now. */
        void (*data)(YamuxStream *s, const uint8_t *data, size_t n, void *userdata);

        /* S may send again after its window was used up. */
        void (*writable)(YamuxStream *s, void *userdata);

        /* The peer sends no more on S. */
        void (*end)(YamuxStream *s, void *userdata);

        /* The peer has aborted S: close it. */
        void (*reset)(YamuxStream *s, void *userdata);

        /* Nothing refers to a closed stream any more: its memory is the user's. */
        void (*released)(YamuxStream *s, void *userdata);

        void (*pong)(uint32_t value, void *userdata);
        void (*go_away)(uint32_t code, void *userdata);
} YamuxEvents;

struct Yamux {
        const YamuxEvents *events; /* borrowed */
        void *userdata;
        bool is_client;
        uint32_t next_id;                /* of our next stream */
        uint32_t last_peer_id;           /* the highest of the peer's */
        YamuxStream *streams;            /* open ones, by id; the user's memory */
        YamuxStream *queue;              /* those with a frame to send */
        YamuxStream *closing;            /* those whose last frame is to be sent */
        uint32_t pings[YAMUX_PINGS_MAX]; /* to be answered */
        unsigned n_pings;
        uint32_t refused[YAMUX_PINGS_MAX]; /* ids of streams to be reset */
        unsigned n_refused;
        bool must_ping;
        uint32_t ping_value;
        bool must_go_away;
        uint32_t go_away_code;
        bool may_grow;            /* windows may grow */
        uint32_t round_trip_usec; /* as the user measures it; 0: unknown */

        /* the frame being read */
        uint8_t header[YAMUX_HEADER_BYTES];
        unsigned n_header;
        uint32_t body;        /* bytes of it that are still to come */
        bool ends;            /* it carries FIN */
        YamuxStream *current; /* whose they are; NULL: nobody's */
};

/* EVENTS and USERDATA are borrowed; outlive Y. */
void yamux_init(Yamux *y, bool is_client, const YamuxEvents *events, void *userdata);

/* Releases all streams, also open ones. */
void yamux_done(Yamux *y);

/* Takes N bytes. Returns 0; -EPROTO when the peer broke the rules, -ENOBUFS when it went beyond a limit: then
 * the session is over. */
int yamux_input(Yamux *y, const uint8_t *data, size_t n);

/* Opens a stream on S, zeroed. Returns 0, or -ENOBUFS when the ids are used up. */
int yamux_open(Yamux *y, YamuxStream *s);

/* True when ids are so low that the session should be replaced. */
bool yamux_is_wearing_out(const Yamux *y);

/* How many bytes S may send now: 0 after its end or without a window. */
size_t yamux_may_send(const YamuxStream *s);

/* Writes the header of a data frame with N bytes, 1 … yamux_may_send(), which must follow it. */
void yamux_begin_data(YamuxStream *s, size_t n, uint8_t ret[static YAMUX_HEADER_BYTES]);

/* Writes the frame that ends our direction. Once. */
void yamux_end(YamuxStream *s, uint8_t ret[static YAMUX_HEADER_BYTES]);

/* N of the bytes that `data` gave have been read by whoever they are for: the peer may send as many more. */
void yamux_consumed(YamuxStream *s, size_t n, uint64_t now_usec);

/* The user is done with S: RST is sent unless both directions have ended. `released` follows. */
void yamux_close(YamuxStream *s);

void yamux_ping(Yamux *y, uint32_t value);
void yamux_go_away(Yamux *y, YamuxGoAway code);

/* True while yamux_output() has something. */
static inline bool yamux_has_output(const Yamux *y) {
        return y->queue || y->closing || y->n_pings > 0 || y->n_refused > 0 || y->must_ping ||
               y->must_go_away;
}

/* Write control frames, whole ones, to ROOM bytes at DATA. The first kind may overtake whatever data waits to
 * be sent; the last frames of closed streams may not, because what such a stream has said before, its SYN
 * perhaps, still has to come first. Return the bytes written. */
size_t yamux_output(Yamux *y, uint8_t *data, size_t room);
size_t yamux_output_last(Yamux *y, uint8_t *data, size_t room);
