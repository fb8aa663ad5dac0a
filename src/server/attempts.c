/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/attempts.h"

#include <errno.h>
#include <uthash.h>

#include "base/macro.h"

/* One time says all: when the address will have been forgiven everything. Each failure moves it on by
 * ATTEMPTS_EVERY_USEC, and it is refused while that is more than ATTEMPTS_MAX failures away. */
typedef struct Failing {
        Ip network;
        uint64_t forgiven_usec;
        UT_hash_handle hh; /* in the order of their last failures */
} Failing;

struct Attempts {
        Failing *failing; /* owned, by network */
};

int attempts_new(Attempts **ret) {
        Attempts *a = new0(Attempts, 1);

        if (!a)
                return -ENOMEM;
        *ret = a;
        return 0;
}

static Failing *failing_find(const Attempts *a, const Address *peer) {
        Ip network = address_network(peer);
        Failing *f;

        HASH_FIND(hh, a->failing, &network, sizeof(network), f);
        return f;
}

static void failing_drop(Attempts *a, Failing *f) {
        HASH_DEL(a->failing, f);
        free(f);
}

static uint64_t wait_usec(const Failing *f, uint64_t now_usec) {
        uint64_t allowed_usec = now_usec + (ATTEMPTS_MAX - 1) * ATTEMPTS_EVERY_USEC;

        return f->forgiven_usec > allowed_usec ? f->forgiven_usec - allowed_usec : 0;
}

uint64_t attempts_wait_usec(Attempts *a, const Address *peer, uint64_t now_usec) {
        const Failing *f = failing_find(a, peer);

        return f ? wait_usec(f, now_usec) : 0;
}

bool attempts_failed(Attempts *a, const Address *peer, uint64_t now_usec) {
        Failing *f = failing_find(a, peer);
        uint64_t since_usec = f ? MAX(f->forgiven_usec, now_usec) : now_usec;

        if (f)
                HASH_DEL(a->failing, f);
        else {
                if (HASH_COUNT(a->failing) >= ATTEMPTS_ADDRESSES_MAX)
                        failing_drop(a, a->failing);
                f = new0(Failing, 1);
                if (!f)
                        return false;
        }
        f->network = address_network(peer);
        f->forgiven_usec = since_usec + ATTEMPTS_EVERY_USEC;
        HASH_ADD(hh, a->failing, network, sizeof(f->network), f);
        return wait_usec(f, now_usec) > 0;
}

Attempts *attempts_free(Attempts *a) {
        if (!a)
                return NULL;
        while (a->failing)
                failing_drop(a, a->failing);
        free(a);
        return NULL;
}
