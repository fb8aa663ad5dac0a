/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Streams that the server has opened on a mux and whose StartProxy is not here yet. */

#include "net/stream.h"
#include "proto/message.h"

#define ARRIVAL_TIMEOUT_USEC (10 * UINT64_C(1000000))

typedef struct Arrivals Arrivals;

/* Owns STREAM and HEAD (or NULL). START is borrowed. */
typedef void (*ArrivalFn)(Stream *stream, Buffer *head, const MessageStartProxy *start, void *userdata);

/* Returns 0 or -ENOMEM. loop: W */
int arrivals_new(Arrivals **ret, Worker *w, ArrivalFn on_arrival, void *userdata);

/* Owns STREAM and deals with its own failures. */
void arrivals_add(Arrivals *a, Stream *stream);

/* Aborts all. Takes NULL; returns NULL. */
Arrivals *arrivals_free(Arrivals *a);
