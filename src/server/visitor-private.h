/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the visitor share: visitor.c has its life, visitor-tls.c its hello, visitor-http.c its
 * requests, visitor-pass.c its way to another process. */

#include "net/linger.h"
#include "net/relay.h"
#include "server/exchange.h"
#include "server/server.h"
#include "server/visitor.h"

typedef enum VisitorState {
        VISITOR_HELLO,
        VISITOR_HEAD,
        VISITOR_CHECK, /* its password is being looked at */
        VISITOR_PARKED,
        VISITOR_OPENING,
        VISITOR_RELAY,
        VISITOR_ANSWER,
        VISITOR_PASSED,
} VisitorState;

struct Visitor {
        Mail mail;       /* it travels to another shard as it is */
        ReadyItem again; /* queued while it is to look up what is in `head' */
        Shard *shard;    /* borrowed */
        Stream *stream;  /* owned; the linger's in ANSWER */
        Stream *leg;     /* owned: the stream to the client, in RELAY */
        Buffer *head;    /* owned: bytes read from the visitor and not passed on, or NULL */
        Timer *timeout;  /* owned; NULL on the way to another shard, and in RELAY of tcp and tls */
        Tunnel *tunnel;  /* a reference; NULL until it is found */
        Relay *relay;    /* owned, in RELAY */
        Linger *linger;  /* owned, in ANSWER */
        Opening opening;
        Address peer;
        uint16_t port;       /* of tcp: of its tunnel */
        Address *server;     /* owned: where it has connected; NULL until somebody wants to know */
        int fd;              /* borrowed from its stream */
        SessionName session; /* that is to serve it: found with the tunnel */
        TunnelProtocol protocol;
        VisitorState state;
        unsigned n_moves; /* since it last had a leg */
        bool entered;     /* counts among those of its tunnel */
        bool counted;     /* counts among those of its address */
        bool crowded;     /* there are too many of its address */
        uint64_t started_usec;
        Visitor *prev, *next; /* the shard's */

        /* of http only */
        char *asked;     /* owned: the name that the connection of an https visitor was made to, whose TLS is
                            another process's; else NULL */
        bool was_proved; /* the same: it has shown a certificate there */
        Exchange exchange;
        GuardCheck *check;   /* owned, in CHECK */
        size_t n_head;       /* bytes of `head' that are the request's head, once that is known */
        bool head_only;      /* that request is HEAD */
        bool wants_html;     /* its answer, if that is ours */
        bool is_https;       /* the visitor's own connection is, as far as is known */
        bool may_keep;       /* behind an answer of ours to it another request may follow */
        bool is_kept;        /* it has had an answer */
        AccessEntry *entry;  /* owned: for the access log, of a request that isn't answered, or NULL */
        bool is_routed;      /* the request that the leg was opened for has been looked up */
        uint64_t asked_usec; /* when the request was read */
        uint64_t rests_usec; /* since when it rests */
        uint64_t idle_bytes; /* both ways, when RELAY was last looked at */
};

/* ---- visitor.c ---- */

/* RESET: so that both peers see an abort. */
void visitor_destroy(Visitor *v, bool reset);
void visitor_set_state(Visitor *v, VisitorState state);

/* From now on it is known what it speaks, and it counts as such. */
void visitor_settle_protocol(Visitor *v, TunnelProtocol protocol);

/* Starts or restarts the one timeout that it has. Returns 0 or -ENOMEM. */
int visitor_set_timeout(Visitor *v, uint64_t usec);

void visitor_drop_tunnel(Visitor *v);
void visitor_log_end(const Visitor *v, const RelayResult *result);

/* Frees the relay, and counts what it has moved. */
void visitor_end_relay(Visitor *v);

/* Limits that its relay has to keep. */
void visitor_get_rates(Visitor *v, RelayOptions *options);

/* The tunnel is known, and its session, or there is none to be had now. */
void visitor_open(Visitor *v);
void visitor_park(Visitor *v);

/* Looks for the tunnel, again or for the first time. */
void visitor_look_up(Visitor *v);

/* One that has just been accepted. IS_SETTLED: PROTOCOL is what it speaks, not only what it seems to. NULL:
 * there are too many of its address, or memory is out. */
Visitor *visitor_new(Shard *sh, const Address *peer, TunnelProtocol protocol, bool is_settled);

/* ---- visitor-pass.c ---- */

/* V, which has no leg, is gone from here: the process that has replaced this one serves it. */
void visitor_pass(Visitor *v);

/* ---- visitor-tls.c ---- */

/* On its socket: reads the hello, and goes on from there. */
void visitor_await_hello(Visitor *v);

/* Puts TLS, which ends here, around FD, which is owned on success only. Returns 0 or a negative errno. */
int visitor_start_tls(Visitor *v, int fd);

/* Looks for the tunnel of the hello in `head', again where a wait is over. */
void visitor_look_up_tls(Visitor *v);

/* ---- visitor-http.c ---- */

/* Goes on with the request that may be in `head', and with those behind it. */
void visitor_go_on(Visitor *v);

/* Reads on into `head'. Returns the bytes read, 0 at the end, or a negative errno. */
ssize_t visitor_read(Visitor *v);

/* Looks for the tunnel of the request in `head', again where a wait is over. */
void visitor_look_up_host(Visitor *v);

/* Waits for requests. */
void visitor_await_request(Visitor *v);

/* It has a leg. */
void visitor_begin_http(Visitor *v);

/* In HEAD or RELAY. */
void visitor_on_http_timeout(Visitor *v);

/* Between two requests, and without a leg. Never looks at the next one at once: it may be called while
 * streams of a session are served, which must not end then. */
void visitor_rest(Visitor *v);

/* Where ends are told apart it is one, not an abort. */
void visitor_close_leg(Visitor *v);

/* The request was answered. N_BYTES: of the body. */
void visitor_count_request(Visitor *v, unsigned status, uint64_t n_bytes, uint64_t duration_usec);

/* ---- visitor-answer.c ---- */

/* Ends an http visitor's request with an answer of our own. FIELDS: more lines of its head, or "". */
void visitor_refuse(Visitor *v, unsigned status, const char *fields, const char *text);
void visitor_refuse_away(Visitor *v);
void visitor_refuse_absent(Visitor *v);
void visitor_refuse_failing(Visitor *v); /* of its tunnel the client says so */
void visitor_refuse_crowd(Visitor *v);
void visitor_refuse_unknown(Visitor *v, const HttpHead *head);

/* Sends it to the same place over https. */
void visitor_redirect(Visitor *v, const HttpHead *request);

/* The same, and no request is understood behind this one. */
void visitor_refuse_last(Visitor *v, unsigned status, const char *text);

/* Whether REQUEST may be a certification authority's, who looks for a proof that a name is ours. Such a
 * request is answered with the file of the challenge. False: there is no such file, and a tunnel may know
 * more. */
bool visitor_asks_for_challenge(const Visitor *v, const HttpHead *request);
bool visitor_answer_challenge(Visitor *v, const HttpHead *request);

/* ---- visitor-access.c ---- */

typedef enum VisitorAccess {
        VISITOR_GRANTED,
        VISITOR_UNPROVED, /* it has shown no certificate */
        VISITOR_DENIED,   /* its address */
        VISITOR_PLAIN,    /* it has to come over https */
        VISITOR_UNASKED,  /* it shows no password */
        VISITOR_WRONG,    /* its password */
        VISITOR_LIMITED,  /* too many of them */
        VISITOR_UNSURE,   /* the password takes long to look at */
} VisitorAccess;

/* Whether REQUEST may go to T, as its owner has it. */
VisitorAccess visitor_judge(const Visitor *v, const HttpHead *request, const Tunnel *t);

/* What follows from that unless it is granted: an answer, or a wait. */
void visitor_refuse_access(Visitor *v, const HttpHead *request, VisitorAccess access);

/* The same for a connection of tcp. */
bool visitor_may_connect(const Visitor *v);

/* An https visitor has shown a certificate of server.tls.visitor_ca. */
bool visitor_is_proved(const Visitor *v);

/* Ends the connection once the visitor has what was written to it. */
void visitor_linger(Visitor *v);
