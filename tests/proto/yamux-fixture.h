/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of yamux share: one session, whose input is built from header fields and whose events become
 * a text, the trace. Output is compared byte for byte, as hex: a frame is "version type flags id length; ".
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "proto/yamux.h"

#define WINDOW YAMUX_WINDOW_INITIAL

enum { DATA, UPDATE, PING, GO_AWAY };
enum { SYN = 1, ACK = 2, FIN = 4, RST = 8 };

extern Yamux y;
extern const YamuxEvents yamux_test_events; /* what `y` has */
extern bool refuse_streams;                 /* that the peer opens */
extern const char *close_at;                /* the event in which a stream is closed, or NULL */

/* For cmocka: each test begins with a server and ends with each stream released, once. */
int yamux_set_up(void **state);
int yamux_tear_down(void **state);
#define yamux_test(test) cmocka_unit_test_setup_teardown(test, yamux_set_up, yamux_tear_down)

/* Ends the session, with the same check, and begins another. */
void restart(bool is_client);

YamuxStream *new_stream(void);      /* not open yet */
YamuxStream *nth(unsigned i);       /* of those that there are */
YamuxStream *opened(void);          /* one of ours that has sent its SYN */
YamuxStream *accepted(uint32_t id); /* one of the peer's that has got its ACK */

void make_header(uint8_t *p, uint8_t type, uint16_t flags, uint32_t id, uint32_t length);

/* A frame's header from the peer; feed() expects that it is taken. */
int try_frame(uint8_t type, uint16_t flags, uint32_t id, uint32_t length);
void feed(uint8_t type, uint16_t flags, uint32_t id, uint32_t length);
void feed_text(uint16_t flags, uint32_t id, const char *text);
void feed_zeros(uint32_t id, uint32_t n); /* untraced */
void skip_output(void);

/* All events since the last call. */
const char *take_trace(void);
void expect_trace(const char *expected);

/* All control frames that there are, the last ones of closed streams behind; and the frames that are asked
 * for. */
void expect_output(const char *expected);
void expect_data(YamuxStream *s, size_t n, const char *expected);
void expect_end(YamuxStream *s, const char *expected);
