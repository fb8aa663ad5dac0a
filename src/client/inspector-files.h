/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files of the inspector's page (src/client/inspector/), which are a part of the program. */

#include <stddef.h>

typedef struct InspectorFile {
        const char *path; /* of its URL */
        const char *type;
        const char *data, *end;
} InspectorFile;

/* Or NULL. */
const InspectorFile *inspector_file_find(const char *path);
