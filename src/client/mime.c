/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/mime.h"

#include "base/files.h"
#include "base/str.h"

#define MIME_FILE "/etc/mime.types"
#define MIME_FILE_BYTES_MAX (1024 * 1024)
#define BLANKS " \t"

struct MimeTypes {
        char *text; /* owned: the file, or NULL */
};

static const struct {
        const char *suffix, *type;
} common[] = {
        { "avif", "image/avif" },
        { "css", "text/css" },
        { "csv", "text/csv" },
        { "gif", "image/gif" },
        { "htm", "text/html" },
        { "html", "text/html" },
        { "ico", "image/vnd.microsoft.icon" },
        { "jpeg", "image/jpeg" },
        { "jpg", "image/jpeg" },
        { "js", "text/javascript" },
        { "json", "application/json" },
        { "map", "application/json" },
        { "md", "text/markdown" },
        { "mjs", "text/javascript" },
        { "mp3", "audio/mpeg" },
        { "mp4", "video/mp4" },
        { "pdf", "application/pdf" },
        { "png", "image/png" },
        { "svg", "image/svg+xml" },
        { "txt", "text/plain" },
        { "wasm", "application/wasm" },
        { "webm", "video/webm" },
        { "webmanifest", "application/manifest+json" },
        { "webp", "image/webp" },
        { "woff", "font/woff" },
        { "woff2", "font/woff2" },
        { "xml", "text/xml" },
        { "zip", "application/zip" },
};

MimeTypes *mime_types_new(void) {
        MimeTypes *m = new0(MimeTypes, 1);
        size_t n;

        if (m)
                (void) files_read(MIME_FILE, MIME_FILE_BYTES_MAX, &m->text, &n);
        return m;
}

MimeTypes *mime_types_free(MimeTypes *m) {
        if (!m)
                return NULL;
        free(m->text);
        free(m);
        return NULL;
}

/* Does a line "type suffix suffix…", which ends with '\n' or NUL, name SUFFIX? */
static bool line_has(const char *line, const char *suffix) {
        const char *p = line + strcspn(line, BLANKS "\n");

        for (;;) {
                size_t n;

                p += strspn(p, BLANKS);
                n = strcspn(p, BLANKS "\n");
                if (n == 0)
                        return false;
                if (str_equal_nocase(p, n, suffix))
                        return true;
                p += n;
        }
}

/* The length of the type in *RET_TYPE, or 0. */
static size_t find_type(const MimeTypes *m, const char *suffix, const char **ret_type) {
        for (size_t i = 0; i < ELEMENTSOF(common); i++)
                if (str_equal_nocase(suffix, strlen(suffix), common[i].suffix)) {
                        *ret_type = common[i].type;
                        return strlen(common[i].type);
                }
        for (const char *line = m->text; line && *line; line += *line == '\n') {
                if (*line != '#' && line_has(line, suffix)) {
                        *ret_type = line;
                        return strcspn(line, BLANKS "\n");
                }
                line += strcspn(line, "\n");
        }
        return 0;
}

const char *mime_type_of(const MimeTypes *m, const char *name, char ret[static MIME_TYPE_MAX]) {
        const char *dot = strrchr(name, '.'), *type = "application/octet-stream";
        size_t n = dot && dot[1] ? find_type(m, dot + 1, &type) : 0;

        if (n == 0 || n > MIME_TYPE_MAX / 2)
                snprintf(ret, MIME_TYPE_MAX, "application/octet-stream");
        else
                snprintf(ret, MIME_TYPE_MAX, "%.*s%s", (int) n, type,
                         str_skip_prefix(type, "text/") ? "; charset=utf-8" : "");
        return ret;
}
