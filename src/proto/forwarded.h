/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who the visitor is, and how the service is told: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, and
 * Forwarded (RFC 7239) for those who want it. What a visitor says about itself is replaced; a trusted proxy's
 * word is kept. */

#include "proto/cidr.h"
#include "proto/http-rewrite.h"

#define FORWARDED_BYTES_MAX 2048 /* of each field */
#define FORWARDED_EDITS 4

typedef struct ForwardedBy {     /* how a request came */
        Ip peer;                 /* the address that the connection comes from */
        bool https;              /* over TLS */
        bool standard;           /* the service wants Forwarded, too */
        const CidrList *trusted; /* proxies; borrowed */
} ForwardedBy;

typedef struct Forwarded {
        Ip visitor;
        bool https;                      /* the visitor's own connection was, as far as is known */
        HttpEdit edits[FORWARDED_EDITS]; /* point into this struct and the request: don't move it */
        size_t n_edits;
        char visitors[FORWARDED_BYTES_MAX]; /* what the edits refer to */
        char standard[FORWARDED_BYTES_MAX];
} Forwarded;

/* The rightmost address in the request's X-Forwarded-For that no trusted proxy has, PEER being one; else
 * PEER. An entry may have a port; one that is no address hides what stands left of it. */
Ip forwarded_visitor(const Ip *peer, const CidrList *trusted, const HttpHead *request);

/* The visitor's own connection is over TLS: so says the nearest trusted proxy, else BY. */
bool forwarded_is_https(const ForwardedBy *by, const HttpHead *request);

/* Fills F for a parsed request. Returns 0, or -ENOBUFS when a proxy's fields are longer than
 * FORWARDED_BYTES_MAX. */
int forwarded_init(Forwarded *f, const ForwardedBy *by, const HttpHead *request);
