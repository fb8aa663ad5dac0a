/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>

#include "base/human.h"
#include "base/str.h"
#include "client/below.h"
#include "client/url-escape.h"
#include "proto/template.h"

typedef struct Entry {
        char *name; /* owned */
        bool is_folder;
        uint64_t size;
        time_t modified;
} Entry;

typedef struct Listing {
        Entry *entries; /* owned, n of them */
        size_t n;
        bool is_cut; /* there are more */
} Listing;

static void listing_done(Listing *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->entries[i].name);
        free(l->entries);
}

/* A link may lead out of the root. */
static bool follow_link(const char *root, const char *path, const char *name, struct stat *ret) {
        char full[PATH_MAX];
        _cleanup_close_ int fd = -1;

        if (snprintf(full, sizeof(full), "%s%s", path, name) >= (int) sizeof(full))
                return false;
        fd = below_open(root, full, O_PATH);
        return fd >= 0 && fstat(fd, ret) >= 0;
}

static int listing_add(Listing *l, const char *name, const struct stat *st) {
        Entry *entries = reallocarray(l->entries, l->n + 1, sizeof(Entry));

        if (!entries)
                return -1;
        l->entries = entries;
        entries[l->n] = (Entry) {
                .name = strdup(name),
                .is_folder = S_ISDIR(st->st_mode),
                .size = (uint64_t) st->st_size,
                .modified = st->st_mtime,
        };
        if (!entries[l->n].name)
                return -1;
        l->n++;
        return 0;
}

/* What is hidden, no file or folder, or a link that leads out isn't shown. */
static int listing_look_at(Listing *l, int folder, const char *root, const char *path, const char *name) {
        struct stat st;

        if (*name == '.' || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            (S_ISLNK(st.st_mode) && !follow_link(root, path, name, &st)))
                return 0;
        return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? listing_add(l, name, &st) : 0;
}

static int listing_read(Listing *l, const char *root, const char *path) {
        int fd = below_open(root, path, O_RDONLY | O_DIRECTORY), r = 0;
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *e;

        if (!folder) {
                safe_close(fd);
                return -1;
        }
        for (unsigned n = 0; r >= 0 && !l->is_cut && (e = readdir(folder)); n++)
                if (n == LISTING_ENTRIES_MAX)
                        l->is_cut = true;
                else
                        r = listing_look_at(l, dirfd(folder), root, path, e->d_name);
        closedir(folder);
        return r;
}

/* Folders first. */
static int compare_entries(const void *a, const void *b) {
        const Entry *x = a, *y = b;

        return x->is_folder != y->is_folder ? y->is_folder - x->is_folder : strcmp(x->name, y->name);
}

/* Owns TEXT, or NULL. */
static void print(FILE *f, char *text) {
        if (text)
                fputs(text, f);
        free(text);
}

static void print_entry(FILE *f, const Entry *e) {
        static const char row[] =
                "<tr><td><a href=\"{{url}}{{slash}}\">{{name}}{{slash}}</a></td><td>{{size}}</td>"
                "<td>{{when}}</td></tr>\n";
        _cleanup_free_ char *url = url_escape(e->name);
        char size[HUMAN_TEXT_MAX] = "", when[32] = "";
        const TemplateValue values[] = {
                { "url", url },      { "slash", e->is_folder ? "/" : "" },
                { "name", e->name }, { "size", size },
                { "when", when },    {},
        };
        struct tm tm;

        if (!url)
                return;
        if (!e->is_folder)
                human_bytes(e->size, size);
        if (gmtime_r(&e->modified, &tm))
                (void) strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
        print(f, template_fill(row, values, true));
}

static void print_page(FILE *f, const Listing *l, const char *path) {
        static const char head[] =
                "<!DOCTYPE html>\n"
                "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>/{{path}}</title>\n"
                "<meta name=\"viewport\" content=\"width=device-width\">\n"
                "<meta name=\"color-scheme\" content=\"light dark\">\n"
                "<style>body{font:16px/1.5 system-ui,sans-serif;margin:2em}h1{font-size:1.2em}"
                "td{padding-right:2em}td+td{color:gray;white-space:nowrap}</style></head>\n"
                "<body><h1>/{{path}}</h1>\n<table>\n";
        const TemplateValue values[] = { { "path", path }, {} };

        print(f, template_fill(head, values, true));
        if (*path)
                fputs("<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n", f);
        for (size_t i = 0; i < l->n; i++)
                print_entry(f, &l->entries[i]);
        fputs("</table>\n", f);
        if (l->is_cut)
                fputs("<p>There are more.</p>\n", f);
        fputs("</body></html>\n", f);
}

char *listing_new(const char *root, const char *path) {
        _cleanup_(listing_done) Listing l = {};
        char *text = NULL;
        size_t n;
        FILE *f;

        if (listing_read(&l, root, path) < 0)
                return NULL;
        if (l.n > 0)
                qsort(l.entries, l.n, sizeof(Entry), compare_entries);
        f = open_memstream(&text, &n);
        if (!f)
                return NULL;
        print_page(f, &l, path);
        if (fclose(f) == 0)
                return text;
        free(text);
        return NULL;
}
