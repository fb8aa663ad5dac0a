/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/draining.h"

#include <string.h>

#include "base/macro.h"

void draining_add(Draining *d, Session *s) {
        if (d->n == DRAINING_MAX)
                (void) draining_remove(d, d->items[0]);
        d->items[d->n++] = s;
}

bool draining_remove(Draining *d, Session *s) {
        for (size_t i = 0; i < d->n; i++)
                if (d->items[i] == s) {
                        d->n--;
                        memmove(d->items + i, d->items + i + 1, (d->n - i) * sizeof(Session *));
                        session_free(s);
                        return true;
                }
        return false;
}

void draining_done(Draining *d) {
        while (d->n > 0)
                session_free(d->items[--d->n]);
}
