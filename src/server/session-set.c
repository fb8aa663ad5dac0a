/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/session-set.h"

#include <errno.h>
#include <stdlib.h>

void session_set_done(SessionSet *set) {
        free(set->entries);
        *set = (SessionSet){};
}

static SessionEntry *set_find(const SessionSet *set, unsigned number) {
        for (unsigned i = 0; i < set->n; i++)
                if (set->entries[i].number == number)
                        return &set->entries[i];
        return NULL;
}

int session_set_put(SessionSet *set, unsigned number, SessionName name, SessionName *ret_replaced) {
        SessionEntry *e = set_find(set, number);

        if (!e) {
                e = realloc(set->entries, (set->n + 1) * sizeof(SessionEntry));
                if (!e)
                        return -ENOMEM;
                set->entries = e;
                e += set->n++;
                *e = (SessionEntry) { .number = number };
        }
        *ret_replaced = e->name;
        e->name = name;
        return 0;
}

int session_set_remove(SessionSet *set, uint64_t id) {
        for (unsigned i = 0; i < set->n; i++)
                if (set->entries[i].name.id == id) {
                        int number = (int) set->entries[i].number;

                        set->entries[i] = set->entries[--set->n];
                        return number;
                }
        return -ENOENT;
}

SessionName session_set_get(const SessionSet *set, unsigned number) {
        const SessionEntry *e = set_find(set, number);

        return e ? e->name : (SessionName){};
}

static bool is_on(const SessionEntry *e, unsigned worker) {
        return worker == SESSION_ANYWHERE || e->name.worker == worker;
}

SessionName session_set_pick(SessionSet *set, unsigned worker) {
        unsigned n = 0, turn = atomic_fetch_add_explicit(&set->turn, 1, memory_order_relaxed);

        for (unsigned i = 0; i < set->n; i++)
                n += is_on(&set->entries[i], worker);
        if (n == 0) {
                worker = SESSION_ANYWHERE;
                n = set->n;
        }
        turn %= n;
        for (unsigned i = 0;; i++)
                if (is_on(&set->entries[i], worker) && turn-- == 0)
                        return set->entries[i].name;
}

unsigned session_set_count_on(const SessionSet *set, unsigned worker, unsigned number) {
        unsigned n = 0;

        for (unsigned i = 0; i < set->n; i++)
                n += set->entries[i].name.worker == worker && set->entries[i].number != number;
        return n;
}
