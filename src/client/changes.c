/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/changes.h"

#include <errno.h>
#include <utlist.h>

#include "base/str.h"

Change *change_new(const char *name, bool is_removal) {
        Change *c = new0(Change, 1);

        if (!c)
                return NULL;
        c->name = strdup(name);
        c->is_removal = is_removal;
        return c->name ? c : change_free(c);
}

Change *change_free(Change *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n_settings; i++) {
                explicit_bzero(c->values[i], strlen(c->values[i])); /* may be a password */
                free(c->keys[i]);
                free(c->values[i]);
        }
        free(c->name);
        free(c);
        return NULL;
}

int change_set(Change *c, const char *key, const char *value) {
        char *k, *v;

        if (c->n_settings == CHANGE_SETTINGS_MAX)
                return -ENOBUFS;
        k = strdup(key);
        v = strdup(value);
        if (!k || !v) {
                free(k);
                free(v);
                return -ENOMEM;
        }
        c->keys[c->n_settings] = k;
        c->values[c->n_settings++] = v;
        return 0;
}

Change *changes_put(Changes *l, Change *c) {
        Change *old;

        DL_FOREACH(l->items, old)
                if (streq(old->name, c->name))
                        break;
        if (old) {
                DL_DELETE(l->items, old);
                l->n--;
        }
        DL_APPEND(l->items, c);
        l->n++;
        return old;
}

void changes_undo(Changes *l, Change *c, Change *old) {
        DL_DELETE(l->items, c);
        l->n--;
        change_free(c);
        if (old) {
                DL_APPEND(l->items, old);
                l->n++;
        }
}

void changes_done(Changes *l) {
        while (l->items) {
                Change *c = l->items;

                DL_DELETE(l->items, c);
                change_free(c);
        }
}
