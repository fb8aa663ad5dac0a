/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All visitors' connections of a client, of whatever session. They outlive the session that brought them.
 * A visitor of a tunnel that the server has not told us of yet waits for it for a moment. */

#include "client/records.h"
#include "client/report.h"
#include "client/tunnels.h"
#include "net/stream.h"

#define VISITORS_URL_WAIT_USEC (2 * UINT64_C(1000000))

typedef struct Visitors Visitors;

/* TUNNELS, REPORT and RECORDS are borrowed; outlive it. RECORDS may be NULL: then requests are neither
 * recorded nor reported. Returns 0 or -ENOMEM. loop: W */
int visitors_new(Visitors **ret, Worker *w, Tunnels *tunnels, Report *report, Records *records);

/* Takes a visitor. Owns STREAM and HEAD (bytes already read from it, or NULL), and deals with its own
 * failures. URL and ADDRESS are borrowed for the call. */
void visitors_add(Visitors *v, Stream *stream, Buffer *head, const MessageStartProxy *start);

/* The same for one that we make up: its request, the bytes of HEAD, has the record RECORD. */
void visitors_replay(Visitors *v, Stream *stream, Buffer *head, const char *url, uint64_t record);

/* There is a new tunnel: those that wait for it go on. */
void visitors_tunnel_up(Visitors *v);

/* Also those that wait. */
size_t visitors_count(const Visitors *v);

/* Aborts all. Takes NULL; returns NULL. */
Visitors *visitors_free(Visitors *v);
