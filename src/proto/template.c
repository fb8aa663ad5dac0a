/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/template.h"

#include <errno.h>

#include "base/str.h"

typedef struct Filling {
        char *to; /* NULL: it is only counted */
        size_t n;
} Filling;

/* The value of the placeholder that begins at S, with *RET_END behind it, or NULL: it is none. */
static const TemplateValue *find_value(const char *s, const TemplateValue *values, const char **ret_end) {
        for (const TemplateValue *v = values; v->name; v++) {
                const char *end = str_skip_prefix(s + strlen("{{"), v->name);

                if (end && str_skip_prefix(end, "}}")) {
                        *ret_end = end + strlen("}}");
                        return v;
                }
        }
        return NULL;
}

int template_check(const char *text, const TemplateValue *values, unsigned *ret_line) {
        unsigned line = 1, n = 0;

        for (const char *s = text, *end; *s; s = end) {
                end = s + 1;
                line += *s == '\n';
                if (str_skip_prefix(s, "{{") &&
                    (!find_value(s, values, &end) || ++n > TEMPLATE_PLACEHOLDERS_MAX)) {
                        *ret_line = line;
                        return -EINVAL;
                }
        }
        return 0;
}

static void put(Filling *f, const char *s, size_t n) {
        if (f->to)
                memcpy(f->to + f->n, s, n);
        f->n += n;
}

static const char *html_entity(char c) {
        switch (c) {
        case '&':
                return "&amp;";
        case '<':
                return "&lt;";
        case '>':
                return "&gt;";
        case '"':
                return "&quot;";
        case '\'':
                return "&#39;";
        default:
                return NULL;
        }
}

static void put_value(Filling *f, const char *value, bool html) {
        size_t n = strnlen(value, TEMPLATE_VALUE_BYTES_MAX);

        for (size_t i = 0; i < n; i++) {
                const char *entity = html ? html_entity(value[i]) : NULL;

                if (entity)
                        put(f, entity, strlen(entity));
                else
                        put(f, value + i, 1);
        }
}

static void put_all(Filling *f, const char *text, const TemplateValue *values, bool html) {
        const char *s;

        while ((s = strstr(text, "{{"))) {
                const char *end = s + 1;
                const TemplateValue *v = find_value(s, values, &end);

                put(f, text, (size_t) ((v ? s : end) - text));
                if (v)
                        put_value(f, v->value, html);
                text = end;
        }
        put(f, text, strlen(text) + 1);
}

char *template_fill(const char *text, const TemplateValue *values, bool html) {
        Filling f = {};

        put_all(&f, text, values, html);
        f.to = malloc(f.n);
        if (!f.to)
                return NULL;
        f.n = 0;
        put_all(&f, text, values, html);
        return f.to;
}
