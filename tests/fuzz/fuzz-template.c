/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A page that somebody has written. */
#include "fuzz.h"

#include <string.h>

#include "base/macro.h"
#include "proto/template.h"

#define PAGE_BYTES_MAX 4096

static void check_filled(const char *page, const TemplateValue *values, bool html) {
        char *text = template_fill(page, values, html);

        must(text);
        must(strlen(text) <=
             strlen(page) + TEMPLATE_PLACEHOLDERS_MAX * strlen(values[1].value) * strlen("&quot;"));
        must(!html || !strstr(text, "<sly>") || strstr(page, "<sly>"));
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const TemplateValue values[] = { { "a", "1" }, { "ab", "<sly> & {{a}}" }, {} };
        char page[PAGE_BYTES_MAX + 1];
        unsigned line = 0;

        size = MIN(size, (size_t) PAGE_BYTES_MAX);
        memcpy(page, data, size);
        page[size] = '\0';
        if (template_check(page, values, &line) < 0)
                must(line > 0 && line <= size + 1);
        else {
                check_filled(page, values, true);
                check_filled(page, values, false);
        }
        return 0;
}
