/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A session of the classic protocol: one control connection, and a proxy connection for each visitor, which
 * the client opens when asked with ReqProxy. */

#include "server/session.h"

/* Answers the client's Auth on STREAM and takes over from there. REST: what was read behind Auth, or NULL.
 * Owns STREAM, REST and SPEC's strings on success. Returns 0 or -ENOMEM. loop: SHARD's */
int classic_session_new(struct Shard *shard, const SessionSpec *spec, Stream *stream, Buffer *rest);
