/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/inspector-files.h"

#include "base/str.h"

/* The assembler takes them in as they are. INSPECTOR_FOLDER comes from the Makefile, which knows that this
 * depends on them. */
#define EMBED(name, file)                                                     \
        extern const char name[], name##_end[];                               \
        __asm__(".section .rodata\n"                                          \
                ".global " #name ", " #name "_end\n"                          \
                ".hidden " #name ", " #name "_end\n" #name ":\n"              \
                ".incbin \"" INSPECTOR_FOLDER "/" file "\"\n" #name "_end:\n" \
                ".previous\n")

EMBED(inspector_page, "index.html");
EMBED(inspector_style, "style.css");
EMBED(inspector_script, "app.js");
EMBED(inspector_icon, "icon.svg");

static const InspectorFile files[] = {
        { "/", "text/html; charset=utf-8", inspector_page, inspector_page_end },
        { "/style.css", "text/css; charset=utf-8", inspector_style, inspector_style_end },
        { "/app.js", "text/javascript; charset=utf-8", inspector_script, inspector_script_end },
        { "/icon.svg", "image/svg+xml", inspector_icon, inspector_icon_end },
};

const InspectorFile *inspector_file_find(const char *path) {
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                if (streq(files[i].path, path))
                        return &files[i];
        return NULL;
}
