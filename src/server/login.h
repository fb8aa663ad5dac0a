/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A login on its way: from the shard that accepted the connection to main, which knows the users and the
 * clients, and from there to the shard that gets the session. */

#include "net/mux.h"
#include "proto/message.h"
#include "server/shard.h"

/* Owns STREAM, on which Auth came, REST (or NULL), and the MUX that STREAM belongs to (NULL for classic), all
 * of SH's worker; AUTH, PEER and
 * CERTIFICATE_USER (NULL: it showed none) are copied. loop: the shard's */
void login_post(Shard *sh, Stream *stream, Buffer *rest, Mux *mux, const MessageAuth *auth,
                const Address *peer, const char *certificate_user);

/* The same for a client of koding/tunnel that has said CONNECT on STREAM, over TLS or not, with an identifier
 * of N bytes (copied), which is a token. REST (not NULL) begins with N_HEAD bytes of that request. */
void login_post_koding(Shard *sh, Stream *stream, const char *identifier, size_t n, bool tls, Buffer *rest,
                       size_t n_head, const Address *peer);

/* Forgets those that wait for an answer. loop: main */
void login_cancel_all(struct Server *s);

/* Tells main that the session of SPEC on SH has ended. loop: the shard's */
void logout_post(Shard *sh, const SessionSpec *spec);
