/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The input is a script: a byte that chooses our role and where streams are closed, then commands, each a
 * byte and what it takes: the peer's frames, whole, cut, or any bytes, and what we do with our streams. What
 * we say is read back by a session of the other role, which must find no fault in it. */
#include "fuzz.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "proto/yamux.h"

#define STREAMS_MAX 16 /* whose numbers a script knows */
#define OPENED_MAX 1000

enum { CLOSE_OPENED = 2, CLOSE_DATA = 4, CLOSE_WRITABLE = 8, CLOSE_END = 16, REFUSE = 32, MAY_NOT_GROW = 64 };

typedef struct FuzzStream {
        YamuxStream yamux;
        size_t unread; /* given by `data` and not consumed */
} FuzzStream;

typedef struct Script {
        const uint8_t *data;
        size_t size;
        uint8_t mode;
        Yamux us, them;
        FuzzStream *streams[STREAMS_MAX];
        unsigned n_opened, n_released;
        uint64_t now;
        bool is_over;
} Script;

static uint32_t take(Script *sc, unsigned n_bytes) {
        uint32_t v = 0;

        for (; n_bytes > 0 && sc->size > 0; n_bytes--, sc->size--)
                v = v << 8 | *sc->data++;
        return v;
}

static FuzzStream *fuzz_stream(YamuxStream *s) {
        return container_of(s, FuzzStream, yamux);
}

/* What the peer may still send, or has sent, is the window: nothing gets lost and nothing is granted twice.
 */
static void check_window(const YamuxStream *s) {
        uint64_t sum = (uint64_t) s->receive_window + s->credit + container_of(s, FuzzStream, yamux)->unread;

        if (s->yamux->current == s)
                sum += s->yamux->body;
        must(s->window >= YAMUX_WINDOW_INITIAL && s->window <= YAMUX_WINDOW_MAX);
        if (!s->closed && !s->has_received_end)
                must(sum == s->window);
        must(yamux_may_send(s) == (s->closed || s->has_sent_end ? 0 : s->send_window));
}

static void close_when(Script *sc, YamuxStream *s, uint8_t mode) {
        must(!s->closed);
        if (sc->mode & mode)
                yamux_close(s);
}

/* ---- events of the session under test ---- */

static FuzzStream *new_stream(Script *sc) {
        FuzzStream *f = sc->n_opened < OPENED_MAX ? new0(FuzzStream, 1) : NULL;

        if (f)
                sc->streams[sc->n_opened++ % STREAMS_MAX] = f;
        return f;
}

static YamuxStream *on_incoming(Yamux *y _unused_, void *userdata) {
        Script *sc = userdata;
        FuzzStream *f = sc->mode & REFUSE ? NULL : new_stream(sc);

        return f ? &f->yamux : NULL;
}

static void on_opened(YamuxStream *s, void *userdata) {
        must(s->id != 0 && s->yamux);
        close_when(userdata, s, CLOSE_OPENED);
}

static void on_data(YamuxStream *s, const uint8_t *data _unused_, size_t n, void *userdata) {
        must(n > 0 && !s->has_received_end);
        fuzz_stream(s)->unread += n;
        must(fuzz_stream(s)->unread <= s->window);
        close_when(userdata, s, CLOSE_DATA);
}

static void on_writable(YamuxStream *s, void *userdata) {
        must(yamux_may_send(s) > 0);
        close_when(userdata, s, CLOSE_WRITABLE);
}

static void on_end(YamuxStream *s, void *userdata) {
        close_when(userdata, s, CLOSE_END);
}

static void on_reset(YamuxStream *s, void *userdata _unused_) {
        must(!s->closed);
        yamux_close(s);
}

static void on_released(YamuxStream *s, void *userdata) {
        Script *sc = userdata;

        must(!s->yamux && !s->queued);
        sc->n_released++;
        for (unsigned i = 0; i < STREAMS_MAX; i++)
                if (sc->streams[i] == fuzz_stream(s))
                        sc->streams[i] = NULL;
        free(fuzz_stream(s)); /* a second time would be seen */
}

static void on_pong(uint32_t value _unused_, void *userdata _unused_) {
}

static void on_go_away(uint32_t code _unused_, void *userdata _unused_) {
}

static const YamuxEvents events = {
        .incoming = on_incoming,
        .opened = on_opened,
        .data = on_data,
        .writable = on_writable,
        .end = on_end,
        .reset = on_reset,
        .released = on_released,
        .pong = on_pong,
        .go_away = on_go_away,
};

/* ---- events of the one that reads what we say ---- */

static YamuxStream *on_their_incoming(Yamux *y _unused_, void *userdata _unused_) {
        FuzzStream *f = new0(FuzzStream, 1);

        must(f);
        return &f->yamux;
}

/* It doesn't know what the script has granted, so anything goes. */
static void on_their_opened(YamuxStream *s, void *userdata _unused_) {
        s->receive_window = UINT32_MAX;
        s->owed = 0;
}

static void on_their_data(YamuxStream *s _unused_, const uint8_t *data _unused_, size_t n _unused_,
                          void *userdata _unused_) {
}

static void on_their_event(YamuxStream *s _unused_, void *userdata _unused_) {
}

static void on_their_reset(YamuxStream *s, void *userdata _unused_) {
        yamux_close(s);
}

static void on_their_released(YamuxStream *s, void *userdata _unused_) {
        free(fuzz_stream(s));
}

static const YamuxEvents their_events = {
        .incoming = on_their_incoming,
        .opened = on_their_opened,
        .data = on_their_data,
        .writable = on_their_event,
        .end = on_their_event,
        .reset = on_their_reset,
        .released = on_their_released,
        .pong = on_pong,
        .go_away = on_go_away,
};

/* ---- commands ---- */

static void read_back(Script *sc, const uint8_t *data, size_t n) {
        uint8_t answers[YAMUX_HEADER_BYTES];

        must(yamux_input(&sc->them, data, n) == 0);
        while (yamux_has_output(&sc->them)) {
                (void) yamux_output(&sc->them, answers, sizeof(answers));
                (void) yamux_output_last(&sc->them, answers, sizeof(answers));
        }
}

static void say(Script *sc, size_t room) {
        uint8_t frames[16 * YAMUX_HEADER_BYTES + 7];
        size_t n;

        room = MIN(room, sizeof(frames));
        n = yamux_output(&sc->us, frames, room);
        n += yamux_output_last(&sc->us, frames + n, room - n);
        must(n <= room && n % YAMUX_HEADER_BYTES == 0);
        must(n > 0 || room < YAMUX_HEADER_BYTES || !yamux_has_output(&sc->us));
        read_back(sc, frames, n);
}

static void hear(Script *sc, const uint8_t *data, size_t n) {
        int r = sc->is_over ? 0 : yamux_input(&sc->us, data, n);

        must(r == 0 || r == -EPROTO || r == -ENOBUFS);
        sc->is_over = sc->is_over || r < 0;
}

static void hear_zeros(Script *sc, size_t n) {
        static const uint8_t zeros[65536];

        for (size_t k; n > 0; n -= k) {
                k = MIN(n, sizeof(zeros));
                hear(sc, zeros, k);
        }
}

/* A frame that makes sense, as far as the script does. Its data follow if they are not too long. */
static void hear_frame(Script *sc, unsigned shift) {
        uint8_t header[YAMUX_HEADER_BYTES] = { 0, (uint8_t) take(sc, 1) & 3, 0, (uint8_t) take(sc, 1) & 15 };
        uint32_t length = take(sc, 2) << shift, be_length = htobe32(length);

        header[7] = (uint8_t) take(sc, 1); /* the id */
        memcpy(header + 8, &be_length, 4);
        hear(sc, header, sizeof(header));
        if (header[1] == 0 && length <= YAMUX_WINDOW_INITIAL)
                hear_zeros(sc, length);
}

static void hear_bytes(Script *sc) {
        size_t wanted = take(sc, 1), n = MIN(wanted, sc->size);

        hear(sc, sc->data, n);
        sc->data += n;
        sc->size -= n;
}

static void say_data(Script *sc, YamuxStream *s, size_t n) {
        uint8_t header[YAMUX_HEADER_BYTES], block[4096] = {};

        n = MIN(n, yamux_may_send(s));
        if (n == 0)
                return;
        yamux_begin_data(s, n, header);
        read_back(sc, header, sizeof(header));
        for (size_t k; n > 0; n -= k) {
                k = MIN(n, sizeof(block));
                read_back(sc, block, k);
        }
}

static void say_end(Script *sc, YamuxStream *s) {
        uint8_t header[YAMUX_HEADER_BYTES];

        if (s->has_sent_end)
                return;
        yamux_end(s, header);
        read_back(sc, header, sizeof(header));
}

static void consume(Script *sc, FuzzStream *f, size_t n) {
        n = MIN(n, f->unread);
        f->unread -= n;
        sc->now += take(sc, 2);
        yamux_consumed(&f->yamux, n, sc->now);
}

static void open_stream(Script *sc) {
        FuzzStream *f = new_stream(sc);

        if (f)
                must(yamux_open(&sc->us, &f->yamux) == 0);
}

static void do_with_stream(Script *sc, unsigned command) {
        FuzzStream *f = sc->streams[take(sc, 1) % STREAMS_MAX];

        if (!f || f->yamux.closed)
                return;
        switch (command) {
        case 0:
                say_data(sc, &f->yamux, take(sc, 3) & (YAMUX_WINDOW_INITIAL - 1));
                break;
        case 1:
                say_end(sc, &f->yamux);
                break;
        case 2:
                consume(sc, f, SIZE_MAX);
                break;
        case 3:
                consume(sc, f, take(sc, 3));
                break;
        default:
                yamux_close(&f->yamux);
        }
}

static void run_command(Script *sc) {
        unsigned command = take(sc, 1) % 16;

        switch (command) {
        case 0 ... 3:
                hear_frame(sc, command == 0 ? 0 : command == 1 ? 4 : command == 2 ? 8 : 16);
                break;
        case 4:
                hear_bytes(sc);
                break;
        case 5:
                open_stream(sc);
                break;
        case 6:
                say(sc, SIZE_MAX);
                break;
        case 7:
                say(sc, take(sc, 1));
                break;
        case 8:
                yamux_ping(&sc->us, take(sc, 2));
                break;
        case 9:
                yamux_go_away(&sc->us, (YamuxGoAway) (take(sc, 1) % 3));
                break;
        case 10:
                sc->us.round_trip_usec = take(sc, 3);
                break;
        default:
                do_with_stream(sc, command - 11);
        }
}

static void check_streams(Script *sc) {
        for (unsigned i = 0; i < STREAMS_MAX; i++)
                if (sc->streams[i] && !sc->is_over)
                        check_window(&sc->streams[i]->yamux);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Script sc = { .data = data, .size = size };

        sc.mode = (uint8_t) take(&sc, 1);
        yamux_init(&sc.us, sc.mode & 1, &events, &sc);
        yamux_init(&sc.them, !(sc.mode & 1), &their_events, NULL);
        sc.us.may_grow = !(sc.mode & MAY_NOT_GROW);
        sc.them.next_id = UINT32_MAX; /* any id may have been its own once: the script opens some */
        while (sc.size > 0) {
                run_command(&sc);
                check_streams(&sc);
        }
        yamux_done(&sc.us);
        yamux_done(&sc.them);
        must(sc.n_released == sc.n_opened && !sc.us.queue && !sc.us.closing);
        return 0;
}
