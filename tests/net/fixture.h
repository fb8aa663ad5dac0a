/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of net share: a worker whose loop the test turns itself, real sockets on loopback, blocking
 * waits at their far ends, and TLS contexts with a certificate made for the run. A wait that takes too long
 * fails the test. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/parse.h"
#include "base/str.h"
#include "net/stream.h"
#include "net/timer.h"
#include "net/tls.h"

#define PATIENCE_USEC (20 * USEC_PER_SEC)
#define TICK_USEC (10 * USEC_PER_MSEC)

extern Worker *worker; /* of the test that runs */

/* For cmocka: each test gets a worker; what it leaves open on the loop fails it. */
int worker_set_up(void **state);
int worker_tear_down(void **state);
#define worker_test(test) cmocka_unit_test_setup_teardown(test, worker_set_up, worker_tear_down)

/* One turn of the loop; waits for an event for TICK_USEC at most. */
void turn(void);
void turn_for(uint64_t usec);

/* Turns the loop while CONDITION holds. */
#define turn_while(condition)                                                   \
        for (uint64_t _end_ = clock_usec() + PATIENCE_USEC; (condition);) {     \
                assert_true(clock_usec() < _end_);                              \
                turn();                                                         \
        }

/* A connected TCP pair, both ends non-blocking. BUFFER_SIZE: of each end, 0 for the system's. */
void tcp_pair(int *ret_a, int *ret_b, int buffer_size);

/* The far end of a connection: all turn the loop meanwhile. */
void far_send(int fd, const void *data, size_t n);
void far_expect(int fd, const void *data, size_t n);
void far_expect_end(int fd);
void far_expect_reset(int fd);

/* Sends until the connection takes no more for a while; returns how much it took. */
size_t far_flood(int fd);

/* Closes with RST. */
void far_reset(int fd);

/* N bytes that look random and depend on SEED; owned by the caller. */
uint8_t *noise(size_t n, unsigned seed);

/* One side of a connection under test: reads all that comes. */
typedef struct End {
        Stream *stream;  /* owned */
        uint8_t *data;   /* owned; what was read */
        size_t n;
        int result;      /* 1 while open, 0 at the end, else the error */
        bool writable;   /* it said so */
} End;

void end_init(End *e, Stream *s);
void end_listen(End *e); /* takes the callback back */
void end_done(End *e);
void end_send(End *e, const void *data, size_t n);
void end_expect(End *e, const void *data, size_t n); /* as all that was read since the last call */
void end_expect_result(End *e, int result);

/* Certificate and key for a.test, b.test, localhost and 127.0.0.1, as files; made once a process. */
const char *certificate_file(void);
const char *key_file(void);

TlsServer *make_tls_server(void);
TlsClient *make_tls_client(void); /* trusts certificate_file() */
