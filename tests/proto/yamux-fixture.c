/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "yamux-fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

typedef struct TestStream {
        YamuxStream yamux;
        unsigned n_released;
} TestStream;

Yamux y;
bool refuse_streams;
const char *close_at;
static TestStream streams[64];
static unsigned n_streams;
static char trace[8192];

YamuxStream *nth(unsigned i) {
        assert_true(i < n_streams);
        return &streams[i].yamux;
}

YamuxStream *new_stream(void) {
        assert_true(n_streams < ELEMENTSOF(streams));
        return &streams[n_streams++].yamux;
}

static void _printf_(1, 2) tell(const char *format, ...) {
        size_t n = strlen(trace);
        va_list args;

        va_start(args, format);
        vsnprintf(trace + n, sizeof(trace) - n, format, args);
        va_end(args);
}

static void maybe_close(YamuxStream *s, const char *event) {
        if (close_at && streq(close_at, event))
                yamux_close(s);
}

static YamuxStream *on_incoming(Yamux *yamux, void *userdata) {
        assert_ptr_equal(yamux, &y);
        assert_ptr_equal(userdata, trace);
        return refuse_streams ? NULL : new_stream();
}

static void on_opened(YamuxStream *s, void *userdata _unused_) {
        tell("opened %u; ", s->id);
        maybe_close(s, "opened");
}

/* However the input is cut, the same bytes make the same trace. */
static void on_data(YamuxStream *s, const uint8_t *data, size_t n, void *userdata _unused_) {
        static uint32_t last_id;
        static size_t last_length;

        assert_true(n > 0 && !s->closed);
        if (s->id == last_id && strlen(trace) == last_length && last_length > 0)
                trace[last_length - 2] = '\0'; /* more of the same */
        else
                tell("data %u ", s->id);
        tell("%.*s; ", (int) n, data); /* up to a NUL */
        last_id = s->id;
        last_length = strlen(trace);
        maybe_close(s, "data");
}

static void on_writable(YamuxStream *s, void *userdata _unused_) {
        tell("writable %u; ", s->id);
        maybe_close(s, "writable");
}

static void on_end(YamuxStream *s, void *userdata _unused_) {
        tell("end %u; ", s->id);
        maybe_close(s, "end");
}

static void on_reset(YamuxStream *s, void *userdata _unused_) {
        tell("reset %u; ", s->id);
        yamux_close(s);
}

static void on_released(YamuxStream *s, void *userdata _unused_) {
        TestStream *t = container_of(s, TestStream, yamux);

        assert_int_equal(t->n_released++, 0);
        assert_null(s->yamux);
        tell("released %u; ", s->id);
        memset(s, 0xaa, sizeof(*s)); /* nobody may look at it any more */
}

static void on_pong(uint32_t value, void *userdata _unused_) {
        tell("pong %u; ", value);
}

static void on_go_away(uint32_t code, void *userdata _unused_) {
        tell("go away %u; ", code);
}

const YamuxEvents yamux_test_events = {
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

static void start(bool is_client) {
        yamux_init(&y, is_client, &yamux_test_events, trace);
        memset(streams, 0, sizeof(streams));
        n_streams = 0;
        refuse_streams = false;
        close_at = NULL;
        trace[0] = '\0';
}

/* All streams are released by the end, each once. */
static void stop(void) {
        yamux_done(&y);
        for (unsigned i = 0; i < n_streams; i++)
                assert_int_equal(streams[i].n_released, 1);
}

void restart(bool is_client) {
        stop();
        start(is_client);
}

int yamux_set_up(void **state _unused_) {
        start(false);
        return 0;
}

int yamux_tear_down(void **state _unused_) {
        stop();
        return 0;
}

const char *take_trace(void) {
        static char taken[sizeof(trace)];

        strcpy(taken, trace);
        trace[0] = '\0';
        return taken;
}

void expect_trace(const char *expected) {
        assert_string_equal(take_trace(), expected);
}

static void to_hex(const uint8_t *p, char *ret) {
        sprintf(ret, "%02x %02x %02x%02x %02x%02x%02x%02x %02x%02x%02x%02x; ", p[0], p[1], p[2], p[3], p[4],
                p[5], p[6], p[7], p[8], p[9], p[10], p[11]);
}

static void expect_header(const uint8_t *header, const char *expected) {
        char hex[64];

        to_hex(header, hex);
        assert_string_equal(hex, expected);
}

void expect_output(const char *expected) {
        uint8_t frames[64 * YAMUX_HEADER_BYTES];
        char hex[64 * 40] = "";
        size_t n;

        assert_int_equal(yamux_has_output(&y), *expected != '\0');
        n = yamux_output(&y, frames, sizeof(frames));
        n += yamux_output_last(&y, frames + n, sizeof(frames) - n);
        assert_true(n < sizeof(frames) && n % YAMUX_HEADER_BYTES == 0);
        for (size_t i = 0; i < n; i += YAMUX_HEADER_BYTES)
                to_hex(frames + i, hex + strlen(hex));
        assert_string_equal(hex, expected);
        assert_false(yamux_has_output(&y));
}

void make_header(uint8_t *p, uint8_t type, uint16_t flags, uint32_t id, uint32_t length) {
        p[0] = 0;
        p[1] = type;
        p[2] = (uint8_t) (flags >> 8);
        p[3] = (uint8_t) flags;
        for (unsigned i = 0; i < 4; i++) {
                p[4 + i] = (uint8_t) (id >> (24 - 8 * i));
                p[8 + i] = (uint8_t) (length >> (24 - 8 * i));
        }
}

int try_frame(uint8_t type, uint16_t flags, uint32_t id, uint32_t length) {
        uint8_t header[YAMUX_HEADER_BYTES];

        make_header(header, type, flags, id, length);
        return yamux_input(&y, header, sizeof(header));
}

void feed(uint8_t type, uint16_t flags, uint32_t id, uint32_t length) {
        assert_int_equal(try_frame(type, flags, id, length), 0);
}

void feed_text(uint16_t flags, uint32_t id, const char *text) {
        feed(DATA, flags, id, (uint32_t) strlen(text));
        assert_int_equal(yamux_input(&y, (const uint8_t *) text, strlen(text)), 0);
}

void feed_zeros(uint32_t id, uint32_t n) {
        static const uint8_t zeros[YAMUX_WINDOW_MAX];

        feed(DATA, 0, id, n);
        assert_int_equal(yamux_input(&y, zeros, n), 0);
        (void) take_trace();
}

void skip_output(void) {
        uint8_t frames[64 * YAMUX_HEADER_BYTES];

        (void) yamux_output(&y, frames, sizeof(frames));
        (void) yamux_output_last(&y, frames, sizeof(frames));
}

YamuxStream *accepted(uint32_t id) {
        YamuxStream *s;

        feed(UPDATE, SYN, id, 0);
        s = nth(n_streams - 1);
        skip_output();
        (void) take_trace();
        return s;
}

YamuxStream *opened(void) {
        YamuxStream *s = new_stream();

        assert_int_equal(yamux_open(&y, s), 0);
        skip_output();
        return s;
}

void expect_data(YamuxStream *s, size_t n, const char *expected) {
        uint8_t header[YAMUX_HEADER_BYTES];

        yamux_begin_data(s, n, header);
        expect_header(header, expected);
}

void expect_end(YamuxStream *s, const char *expected) {
        uint8_t header[YAMUX_HEADER_BYTES];

        yamux_end(s, header);
        expect_header(header, expected);
}
