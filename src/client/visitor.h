/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One visitor's connection, from the stream on which the server sends it to the local service: dials the
 * service and relays. A service that can't be reached is a 502 page for http, an abort for tcp. Who may not
 * come, and was not kept out by the server, gets a 403, or an abort. */

#include "client/records.h"
#include "client/report.h"
#include "client/tunnel-config.h"
#include "net/stream.h"

typedef struct Visitor Visitor;
typedef void (*VisitorDoneFn)(Visitor *v, void *userdata);

typedef struct VisitorOrigin {
        Stream *stream; /* owned by the visitor, also on failure: the tunnel's leg */
        Buffer *head;   /* owned by the visitor, also on failure: bytes already read from it, or NULL */
        const TunnelConfig *config; /* borrowed; outlives the visitor */
        const char *url;            /* borrowed for the call: of the tunnel, as the server wrote it */
        const char *address;        /* borrowed for the call: "ip:port" of the visitor */
        const char *server;         /* the same: where it has connected, or "" */
        unsigned left;              /* bits of TunnelOption: what the server leaves to us */
        Records *records;           /* borrowed; NULL: requests are neither recorded nor reported */
        uint64_t record;            /* of the first request, which is a replay; or 0 */
        ReadyItem *told;            /* borrowed: run at the end of a turn in which a request was reported */
} VisitorOrigin;

/* REPORT is borrowed; outlives the visitor. DONE is called once, never before this returns; it must free the
 * visitor. Returns 0; -EKEYREJECTED for one of tcp that may not come, which was logged; or
 * another negative errno. loop: that of the stream */
int visitor_new(Visitor **ret, const VisitorOrigin *origin, Report *report, VisitorDoneFn done,
                void *userdata);

/* Aborts what is not over. Takes NULL; returns NULL. */
Visitor *visitor_free(Visitor *v);
