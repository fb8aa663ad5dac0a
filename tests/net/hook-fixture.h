/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An HTTP server by hand for the tests of webhooks: each test has one of its own, and a worker. */

#include "fixture.h"

extern char hook_url[64];

int hook_set_up(void **state);
int hook_tear_down(void **state);
#define hook_test(test) cmocka_unit_test_setup_teardown(test, hook_set_up, hook_tear_down)

/* The next connection, owned by the caller. */
int hook_accept(void);

/* Nobody has connected. */
void hook_expect_nobody(void);

/* Listens no more. */
void hook_close(void);

/* Reads one request, whose body ends with END. Returns it, owned by the caller. */
char *hook_read(int fd, const char *end);

/* Sends what is an HTTP answer, or only the body of one with status 200. */
void hook_answer(int fd, const char *answer);
void hook_answer_body(int fd, const char *body);
