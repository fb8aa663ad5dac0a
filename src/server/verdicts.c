/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/verdicts.h"

#include <errno.h>
#include <uthash.h>

#include "base/macro.h"

typedef struct Verdict {
        VerdictKey key;
        uint64_t until_usec;
        UT_hash_handle hh; /* the oldest first, or the longest unasked of the right ones */
} Verdict;

/* Apart, so that guesses drive out guesses only. */
struct Verdicts {
        Verdict *wrong, *right; /* owned */
};

int verdicts_new(Verdicts **ret) {
        Verdicts *v = new0(Verdicts, 1);

        if (!v)
                return -ENOMEM;
        *ret = v;
        return 0;
}

static void verdict_drop(Verdict **table, Verdict *verdict) {
        HASH_DEL(*table, verdict);
        free(verdict);
}

/* The one of KEY if it still holds. */
static Verdict *table_find(Verdict **table, const VerdictKey *key, uint64_t now_usec) {
        Verdict *found;

        HASH_FIND(hh, *table, key, sizeof(*key), found);
        if (!found || found->until_usec > now_usec)
                return found;
        verdict_drop(table, found);
        return NULL;
}

/* To the end, with all its time. */
static void table_add(Verdict **table, Verdict *verdict, uint64_t now_usec) {
        verdict->until_usec = now_usec + VERDICT_USEC;
        HASH_ADD(hh, *table, key, sizeof(verdict->key), verdict);
}

int verdicts_find(Verdicts *v, const VerdictKey *key, uint64_t now_usec) {
        Verdict *right = table_find(&v->right, key, now_usec);

        if (right) {
                HASH_DEL(v->right, right);
                table_add(&v->right, right, now_usec);
                return 1;
        }
        return table_find(&v->wrong, key, now_usec) ? 0 : -ENOENT;
}

int verdicts_put(Verdicts *v, const VerdictKey *key, bool is_right, uint64_t now_usec) {
        Verdict **table = is_right ? &v->right : &v->wrong, *verdict = table_find(table, key, now_usec);

        if (verdict)
                return 0;
        verdict = new0(Verdict, 1);
        if (!verdict)
                return -ENOMEM;
        if (HASH_COUNT(*table) >= VERDICTS_MAX)
                verdict_drop(table, *table);
        verdict->key = *key;
        table_add(table, verdict, now_usec);
        return 0;
}

Verdicts *verdicts_free(Verdicts *v) {
        if (!v)
                return NULL;
        while (v->wrong)
                verdict_drop(&v->wrong, v->wrong);
        while (v->right)
                verdict_drop(&v->right, v->right);
        free(v);
        return NULL;
}
