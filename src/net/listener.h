/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A listening socket on a worker's loop. Accepts up to LISTENER_BATCH_MAX connections a turn and rests for
 * a moment when descriptors or memory are out. */

#include "net/address.h"
#include "net/worker.h"

#define LISTENER_BACKLOG 4096
#define LISTENER_BATCH_MAX 16
#define LISTENER_PAUSE_USEC (100 * 1000)

typedef struct Listener Listener;

/* Owns FD (connected, non-blocking, TCP_NODELAY) and deals with its own failures. */
typedef void (*ListenerAcceptFn)(Listener *l, int fd, const Address *peer, void *userdata);

/* Binds and listens; IPv6 sockets take IPv4 too. Returns the descriptor, owned by the caller, or a negative
 * errno. Any thread. */
int listener_bind(const Address *address);

/* Owns FD on success. USERDATA is borrowed and outlives the listener, which ON_ACCEPT must not free. Accepts
 * at once. Returns 0 or a negative errno. loop: W */
int listener_new(Listener **ret, Worker *w, int fd, ListenerAcceptFn on_accept, void *userdata);

/* Accept no more until resumed: what arrives waits in the backlog. */
void listener_pause(Listener *l);
void listener_resume(Listener *l);

/* Takes NULL; returns NULL. */
Listener *listener_free(Listener *l);
