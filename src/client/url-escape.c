/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/url-escape.h"

#include "base/str.h"

char *url_escape(const char *s) {
        char *escaped = malloc(strlen(s) * strlen("%00") + 1), *out = escaped;

        if (!escaped)
                return NULL;
        for (; *s; s++)
                if (char_is_alpha(*s) || char_is_digit(*s) || strchr("-._~", *s))
                        *out++ = *s;
                else
                        out += sprintf(out, "%%%02X", (unsigned char) *s);
        *out = '\0';
        return escaped;
}
