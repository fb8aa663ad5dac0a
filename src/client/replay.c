/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/replay.h"

#include <errno.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/parse.h"
#include "base/str.h"
#include "client/replay-request.h"
#include "net/stream-fd.h"
#include "net/timer.h"

/*  far end ═══ socket pair ═══ leg of a visitor ══► relay with its capture ══► local service
 *
 * The request is what was "already read" from the leg; the far end reads the answer and drops it, because the
 * capture has it. It never ends its own direction before, since services take that for an abort. */

typedef struct Replay {
        Replays *replays; /* borrowed */
        Stream *far;      /* owned */
        Timer *timeout;   /* owned */
        uint64_t id;      /* of its record */
        struct Replay *prev, *next;
} Replay;

struct Replays {
        Worker *worker; /* borrowed, as what follows */
        Visitors *visitors;
        Tunnels *tunnels;
        Records *records;
        Replay *list; /* owned */
        size_t n;
};

int replays_new(Replays **ret, Worker *w, Visitors *visitors, Tunnels *tunnels, Records *records) {
        Replays *r = new0(Replays, 1);

        if (!r)
                return -ENOMEM;
        *r = (Replays) { .worker = w, .visitors = visitors, .tunnels = tunnels, .records = records };
        *ret = r;
        return 0;
}

/* Its visitor sees that as the end of a visitor's connection; with an answer under way, as an abort. */
static void replay_end(Replay *p) {
        DL_DELETE(p->replays->list, p);
        p->replays->n--;
        timer_free(p->timeout);
        stream_free(p->far);
        free(p);
}

static void on_replay_event(Stream *s, unsigned events _unused_, void *userdata) {
        Replay *p = userdata;
        char dropped[16 * 1024];
        ssize_t k = stream_read(s, dropped, sizeof(dropped));

        if (k == 0 || (k < 0 && k != -EAGAIN) || records_is_settled(p->replays->records, p->id))
                replay_end(p);
}

static void on_replay_timeout(void *userdata) {
        replay_end(userdata);
}

/* Owns FD. */
static int replay_new(Replays *r, int fd, uint64_t id) {
        Replay *p = new0(Replay, 1);
        int e = p ? stream_fd_new(&p->far, r->worker, fd) : -ENOMEM;

        if (e < 0)
                safe_close(fd);
        if (e >= 0)
                e = timer_new_after(&p->timeout, r->worker, REPLAY_TIMEOUT_USEC, on_replay_timeout, p);
        if (e < 0) {
                if (p)
                        stream_free(p->far);
                free(p);
                return e;
        }
        p->replays = r;
        p->id = id;
        DL_APPEND(r->list, p);
        r->n++;
        stream_set_callback(p->far, on_replay_event, p);
        stream_set_events(p->far, STREAM_READABLE);
        return 0;
}

/* The public URL that the tunnel of RECORD has now, of the same scheme if it may be, or NULL. */
static const char *find_url(const Tunnels *tunnels, const Record *record) {
        size_t n_scheme = strcspn(record->url, ":");
        const char *found = NULL;

        for (size_t i = 0; i < tunnels->n; i++) {
                const Tunnel *t = &tunnels->items[i];

                for (size_t k = 0; k < t->n_urls && streq(t->config->name, record->name); k++)
                        if (!found || strncmp(t->urls[k].url, record->url, n_scheme + 1) == 0)
                                found = t->urls[k].url;
        }
        return found;
}

/* Owns REQUEST, which begins with a head of N_HEAD bytes. */
static uint64_t record_replay(Replays *r, const Record *record, const char *url, Buffer *request,
                              size_t n_head) {
        const char *head = (const char*) buffer_head(request);
        _cleanup_free_ char *line = strndup(head, strcspn(head, "\r"));
        char *path = line ? strchr(line, ' ') : NULL, *end = path ? strchr(path + 1, ' ') : NULL;

        if (!end)
                return 0;
        *path = *end = '\0';
        return records_begin(r->records, &(RecordOrigin) {
                                                 .name = record->name,
                                                 .url = url,
                                                 .visitor = "replay",
                                                 .method = line,
                                                 .path = path + 1,
                                                 .head = head,
                                                 .n_head = n_head,
                                                 .start_usec = clock_usec(),
                                                 .replay_of = record->id,
                                         });
}

/* Owns REQUEST. Returns 0 or a negative errno. */
static int replays_connect(Replays *r, const char *url, Buffer *request, uint64_t id) {
        Stream *leg = NULL;
        int pair[2], e;

        e = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ? -errno : 0;
        if (e >= 0) {
                e = stream_fd_new(&leg, r->worker, pair[0]);
                if (e < 0)
                        safe_close(pair[0]);
                if (e < 0)
                        safe_close(pair[1]);
        }
        if (e >= 0)
                e = replay_new(r, pair[1], id);
        if (e < 0) {
                stream_free(leg);
                buffer_put(&r->worker->buffers, request);
                return e;
        }
        visitors_replay(r->visitors, leg, request, url, id);
        return 0;
}

int replays_start(Replays *r, const Record *record, struct json_object *changes, uint64_t *ret_id,
                  const char **ret_why) {
        const char *url = find_url(r->tunnels, record);
        Buffer *request;
        ssize_t n_head;
        uint64_t id = 0;
        int e;

        *ret_why = url ? "There are too many replays: wait a moment"
                       : "The tunnel of this request is not there now";
        if (!url || r->n == REPLAYS_MAX)
                return url ? -EBUSY : -ENOENT;
        request = buffer_get(&r->worker->buffers);
        n_head = request ? replay_request(record, changes, request, ret_why) : -ENOMEM;
        if (n_head >= 0)
                id = record_replay(r, record, url, request, (size_t) n_head);
        if (n_head < 0 || id == 0) {
                buffer_put(&r->worker->buffers, request);
                return n_head < 0 ? (int) n_head : -ENOMEM;
        }
        e = replays_connect(r, url, request, id);
        if (e < 0) {
                records_end(r->records, id, "the replay could not be started");
                *ret_why = "The replay can't be started";
                return e;
        }
        *ret_id = id;
        return 0;
}

Replays *replays_free(Replays *r) {
        if (!r)
                return NULL;
        while (r->list)
                replay_end(r->list);
        free(r);
        return NULL;
}
