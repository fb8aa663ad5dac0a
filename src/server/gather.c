/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/gather.h"

#include <errno.h>

typedef struct GatherMail {
        Mail mail;
        struct Gather *gather;
        void *part; /* in the gather's parts */
} GatherMail;

typedef struct Gather {
        Server *server;    /* borrowed */
        GatherMail *mails; /* owned, one a shard */
        char *parts;       /* owned */
        unsigned n_left;   /* main's */
        GatherCollectFn collect;
        GatherDoneFn done;
        void *userdata; /* borrowed */
} Gather;

static void gather_free(Gather *g) {
        free(g->mails);
        free(g->parts);
        free(g);
}

static void on_gathered(Worker *w _unused_, Mail *mail) {
        Gather *g = container_of(mail, GatherMail, mail)->gather;

        if (--g->n_left > 0)
                return;
        g->done(g->server, g->parts, g->server->n_shards, g->userdata);
        gather_free(g);
}

static void on_gather(Worker *w, Mail *mail) {
        GatherMail *m = container_of(mail, GatherMail, mail);

        m->gather->collect(shard_of(w), m->part, m->gather->userdata);
        worker_post(m->gather->server->main, mail, on_gathered);
}

int gather_start(Server *s, size_t part_bytes, GatherCollectFn collect, GatherDoneFn done, void *userdata) {
        Gather *g = new0(Gather, 1);

        if (!g)
                return -ENOMEM;
        *g = (Gather) {
                .server = s,
                .mails = new0(GatherMail, s->n_shards),
                .parts = calloc(s->n_shards, part_bytes),
                .n_left = s->n_shards,
                .collect = collect,
                .done = done,
                .userdata = userdata,
        };
        if (!g->mails || !g->parts) {
                gather_free(g);
                return -ENOMEM;
        }
        for (unsigned i = 0; i < s->n_shards; i++) {
                g->mails[i].gather = g;
                g->mails[i].part = g->parts + i * part_bytes;
                worker_post(s->shards[i].worker, &g->mails[i].mail, on_gather);
        }
        return 0;
}
