/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text in which {{NAME}} stands for a value: pages for visitors, those that people write and ours. */

#include <stdbool.h>

#define TEMPLATE_PLACEHOLDERS_MAX 16
#define TEMPLATE_VALUE_BYTES_MAX 1024 /* what is longer is cut */

typedef struct TemplateValue {
        const char *name;
        const char *value;
} TemplateValue; /* tables end with an empty one */

/* Whether each {{NAME}} in TEXT is one of VALUES, of which only the names count. Returns 0, or -EINVAL with
 * the line of the first that isn't, or of the first that is too many. */
int template_check(const char *text, const TemplateValue *values, unsigned *ret_line);

/* TEXT with its values, escaped if it is HTML; what is no placeholder stays as it is. Owned by the caller, or
 * NULL when memory is out. */
char *template_fill(const char *text, const TemplateValue *values, bool html);
