/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Media types of files, by the suffix of their names: a few that the web is made of, and /etc/mime.types. */

#define MIME_TYPE_MAX 160

typedef struct MimeTypes MimeTypes;

/* Without that file it knows the few. Returns NULL when memory is out. */
MimeTypes *mime_types_new(void);
MimeTypes *mime_types_free(MimeTypes *m); /* NULL; takes NULL */

/* The type of a file NAME, with a charset if it is text: "application/octet-stream" if nobody knows. */
const char *mime_type_of(const MimeTypes *m, const char *name, char ret[static MIME_TYPE_MAX]);
