/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* HTTP between a visitor (A of a relay) and a leg (B), one request and its response after the other: the
 * filter of that relay. It reads the heads, rewrites them, and knows where bodies end; bodies pass through it
 * unseen. A request is let through once the response to the one before is complete. Behind 101 everything
 * passes.
 *
 * Whatever is not the next request to the same tunnel ends the relay, and is the visitor's matter. Embedded
 * in the visitor. loop: the relay's */

#include "net/relay.h"
#include "proto/forwarded.h"
#include "proto/http-framing.h"
#include "proto/tunnel-options.h"

typedef struct Exchange Exchange;

/* Why the relay has ended. */
typedef enum ExchangeEnd {
        EXCHANGE_LOOK_AGAIN, /* between two requests: the next one, if any, is in the input and needs another
                                leg */
        EXCHANGE_CLOSE,      /* the visitor has its answer, and no other may follow */
        EXCHANGE_UNANSWERED, /* the leg has failed before it said anything */
        EXCHANGE_BROKEN,     /* the leg has said what is no HTTP, before anything was passed on */
        EXCHANGE_CUT_OFF,    /* the visitor has ended, or broken the framing of, a request without answer */
        EXCHANGE_ABORT,      /* what was begun can't be completed */
} ExchangeEnd;

typedef struct ExchangeOwner {
        /* The next request: whether it may go to the same leg. */
        bool (*may_pass)(Exchange *x, const HttpHead *request);
        /* A part of the next request has come. */
        void (*began)(Exchange *x);
        /* The exchange is complete. Returns false when there shall be no other. */
        bool (*rests)(Exchange *x);
        /* It has been answered: status and duration are known. */
        void (*answered)(Exchange *x);
} ExchangeOwner;

typedef enum ExchangeState {
        EXCHANGE_RESTING,  /* between requests */
        EXCHANGE_READING,  /* a head */
        EXCHANGE_WAITING,  /* for the final response's head */
        EXCHANGE_ANSWERED, /* the response is under way */
        EXCHANGE_OPAQUE,
} ExchangeState;

struct Exchange {
        const ExchangeOwner *owner; /* borrowed */
        Relay *relay;               /* borrowed */
        ExchangeState state;
        ExchangeEnd end;      /* once the relay was ended by us */
        HttpExchange request; /* what of the request matters for its response */
        HttpBody request_body, response_body;
        unsigned status;       /* of the final response; 0: not known yet */
        uint64_t started_usec; /* when the request's head was complete */
        uint64_t n_answered;   /* bytes that the visitor had got before */
        uint64_t n_heads;      /* bytes of the answer that are heads */
        size_t head_bytes_max;
        const bool *is_stopping;      /* borrowed: no request is to follow */
        ForwardedBy by;               /* how the visitor has come */
        const TunnelOptions *options; /* borrowed: what heads are to be like; or NULL */
        bool is_https;                /* the visitor's own connection is */
        bool half_close;              /* the leg keeps the directions apart */
        bool leg_is_used;             /* for an earlier request */
        bool leg_goes_on;             /* another request may follow on it */
        bool keep_open;               /* the visitor's connection, behind this response */
        bool awaits_continue;         /* the visitor, before it sends the body */
        bool is_request_done;         /* passed on as a whole */
        bool is_response_done;        /* the same */
        bool has_visitor_ended;
        char *again; /* owned: the request as it came, while it may be said again on a fresh leg; or NULL */
        size_t n_again;
};

extern const RelayFilter exchange_filter; /* its userdata is the exchange */

/* For a fresh leg, before the relay starts. */
void exchange_init(Exchange *x, const ExchangeOwner *owner, bool half_close);

/* Bytes of the response's body that the visitor has got. */
uint64_t exchange_body_bytes(const Exchange *x);

/* Why the relay has ended with RESULT. */
ExchangeEnd exchange_conclude(const Exchange *x, const RelayResult *result);

/* A response that ends with the connection is under way. */
static inline bool exchange_ends_by_close(const Exchange *x) {
        return x->state == EXCHANGE_ANSWERED && x->response_body.kind == HTTP_BODY_UNTIL_CLOSE;
}

void exchange_done(Exchange *x);
