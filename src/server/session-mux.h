/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A session of our own transport: one connection, on it a control stream and a stream for each visitor. */

#include "net/mux.h"
#include "server/session.h"

/* Answers the client's Auth, which came on CONTROL, a stream of MUX, and takes over from there. REST: what
 * was read behind Auth, or NULL. Owns MUX, CONTROL, REST and SPEC's strings on success. Returns 0 or -ENOMEM.
 * loop: SHARD's */
int mux_session_new(struct Shard *shard, const SessionSpec *spec, Mux *mux, Stream *control, Buffer *rest);

/* What is left of a session that has ended: the streams of its visitors go on. Owns M. */
void mux_tail_new(struct Shard *shard, Mux *m);

/* Aborts the visitors of sessions that have ended. */
void mux_tail_free_all(struct Shard *shard);
