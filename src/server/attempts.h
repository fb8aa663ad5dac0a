/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What failed, by address (IPv6 by /64): whoever guesses tokens or passwords is refused for a while before
 * they are looked at. An address may fail ATTEMPTS_MAX times at once, and again each ATTEMPTS_EVERY_USEC.
 * Bounded: of too many addresses the one that has been quiet longest is forgotten. Its owner's
 * thread, or lock. */

#include <stdbool.h>
#include <stdint.h>

#include "net/address.h"

#define ATTEMPTS_MAX 10
#define ATTEMPTS_EVERY_USEC (6 * UINT64_C(1000000))
#define ATTEMPTS_ADDRESSES_MAX 16384
#define ATTEMPTS_DELAY_USEC (1 * UINT64_C(1000000)) /* of the answers meanwhile */

typedef struct Attempts Attempts;

/* Returns 0 or -ENOMEM. */
int attempts_new(Attempts **ret);

/* How long from NOW on PEER is to be refused; 0: not at all. */
uint64_t attempts_wait_usec(Attempts *a, const Address *peer, uint64_t now_usec);

/* PEER has failed at NOW. Returns true when it is refused from now on, to be logged once. */
bool attempts_failed(Attempts *a, const Address *peer, uint64_t now_usec);

/* Takes NULL; returns NULL. */
Attempts *attempts_free(Attempts *a);
