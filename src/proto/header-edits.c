/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/header-edits.h"

#include <errno.h>

#include "proto/utf8.h"

static bool is_refused(HttpSlice name) {
        static const char *const names[] = { "Host",           "Forwarded", "Proxy-Connection",
                                             "HTTP2-Settings", "Expect",    "Trailer" };
        const HttpSlice family = http_slice_of("X-Forwarded-");

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (http_name_resembles(name, http_slice_of(names[i])))
                        return true;
        name.length = MIN(name.length, family.length);
        return http_name_resembles(name, family);
}

static int check(const HeaderEdits *l, const HttpEdit *edit) {
        if (edit->name.length > HEADER_NAME_BYTES_MAX || edit->value.length > HEADER_VALUE_BYTES_MAX)
                return -EINVAL;
        if (is_refused(edit->name) || !http_edit_is_valid(edit))
                return -EINVAL;
        if (edit->value.data &&
            !utf8_is_valid(edit->value.data, edit->value.length)) /* they travel in JSON */
                return -EINVAL;
        for (size_t i = 0; i < l->n; i++)
                if (http_name_resembles(l->items[i].name, edit->name))
                        return -EEXIST;
        return l->n < HEADER_EDITS_MAX ? 0 : -ENOBUFS;
}

static void edit_done(HttpEdit *edit) {
        free((char*) edit->name.data);
        free((char*) edit->value.data);
}

int header_edits_add(HeaderEdits *l, const char *name, const char *value) {
        HttpEdit edit = { .name = http_slice_of(name) }, *items;
        int r;

        if (value)
                edit.value = http_slice_of(value);
        r = check(l, &edit);
        if (r < 0)
                return r;
        items = reallocarray(l->items, l->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        l->items = items;
        edit.name.data = strdup(name);
        if (value)
                edit.value.data = strdup(value);
        if (!edit.name.data || (value && !edit.value.data)) {
                edit_done(&edit);
                return -ENOMEM;
        }
        l->items[l->n++] = edit;
        return 0;
}

int header_edits_parse(HeaderEdits *l, const char *text) {
        _cleanup_free_ char *copy = NULL;
        char *colon;

        if (*text == '-')
                return header_edits_add(l, text + 1, NULL);
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        colon = strchr(copy, ':');
        if (!colon)
                return -EINVAL;
        *colon = '\0';
        return header_edits_add(l, copy, str_trim(colon + 1));
}

void header_edits_done(HeaderEdits *l) {
        for (size_t i = 0; i < l->n; i++)
                edit_done(&l->items[i]);
        free(l->items);
        *l = (HeaderEdits){};
}
