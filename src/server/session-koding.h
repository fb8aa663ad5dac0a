/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A session of a koding/tunnel client: yamux behind an HTTP CONNECT. Its tunnels are the hosts and ports of
 * its user; it opens a stream when asked to. */

#include "server/session.h"

/* Tells the client, which waits for the answer to its CONNECT on STREAM, that it is in, and takes over from
 * there. REST: what was read behind the request, or NULL. Owns STREAM, REST and what SPEC owns on success.
 * Returns 0 or a negative errno. loop: SHARD's */
int koding_session_new(struct Shard *shard, const SessionSpec *spec, Stream *stream, Buffer *rest);
