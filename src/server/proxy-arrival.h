/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connection that said RegProxy, on its way to the shard of its session. */

#include "server/shard.h"

/* Owns STREAM (attached to SH's worker). Closed when the session is gone or takes none. loop: the shard's */
void proxy_arrival_post(Shard *sh, Stream *stream, SessionName session);
