/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/verdicts.h"

#include <errno.h>
#include <uthash.h>

#include "base/macro.h"

typedef struct Verdict {
        VerdictKey key;
        bool is_right;
        uint64_t until_usec;
        UT_hash_handle hh; /* the oldest first */
} Verdict;

struct Verdicts {
        Verdict *all; /* owned */
};

int verdicts_new(Verdicts **ret) {
        Verdicts *v = new0(Verdicts, 1);

        if (!v)
                return -ENOMEM;
        *ret = v;
        return 0;
}

static void verdict_drop(Verdicts *v, Verdict *verdict) {
        HASH_DEL(v->all, verdict);
        free(verdict);
}

int verdicts_find(Verdicts *v, const VerdictKey *key, uint64_t now_usec) {
        Verdict *found;

        HASH_FIND(hh, v->all, key, sizeof(*key), found);
        if (!found)
                return -ENOENT;
        if (found->until_usec > now_usec)
                return found->is_right;
        verdict_drop(v, found);
        return -ENOENT;
}

int verdicts_put(Verdicts *v, const VerdictKey *key, bool is_right, uint64_t now_usec) {
        Verdict *verdict;

        HASH_FIND(hh, v->all, key, sizeof(*key), verdict);
        if (verdict)
                verdict_drop(v, verdict);
        else if (HASH_COUNT(v->all) >= VERDICTS_MAX)
                verdict_drop(v, v->all);
        verdict = new0(Verdict, 1);
        if (!verdict)
                return -ENOMEM;
        verdict->key = *key;
        verdict->is_right = is_right;
        verdict->until_usec = now_usec + VERDICT_USEC;
        HASH_ADD(hh, v->all, key, sizeof(verdict->key), verdict);
        return 0;
}

Verdicts *verdicts_free(Verdicts *v) {
        if (!v)
                return NULL;
        while (v->all)
                verdict_drop(v, v->all);
        free(v);
        return NULL;
}
