/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/siblings.h"

#include <errno.h>

#include "base/log.h"

struct Siblings {
        SiblingParams params;
        Sibling **items; /* owned, n of them; the first is of session 1 */
        unsigned n;
        bool has_complained;
};

int siblings_new(Siblings **ret, unsigned n, const SiblingParams *params) {
        Siblings *ss = new0(Siblings, 1);
        int r = 0;

        if (!ss)
                return -ENOMEM;
        ss->params = *params;
        ss->items = new0(Sibling *, n);
        if (!ss->items)
                r = -ENOMEM;
        while (r >= 0 && ss->n < n) {
                r = sibling_new(&ss->items[ss->n], ss->n + 1, &ss->params);
                if (r >= 0)
                        ss->n++;
        }
        if (r < 0) {
                siblings_free(ss);
                return r;
        }
        *ret = ss;
        return 0;
}

void siblings_go(Siblings *ss, unsigned n_sessions, const ClientConfig *config, const char *client_id) {
        unsigned n = n_sessions > 0 ? n_sessions - 1 : 0;

        if (!ss)
                return;
        if (n < ss->n && !ss->has_complained) {
                log_warning(
                        "The server takes no more than %u of the connections that client.connections asks "
                        "for, ignoring",
                        n + 1);
                ss->has_complained = true;
        }
        for (unsigned i = 0; i < MIN(n, ss->n); i++)
                sibling_go(ss->items[i], config, client_id);
}

void siblings_pause(Siblings *ss) {
        for (unsigned i = 0; ss && i < ss->n; i++)
                sibling_pause(ss->items[i]);
}

void siblings_leave(Siblings *ss) {
        for (unsigned i = 0; ss && i < ss->n; i++)
                sibling_leave(ss->items[i]);
}

void siblings_wake(Siblings *ss) {
        for (unsigned i = 0; ss && i < ss->n; i++)
                sibling_wake(ss->items[i]);
}

void siblings_tunnel_up(Siblings *ss) {
        for (unsigned i = 0; ss && i < ss->n; i++)
                sibling_tunnel_up(ss->items[i]);
}

Siblings *siblings_free(Siblings *ss) {
        if (!ss)
                return NULL;
        for (unsigned i = 0; i < ss->n; i++)
                sibling_stop(ss->items[i]);
        for (unsigned i = 0; i < ss->n; i++)
                sibling_free(ss->items[i]);
        free(ss->items);
        free(ss);
        return NULL;
}
