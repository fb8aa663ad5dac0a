/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/curses-library.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

static const struct {
        const char *name;
        size_t offset; /* in CursesLibrary */
} symbols[] = {
#define FUNCTION(name) \
        { #name, offsetof(CursesLibrary, name) }
        FUNCTION(clearok),
        FUNCTION(curs_set),
        FUNCTION(del_curterm),
        FUNCTION(delscreen),
        FUNCTION(endwin),
        FUNCTION(has_colors),
        FUNCTION(init_pair),
        FUNCTION(newterm),
        FUNCTION(resizeterm),
        FUNCTION(set_curterm),
        FUNCTION(setupterm),
        FUNCTION(start_color),
        FUNCTION(tigetstr),
        FUNCTION(use_default_colors),
        FUNCTION(waddnwstr),
        FUNCTION(wattr_set),
        FUNCTION(werase),
        FUNCTION(wmove),
        FUNCTION(wrefresh),
#undef FUNCTION
        { "stdscr", offsetof(CursesLibrary, window) },
};

int curses_load(CursesLibrary *ret) {
        void *library = dlopen(CURSES_LIBRARY_FILE, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        CursesLibrary c = {};

        if (!library)
                return -ENOENT;
        for (size_t i = 0; i < ELEMENTSOF(symbols); i++) {
                void *symbol = dlsym(library, symbols[i].name); /* or in libtinfo, which comes with it */

                if (!symbol)
                        return -ENOENT;
                memcpy((char*) &c + symbols[i].offset, &symbol, sizeof(symbol));
        }
        *ret = c;
        return 0;
}
