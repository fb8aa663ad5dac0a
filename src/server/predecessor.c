/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/predecessor.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "server/pass.h"
#include "server/visitor.h"

#define ANSWER_TIMEOUT_MSEC 30000 /* the other one has its own */
#define VISITORS_A_TURN 32

struct Predecessor {
        Server *server; /* borrowed */
        PollItem poll;
        int fd; /* owned */
        Predecessor *prev, *next;
};

/* On its way to a shard. */
typedef struct PassedMail {
        Mail mail;
        Passed passed;
        char packet[PASS_PACKET_MAX];
} PassedMail;

/* ---- while this process starts ---- */

static void say(const Inherited *i, const char *word, const char *more) {
        _cleanup_free_ char *text = str_format("%s%.*s", word, UPGRADE_MESSAGE_MAX / 2, more);

        if (text)
                (void) send(i->fds[INHERITED_UPGRADE], text, strlen(text), MSG_NOSIGNAL);
}

static bool hears(const Inherited *i, const char *word) {
        struct pollfd p = { .fd = i->fds[INHERITED_UPGRADE], .events = POLLIN };
        char message[UPGRADE_MESSAGE_MAX];
        ssize_t n;

        while ((n = poll(&p, 1, ANSWER_TIMEOUT_MSEC)) < 0 && errno == EINTR)
                ;
        n = n > 0 ? recv(p.fd, message, sizeof(message) - 1, 0) : -1;
        if (n < 0)
                return false;
        message[n] = '\0';
        return streq(message, word);
}

void predecessor_refuse(const Inherited *i, const char *why) {
        if (has_predecessor(i))
                say(i, UPGRADE_FAILED, why);
}

int predecessor_await_state(const Inherited *i) {
        if (!has_predecessor(i))
                return 0;
        say(i, UPGRADE_PREPARED, "");
        return hears(i, UPGRADE_GO) ? 0 : -ECANCELED;
}

/* If the other one is gone without a word somebody has to serve. */
void predecessor_await_leave(const Inherited *i) {
        if (!has_predecessor(i))
                return;
        say(i, UPGRADE_SERVING, "");
        if (!hears(i, UPGRADE_YOURS))
                log_warning("The process before this one has not said that it leaves, ignoring");
}

/* ---- visitors ---- */

static void predecessor_free(Predecessor *p) {
        worker_unpoll(p->server->main, &p->poll, p->fd);
        close(p->fd);
        DL_DELETE(p->server->predecessors, p);
        free(p);
}

static void on_passed(Worker *w, Mail *mail) {
        PassedMail *m = container_of(mail, PassedMail, mail);

        visitor_new_passed(shard_of(w), &m->passed);
        free(m);
}

/* Returns false when there is no more to be had now. P may be gone then. */
static bool predecessor_take_one(Predecessor *p) {
        Server *s = p->server;
        PassedMail *m = new0(PassedMail, 1);
        int r = m ? pass_receive(p->fd, m->packet, &m->passed) : -ENOMEM;

        if (r > 0) {
                worker_post(s->shards[s->n_passed++ % s->n_shards].worker, &m->mail, on_passed);
                return true;
        }
        free(m);
        if (r == -EBADMSG)
                log_warning("The process before this one has passed on what is no visitor, ignoring");
        else if (r != -EAGAIN && r != -EINTR)
                predecessor_free(p); /* its end */
        return r == -EBADMSG;
}

static void on_predecessor_event(PollItem *item, uint32_t events _unused_) {
        Predecessor *p = container_of(item, Predecessor, poll);

        for (int i = 0; i < VISITORS_A_TURN; i++)
                if (!predecessor_take_one(p))
                        break;
}

static int predecessor_new(Server *s, int fd) {
        Predecessor *p = fd >= 0 ? new0(Predecessor, 1) : NULL;
        int r;

        if (!p)
                return fd >= 0 ? -ENOMEM : 0;
        *p = (Predecessor) { .server = s, .poll.run = on_predecessor_event, .fd = fd };
        r = worker_poll(s->main, &p->poll, fd, EPOLLIN);
        if (r < 0) {
                free(p);
                return r;
        }
        DL_APPEND(s->predecessors, p);
        return 0;
}

void predecessors_open(Server *s) {
        Inherited *i = s->inherited;

        if (predecessor_new(s, i->fds[INHERITED_UPGRADE]) >= 0)
                i->fds[INHERITED_UPGRADE] = -1;
        for (unsigned k = 0; k < i->n_channels; k++)
                if (predecessor_new(s, i->channels[k]) >= 0)
                        i->channels[k] = -1;
}

void predecessors_done(Server *s) {
        while (s->predecessors)
                predecessor_free(s->predecessors);
}

int predecessors_add(Spawn *spawn, const Server *s) {
        const Predecessor *p;
        int r = 0;

        DL_FOREACH(s->predecessors, p)
                if (r >= 0)
                        r = spawn_add(spawn, INHERITED_CHANNEL_NAME, p->fd);
        return r;
}
