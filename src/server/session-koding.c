/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/session-koding.h"

#include <errno.h>
#include <utlist.h>

#include "base/log.h"
#include "base/parse.h"
#include "net/mux.h"
#include "net/timer.h"
#include "proto/koding.h"
#include "server/koding-online.h"
#include "server/server.h"
#include "server/session-mux.h"

/*   CONNECT answered ──its first stream says the handshake──► answered, main enters its tunnels ──► visitors
 *
 * A message on the control stream asks the client to open a stream for a visitor. Streams don't say which
 * message they answer: the n-th stream answers the n-th message. So a visitor that gives up leaves its place
 * in the line, and the stream that comes for it is reset. */

#define OPEN_USEC (10 * USEC_PER_SEC)
#define HANDSHAKE_USEC (10 * USEC_PER_SEC)
#define PING_USEC (20 * USEC_PER_SEC)
#define SILENCE_USEC (45 * USEC_PER_SEC)
#define PLACES_MAX \
        4096 /* streams asked for that have not come: a client that is so far behind never will be */
#define READ_BYTES 4096

typedef struct KodingSession KodingSession;

/* A stream that was asked for. */
typedef struct Place {
        KodingSession *session; /* borrowed */
        Opening *opening;       /* borrowed; NULL: its visitor has given up */
        Stream *stream;         /* owned; NULL until it has come */
        struct Place *prev, *next;
} Place;

struct KodingSession {
        Session session;
        Mux *mux;             /* owned */
        Stream *control;      /* owned; NULL until the client has opened it */
        KodingReader *reader; /* owned */
        Buffer *out;          /* owned: what the control stream doesn't take yet, or NULL */
        Timer *timer;         /* owned */
        Place *line;          /* owned: asked for, the longest ago first */
        Place *arrived;       /* owned: on the way to their visitors */
        unsigned n_line;
        bool is_online; /* hands are shaken */
};

static KodingSession *koding(Session *s) {
        return container_of(s, KodingSession, session);
}

static void koding_end(KodingSession *k, int error) {
        if (error == 0)
                session_end(&k->session, "it closed the connection");
        else if (error == -EBADMSG || error == -EPROTO)
                session_end(&k->session, "it broke the protocol");
        else if (error == -ENOBUFS)
                session_end(&k->session, "it went beyond a limit");
        else
                session_end(&k->session, strerror(-error));
}

/* ---- what we say on the control stream ---- */

/* Returns 0, also when something waits, or the error. */
static int koding_write(KodingSession *k) {
        ssize_t n = 0;

        while (k->out && n >= 0) {
                n = stream_write(k->control, buffer_head(k->out), buffer_length(k->out));
                if (n > 0)
                        buffer_consume(k->out, (size_t) n);
                if (buffer_length(k->out) == 0)
                        k->out = buffer_put(&k->control->worker->buffers, k->out);
        }
        stream_set_events(k->control, STREAM_READABLE | (k->out ? STREAM_WRITABLE : 0));
        return n < 0 && n != -EAGAIN ? (int) n : 0;
}

/* Returns 0, -ENOBUFS when the client does not read, or another error. */
static int koding_say(KodingSession *k, const char *text, size_t n) {
        int r;

        if (!k->out)
                k->out = buffer_get(&k->control->worker->buffers);
        if (!k->out)
                return -ENOMEM;
        if (buffer_room(k->out) < n)
                buffer_compact(k->out);
        r = buffer_append(k->out, text, n);
        return r < 0 ? r : koding_write(k);
}

/* ---- visitors ---- */

static void place_free(Place **list, Place *p) {
        DL_DELETE(*list, p);
        stream_free(p->stream);
        free(p);
}

/* On the client's machine: the visitor may choose it only where that is harmless. */
static uint16_t koding_local_port(const Session *s, const Opening *o) {
        const Snapshot *snapshot = s->shard->snapshot;

        if (o->tunnel->protocol == TUNNEL_TCP)
                return o->tunnel->port;
        for (unsigned i = 0; i < snapshot->n_sockets; i++)
                if (address_port(&snapshot->sockets[i].socket->address) == o->host_port)
                        return o->host_port;
        return policy_allows_local_port(&s->spec.user->policy, o->host_port) ? o->host_port : 0;
}

static int koding_ask(KodingSession *k, const Opening *o) {
        char text[KODING_REQUEST_MAX];
        KodingTransport transport = o->tunnel->protocol == TUNNEL_TCP ? KODING_TCP
                                    : o->is_websocket                 ? KODING_WEBSOCKET
                                                                      : KODING_HTTP;
        size_t n = koding_write_request(transport, koding_local_port(&k->session, o), text);

        return koding_say(k, text, n);
}

static void koding_open_stream(Session *s, Opening *o) {
        KodingSession *k = koding(s);
        Place *p = k->n_line < PLACES_MAX ? new0(Place, 1) : NULL;
        int r = p ? koding_ask(k, o) : -ENOBUFS;

        if (r < 0) { /* as without the session: it is of no use any more */
                free(p);
                koding_end(k, r);
                opening_finish(o, NULL);
                return;
        }
        *p = (Place) { .session = k, .opening = o };
        DL_APPEND(k->line, p);
        k->n_line++;
}

static void koding_cancel(Session *s, Opening *o) {
        KodingSession *k = koding(s);
        Place *p;

        DL_SEARCH_SCALAR(k->line, p, opening, o);
        if (!p)
                DL_SEARCH_SCALAR(k->arrived, p, opening, o);
        if (p)
                p->opening = NULL;
}

/* Its stream is open now, and the mux between two frames. */
static void on_place_ready(Stream *s, unsigned events _unused_, void *userdata) {
        Place *p = userdata;
        Opening *o = p->opening;

        stream_set_callback(s, NULL, NULL);
        stream_set_events(s, 0);
        p->stream = NULL;
        place_free(&p->session->arrived, p);
        if (o)
                opening_finish(o, s);
        else
                stream_reset(s);
}

static void koding_take_stream(KodingSession *k, Stream *s) {
        Place *p = k->line;

        DL_DELETE(k->line, p);
        k->n_line--;
        if (p->opening) {
                p->stream = s;
                DL_APPEND(k->arrived, p);
                stream_set_callback(s, on_place_ready, p);
                stream_set_events(s, STREAM_WRITABLE);
        } else {
                free(p);
                stream_reset(s);
        }
}

/* ---- what the client says ---- */

static int koding_shake_hands(KodingSession *k) {
        int r = koding_say(k, KODING_HANDSHAKE_ANSWER, strlen(KODING_HANDSHAKE_ANSWER));

        if (r < 0)
                return r;
        k->is_online = true;
        mux_ping(k->mux);
        timer_start_every(k->timer, PING_USEC);
        return koding_online_post(&k->session);
}

/* Returns 0, -EAGAIN when all is read, -ESHUTDOWN at the end, or an error. */
static int koding_read(KodingSession *k) {
        char data[READ_BYTES];
        ssize_t n = stream_read(k->control, data, sizeof(data));
        int r;

        if (n <= 0)
                return n == 0 ? -ESHUTDOWN : (int) n;
        r = koding_reader_feed(k->reader, data, (size_t) n);
        return r > 0 ? koding_shake_hands(k) : r;
}

static void on_koding_control(Stream *s _unused_, unsigned events, void *userdata) {
        KodingSession *k = userdata;
        int r = events & STREAM_WRITABLE ? koding_write(k) : 0;

        while (r >= 0 && (events & STREAM_READABLE))
                r = koding_read(k);
        if (r == -ESHUTDOWN)
                session_end(&k->session, "it closed its control stream");
        else if (r < 0 && r != -EAGAIN)
                koding_end(k, r);
}

static void on_koding_opened(Mux *m _unused_, Stream *s, void *userdata) {
        KodingSession *k = userdata;

        if (!k->control) {
                k->control = s;
                stream_set_callback(s, on_koding_control, k);
                stream_set_events(s, STREAM_READABLE);
        } else if (k->line)
                koding_take_stream(k, s);
        else {
                stream_free(s);
                session_end(&k->session, "it opened a stream that nobody had asked for");
        }
}

static void on_koding_ended(Mux *m _unused_, int error, void *userdata) {
        koding_end(userdata, error);
}

static const MuxEvents koding_events = { .opened = on_koding_opened, .ended = on_koding_ended };

static void on_koding_timer(void *userdata) {
        KodingSession *k = userdata;

        if (!k->is_online)
                session_end(&k->session, "it did not shake hands in time");
        else if (clock_usec() - mux_heard_usec(k->mux) >= SILENCE_USEC)
                session_end(&k->session, "it was silent for too long");
        else
                mux_ping(k->mux);
}

/* It didn't ask: main has logged whatever there is to say. */
static void koding_answer(Session *s _unused_, const MessageReqTunnel *request _unused_,
                          const TunnelGrant *grants _unused_, int n _unused_, const char *why _unused_) {
}

/* ---- life ---- */

/* The client finishes what it has under way, and leaves. */
static void koding_drain(Session *s) {
        KodingSession *k = koding(s);

        if (k->control)
                (void) stream_shutdown(k->control);
}

static void koding_let_go(Place **list) {
        while (*list) {
                Opening *o = (*list)->opening;

                place_free(list, *list);
                if (o)
                        opening_finish(o, NULL);
        }
}

static void koding_destroy(Session *s) {
        KodingSession *k = koding(s);

        koding_let_go(&k->arrived);
        koding_let_go(&k->line);
        buffer_put(&s->shard->worker->buffers, k->out);
        stream_free(k->control);
        koding_reader_free(k->reader);
        mux_tail_new(s->shard, k->mux);
        timer_free(k->timer);
        session_done(s);
        free(k);
}

static const SessionOps koding_ops = {
        .transport = "koding",
        .open_usec = OPEN_USEC,
        .hides_end = true,
        .open_stream = koding_open_stream,
        .cancel = koding_cancel,
        .answer = koding_answer,
        .drain = koding_drain,
        .destroy = koding_destroy,
};

/* The answer to CONNECT: what follows is the mux's. */
static int koding_connect(KodingSession *k, Stream *stream) {
        ssize_t n = stream_write(stream, KODING_CONNECTED, strlen(KODING_CONNECTED));

        if (n != (ssize_t) strlen(KODING_CONNECTED)) /* nothing was written before: there is room */
                return n < 0 ? (int) n : -ENOBUFS;
        return mux_new(&k->mux, stream, false, &koding_events, k);
}

int koding_session_new(Shard *shard, const SessionSpec *spec, Stream *stream, Buffer *rest) {
        KodingSession *k = new0(KodingSession, 1);
        int r;

        if (!k)
                return -ENOMEM;
        r = timer_new_after(&k->timer, shard->worker, HANDSHAKE_USEC, on_koding_timer, k);
        if (r >= 0)
                r = koding_reader_new(&k->reader);
        if (r >= 0)
                r = koding_connect(k, stream);
        if (r < 0) {
                koding_reader_free(k->reader);
                timer_free(k->timer);
                free(k);
                return r;
        }
        session_init(&k->session, &koding_ops, shard, spec);
        mux_set_head(k->mux, rest);
        return 0;
}
