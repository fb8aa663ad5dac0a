/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/painter.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "base/str.h"
#include "client/curses-library.h"

/* ncurses writes to what it takes for the terminal, a file in memory, and waits for nothing. It begins a
 * screen with the first refresh, and with the first one after endwin(). */

struct Painter {
        CursesLibrary curses;
        SCREEN *screen; /* owned */
        FILE *file;     /* owned: of ncurses' output */
        bool has_colors;
        char *leave; /* owned */
        size_t n_leave;
        char *output; /* owned: the latest */
};

/* Takes what ncurses has written. Returns its length or a negative errno. */
static ssize_t take_output(Painter *p) {
        int fd = fileno(p->file);
        off_t n = lseek(fd, 0, SEEK_CUR);
        char *output = malloc((size_t) MAX(n, (off_t) 1));

        if (!output)
                return -ENOMEM;
        free(p->output);
        p->output = output;
        if (n < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        return pread(fd, p->output, (size_t) n, 0) == n ? n : -EIO;
}

static void init_colors(Painter *p) {
        static const struct {
                Style style;
                short color;
        } pairs[] = {
                { STYLE_GOOD, COLOR_GREEN },
                { STYLE_NOTE, COLOR_CYAN },
                { STYLE_WARNING, COLOR_YELLOW },
                { STYLE_BAD, COLOR_RED },
        };
        CursesLibrary *c = &p->curses;

        p->has_colors = str_is_empty(getenv("NO_COLOR")) && c->has_colors() && c->start_color() == OK &&
                        c->use_default_colors() == OK;
        for (size_t i = 0; i < ELEMENTSOF(pairs) && p->has_colors; i++)
                (void) c->init_pair((short) pairs[i].style, pairs[i].color, -1);
}

/* What ncurses ends a fresh screen with, and before it what takes styles back. */
static int learn_leave(Painter *p) {
        const char *plain = p->curses.tigetstr("sgr0");
        ssize_t n;

        (void) p->curses.curs_set(0);
        (void) take_output(p);
        (void) p->curses.endwin();
        n = take_output(p);
        if (n < 0)
                return (int) n;
        if (!plain || plain == (char *) -1)
                plain = "";
        p->leave = str_format("%s%.*s", plain, (int) n, p->output);
        if (!p->leave)
                return -ENOMEM;
        p->n_leave = strlen(p->leave);
        return 0;
}

/* ncurses takes signals that have their default action. None is for it. */
static SCREEN *new_terminal(Painter *p) {
        static const int numbers[] = { SIGINT, SIGTERM, SIGTSTP, SIGWINCH };
        struct sigaction before[ELEMENTSOF(numbers)], ignore = { .sa_handler = SIG_IGN };
        SCREEN *screen;

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                (void) sigaction(numbers[i], &ignore, &before[i]);
        screen = p->curses.newterm(NULL, p->file, stdin);
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                (void) sigaction(numbers[i], &before[i], NULL);
        return screen;
}

/* Can the terminal that TERM names show a screen? newterm() doesn't say, or loses memory when it does. */
static bool is_screen(Painter *p) {
        const char *move;
        int error;
        bool is;

        if (p->curses.setupterm(NULL, fileno(p->file), &error) != OK)
                return false;
        move = p->curses.tigetstr("cup");
        is = move && move != (char *) -1;
        (void) p->curses.del_curterm(p->curses.set_curterm(NULL));
        return is;
}

static int painter_init(Painter *p) {
        int fd, r = curses_load(&p->curses);

        if (r < 0)
                return r;
        fd = memfd_create("screen", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        p->file = fdopen(fd, "w+");
        if (!p->file) {
                safe_close(fd);
                return -errno;
        }
        if (is_screen(p))
                p->screen = new_terminal(p);
        if (!p->screen)
                return -ENOENT;
        init_colors(p);
        return learn_leave(p);
}

int painter_new(Painter **ret) {
        Painter *p = new0(Painter, 1);
        int r = p ? painter_init(p) : -ENOMEM;

        if (r < 0)
                painter_free(p);
        else
                *ret = p;
        return r;
}

static void set_style(Painter *p, Style style) {
        static const attr_t attributes[STYLE_MAX] = {
                [STYLE_DIM] = WA_DIM,
                [STYLE_BOLD] = WA_BOLD,
        };
        bool is_colored = p->has_colors && style >= STYLE_GOOD;

        (void) p->curses.wattr_set(*p->curses.window, attributes[style], (short) (is_colored ? style : 0),
                                   NULL);
}

/* Runs of one style in one go. */
static void paint_row(Painter *p, const Canvas *c, unsigned row) {
        const Cell *cells = c->cells + (size_t) row * c->width;
        wchar_t text[CANVAS_WIDTH_MAX];
        int n = 0;

        (void) p->curses.wmove(*p->curses.window, (int) row, 0);
        for (unsigned i = 0; i < c->width; i++) {
                if (cells[i].character)
                        text[n++] = cells[i].character;
                if (i + 1 == c->width || cells[i + 1].style != cells[i].style) {
                        set_style(p, cells[i].style);
                        (void) p->curses.waddnwstr(*p->curses.window, text, n);
                        n = 0;
                }
        }
}

ssize_t painter_paint(Painter *p, const Canvas *c, bool anew, const char **ret) {
        CursesLibrary *curses = &p->curses;
        ssize_t n;

        if (anew) {
                (void) curses->resizeterm((int) c->height, (int) c->width);
                (void) curses->clearok(*curses->window, TRUE);
        }
        (void) curses->werase(*curses->window);
        for (unsigned row = 0; row < c->height; row++)
                paint_row(p, c, row);
        (void) curses->wrefresh(*curses->window);
        n = take_output(p);
        *ret = p->output;
        return n;
}

const char *painter_leave(const Painter *p, size_t *ret_n) {
        *ret_n = p->n_leave;
        return p->leave;
}

void painter_pause(Painter *p) {
        (void) p->curses.endwin();
        (void) take_output(p);
}

Painter *painter_free(Painter *p) {
        if (!p)
                return NULL;
        if (p->screen) {
                (void) p->curses.endwin();
                p->curses.delscreen(p->screen);
        }
        if (p->file)
                fclose(p->file);
        free(p->leave);
        free(p->output);
        free(p);
        return NULL;
}
