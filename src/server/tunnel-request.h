/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A ReqTunnel on its way from a session to main, which owns the registry, and back with the answer. */

#include "server/session.h"

struct Server;

/* M is copied. The answer comes through ops->answer, unless S ends before. Returns 0 or -ENOMEM. loop: the
 * session's */
int tunnel_request_post(Session *s, const MessageReqTunnel *m);

/* Forgets those that wait for an answer of auth. loop: main */
void tunnel_request_cancel_all(struct Server *s);
