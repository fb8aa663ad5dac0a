/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Fields that a tunnel's owner wants to have set or removed in heads that pass. */

#include "proto/http-rewrite.h"

#define HEADER_EDITS_MAX 32 /* with what we add ourselves they fit into HTTP_EDITS_MAX */
#define HEADER_NAME_BYTES_MAX 128
#define HEADER_VALUE_BYTES_MAX 4096

typedef struct HeaderEdits { /* zeroed: none */
        HttpEdit *items;     /* owned, the bytes of names and values too */
        size_t n;
} HeaderEdits;

/* VALUE NULL: the field is removed. Returns 0; -EINVAL for what http_edit_is_valid() refuses, what is too
 * long or not UTF-8, and what is not the owner's: Host (see TunnelOptions.host_header), what says who the
 * visitor is (Forwarded, X-Forwarded-…), and what is meant for one connection only; -EEXIST for a name that
 * is there, also with "_" for "-"; -ENOBUFS beyond HEADER_EDITS_MAX; or -ENOMEM. */
int header_edits_add(HeaderEdits *l, const char *name, const char *value);

/* The same, as people write it: "Name: value" sets a field, "-Name" removes one. */
int header_edits_parse(HeaderEdits *l, const char *text);

void header_edits_done(HeaderEdits *l);
