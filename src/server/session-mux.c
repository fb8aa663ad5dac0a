/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/session-mux.h"

#include <errno.h>
#include <utlist.h>

#include "base/log.h"
#include "base/parse.h"
#include "net/channel.h"
#include "net/timer.h"
#include "server/shard.h"
#include "server/tunnel-request.h"

#define PING_USEC (20 * USEC_PER_SEC) /* for the round trip: the client watches over liveness too */
#define SILENCE_USEC (45 * USEC_PER_SEC)

typedef struct MuxSession MuxSession;

/* A visitor whose StartProxy the connection doesn't take yet. */
typedef struct Starting {
        MuxSession *session; /* borrowed */
        Opening *opening;    /* borrowed */
        Stream *stream;      /* owned */
        struct Starting *prev, *next;
} Starting;

struct MuxSession {
        Session session;
        Mux *mux;           /* owned */
        Channel *control;   /* owned */
        Timer *timer;       /* owned */
        Starting *starting; /* owned */
        bool is_leaving;    /* the client was told to replace it */
};

/* When a session is replaced or ends by itself, visitors that have their streams go on. */
typedef struct MuxTail {
        Shard *shard; /* borrowed */
        Mux *mux;     /* owned */
        Timer *end;   /* owned; once it is ended on our side */
        struct MuxTail *prev, *next;
} MuxTail;

static MuxSession *mux_session(Session *s) {
        return container_of(s, MuxSession, session);
}

/* ---- what outlives the session ---- */

static void mux_tail_free(MuxTail *t) {
        DL_DELETE(t->shard->tails, t);
        mux_free(t->mux);
        timer_free(t->end);
        free(t);
}

static void on_tail_ended(Mux *m _unused_, int error _unused_, void *userdata) {
        mux_tail_free(userdata);
}

static void on_tail_timeout(void *userdata) {
        mux_tail_free(userdata);
}

static void on_tail_emptied(Mux *m, void *userdata) {
        MuxTail *t = userdata;

        if (timer_new_after(&t->end, t->shard->worker, MUX_FAREWELL_USEC, on_tail_timeout, t) < 0)
                mux_tail_free(t);
        else
                mux_end(m);
}

static const MuxEvents tail_events = { .ended = on_tail_ended, .emptied = on_tail_emptied };

void mux_tail_new(Shard *shard, Mux *m) {
        MuxTail *t = mux_count_streams(m) > 0 && !mux_is_over(m) ? new0(MuxTail, 1) : NULL;

        if (!t) {
                mux_free(m);
                return;
        }
        t->shard = shard;
        t->mux = m;
        mux_set_events(m, &tail_events, t);
        DL_APPEND(shard->tails, t);
}

void mux_tail_free_all(Shard *shard) {
        while (shard->tails)
                mux_tail_free(shard->tails);
}

/* ---- visitors ---- */

static void starting_free(Starting *st) {
        DL_DELETE(st->session->starting, st);
        stream_free(st->stream);
        free(st);
}

/* The session is of no use any more; without it, the visitor finds that its client is away. */
static void fail_opening(MuxSession *ms, Opening *o) {
        session_end(&ms->session, "there is no room for another stream");
        opening_finish(o, NULL);
}

static void starting_try(Starting *st) {
        MuxSession *ms = st->session;
        Opening *o = st->opening;
        int r = opening_write_start(o, st->stream);

        if (r == -EAGAIN) {
                stream_set_events(st->stream, STREAM_WRITABLE);
                return;
        }
        if (r >= 0) {
                Stream *stream = TAKE_PTR(st->stream);

                stream_set_callback(stream, NULL, NULL);
                stream_set_events(stream, 0);
                starting_free(st);
                opening_finish(o, stream);
        } else {
                starting_free(st);
                fail_opening(ms, o);
        }
}

static void on_starting_writable(Stream *s, unsigned events _unused_, void *userdata) {
        stream_set_events(s, 0); /* so that asking for it again is a new wish */
        starting_try(userdata);
}

/* The client makes a new session, which replaces this one before its stream ids are used up. */
static void mux_session_check_age(MuxSession *ms) {
        if (ms->is_leaving || !mux_is_wearing_out(ms->mux))
                return;
        ms->is_leaving = true;
        mux_go_away(ms->mux);
}

static void mux_session_open_stream(Session *s, Opening *o) {
        MuxSession *ms = mux_session(s);
        Starting *st = new0(Starting, 1);

        if (!st || mux_open(ms->mux, &st->stream) < 0) {
                free(st);
                fail_opening(ms, o);
                return;
        }
        st->session = ms;
        st->opening = o;
        DL_APPEND(ms->starting, st);
        mux_session_check_age(ms);
        stream_set_callback(st->stream, on_starting_writable, st);
        starting_try(st);
}

static void mux_session_cancel(Session *s, Opening *o) {
        Starting *st, *next;

        DL_FOREACH_SAFE(mux_session(s)->starting, st, next)
                if (st->opening == o)
                        starting_free(st);
}

/* ---- the control stream ---- */

static void mux_session_end(MuxSession *ms, int error) {
        if (error == 0)
                session_end(&ms->session, "it closed the connection");
        else if (error == -EBADMSG || error == -EPROTO)
                session_end(&ms->session, "it broke the protocol");
        else if (error == -ENOBUFS)
                session_end(&ms->session, "it doesn't read what we send");
        else
                session_end(&ms->session, strerror(-error));
}

/* Tunnels are those of the client's session 0. */
static int mux_session_request(MuxSession *ms, const MessageReqTunnel *m) {
        if (ms->session.spec.number == 0)
                return tunnel_request_post(&ms->session, m);
        return session_send_answer(ms->control, m, NULL, 0, "Ask for tunnels in session 0 of this client");
}

static void on_mux_control_message(Channel *control _unused_, const Message *m, int error, void *userdata) {
        MuxSession *ms = userdata;
        int r = 0;

        if (!m) {
                mux_session_end(ms, error);
                return;
        }
        if (m->type == MESSAGE_REQ_TUNNEL)
                r = mux_session_request(ms, &m->req_tunnel);
        else if (m->type == MESSAGE_TUNNEL_HEALTH)
                session_set_health(&ms->session, &m->tunnel_health);
        else
                log_debug("Client %s sent %s on its control stream, ignoring", ms->session.label,
                          message_type_to_string(m->type));
        if (r < 0)
                mux_session_end(ms, r);
}

static void mux_session_answer(Session *s, const MessageReqTunnel *request, const TunnelGrant *grants, int n,
                               const char *why) {
        MuxSession *ms = mux_session(s);
        int r = session_send_answer(ms->control, request, grants, n, why);

        if (r < 0)
                mux_session_end(ms, r);
}

static void on_mux_session_timer(void *userdata) {
        MuxSession *ms = userdata;

        if (clock_usec() - mux_heard_usec(ms->mux) >= SILENCE_USEC)
                session_end(&ms->session, "it was silent for too long");
        else
                mux_ping(ms->mux);
}

static void on_session_mux_ended(Mux *m _unused_, int error, void *userdata) {
        mux_session_end(userdata, error);
}

static const MuxEvents session_mux_events = { .ended = on_session_mux_ended };

/* ---- life ---- */

static void mux_session_drain(Session *s) {
        mux_session(s)->is_leaving = true;
        mux_go_away(mux_session(s)->mux);
}

static void mux_session_destroy(Session *s) {
        MuxSession *ms = mux_session(s);

        while (ms->starting) {
                Opening *o = ms->starting->opening;

                starting_free(ms->starting);
                opening_finish(o, NULL);
        }
        channel_free(ms->control);
        mux_tail_new(s->shard, ms->mux);
        timer_free(ms->timer);
        session_done(s);
        free(ms);
}

static const SessionOps mux_session_ops = {
        .transport = "mux",
        .open_usec = SESSION_OPEN_USEC,
        .open_stream = mux_session_open_stream,
        .cancel = mux_session_cancel,
        .answer = mux_session_answer,
        .drain = mux_session_drain,
        .destroy = mux_session_destroy,
};

int mux_session_new(Shard *shard, const SessionSpec *spec, Mux *mux, Stream *control, Buffer *rest) {
        MuxSession *ms = new0(MuxSession, 1);
        int r;

        if (!ms)
                return -ENOMEM;
        r = timer_new(&ms->timer, shard->worker, on_mux_session_timer, ms);
        if (r >= 0)
                r = channel_new(&ms->control, control, rest, on_mux_control_message, ms);
        if (r < 0) {
                timer_free(ms->timer);
                free(ms);
                return r;
        }
        ms->mux = mux;
        mux_set_events(mux, &session_mux_events, ms);
        session_init(&ms->session, &mux_session_ops, shard, spec);
        /* a failure shows at the next event */
        (void) session_send_auth_resp(&ms->session, ms->control, MESSAGE_SESSIONS_MAX);
        mux_ping(mux);
        timer_start_every(ms->timer, PING_USEC);
        return 0;
}
