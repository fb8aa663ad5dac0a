/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/crowd.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <uthash.h>

#include "base/macro.h"

/* There only while it counts something: connections bound the number. */
typedef struct Crew {
        Ip network;
        unsigned n[CROWD_KIND_MAX];
        UT_hash_handle hh;
} Crew;

struct Crowd {
        pthread_mutex_t lock;
        Crew *crews; /* owned, by network */
};

int crowd_new(Crowd **ret) {
        Crowd *c = new0(Crowd, 1);

        if (!c)
                return -ENOMEM;
        pthread_mutex_init(&c->lock, NULL);
        *ret = c;
        return 0;
}

static Crew *crew_find(Crowd *c, const Address *peer) {
        Ip network = address_network(peer);
        Crew *crew;

        HASH_FIND(hh, c->crews, &network, sizeof(network), crew);
        return crew;
}

static Crew *crew_new(Crowd *c, const Address *peer) {
        Crew *crew = new0(Crew, 1);

        if (!crew)
                return NULL;
        crew->network = address_network(peer);
        HASH_ADD(hh, c->crews, network, sizeof(crew->network), crew);
        return crew;
}

unsigned crowd_enter(Crowd *c, CrowdKind kind, const Address *peer) {
        unsigned n = UINT_MAX;
        Crew *crew;

        pthread_mutex_lock(&c->lock);
        crew = crew_find(c, peer);
        if (!crew)
                crew = crew_new(c, peer);
        if (crew)
                n = ++crew->n[kind];
        pthread_mutex_unlock(&c->lock);
        return n;
}

void crowd_leave(Crowd *c, CrowdKind kind, const Address *peer) {
        unsigned left = 0;
        Crew *crew;

        pthread_mutex_lock(&c->lock);
        crew = crew_find(c, peer);
        crew->n[kind]--;
        for (int k = 0; k < CROWD_KIND_MAX; k++)
                left += crew->n[k];
        if (left == 0) {
                HASH_DEL(c->crews, crew);
                free(crew);
        }
        pthread_mutex_unlock(&c->lock);
}

unsigned crowd_count(Crowd *c, CrowdKind kind, const Address *peer) {
        Crew *crew;
        unsigned n;

        pthread_mutex_lock(&c->lock);
        crew = crew_find(c, peer);
        n = crew ? crew->n[kind] : 0;
        pthread_mutex_unlock(&c->lock);
        return n;
}

Crowd *crowd_free(Crowd *c) {
        Crew *crew, *next;

        if (!c)
                return NULL;
        HASH_ITER(hh, c->crews, crew, next) {
                HASH_DEL(c->crews, crew);
                free(crew);
        }
        pthread_mutex_destroy(&c->lock);
        free(c);
        return NULL;
}
