/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "proto/tunnel-options.h"

/* Nothing in it can end a head, or begin another line of it. */
static void check_edits(const HeaderEdits *edits) {
        must(edits->n <= HEADER_EDITS_MAX);
        for (size_t i = 0; i < edits->n; i++) {
                must(edits->items[i].name.length > 0 && http_edit_is_valid(&edits->items[i]));
                must(!memchr(edits->items[i].value.data ? edits->items[i].value.data : "", '\n',
                             edits->items[i].value.length));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = strndup((const char *) data, size), *why = NULL, *again = NULL;
        TunnelOptions *o = NULL, *same = NULL;
        int r;

        must(text);
        r = tunnel_options_decode(&o, text, &why);
        must(r == 0 ? !why : r == -EINVAL && why && !o);
        if (o) {
                check_edits(&o->request_headers);
                check_edits(&o->response_headers);
                must(!o->host_header || !tunnel_options_check_host(o->host_header));
                r = tunnel_options_encode(o, &again);
                must(r == 0 || r == -ENOBUFS);
        }
        if (again) {
                must(tunnel_options_decode(&same, again, &why) == 0);
                must(tunnel_options_missing(o, same) == 0 && tunnel_options_missing(same, o) == 0);
        }
        tunnel_options_unref(o);
        tunnel_options_unref(same);
        free(text);
        free(why);
        free(again);
        return 0;
}
