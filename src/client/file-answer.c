/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/file-answer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/str.h"
#include "client/below.h"
#include "client/listing.h"
#include "client/url-escape.h"
#include "proto/http-date.h"
#include "proto/http-range.h"

#define HTML_TYPE "text/html; charset=utf-8"
#define ETAG_MAX 64
#define HEADERS_MAX 8

/* A page of ours loads nothing. */
#define PAGE_POLICY "default-src 'none'; style-src 'unsafe-inline'"

typedef struct FileView {
        int fd; /* owned */
        uint64_t size;
        char etag[ETAG_MAX];
        char modified[HTTP_DATE_MAX];
        int64_t modified_sec;
} FileView;

/* ---- short answers ---- */

static void answer_page(HttpExchange *x, unsigned status, const HttpHeader *headers, const char *title) {
        char *page = str_format(
                "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%u %s</title>"
                "</head>\n<body><h1>%u %s</h1></body></html>\n",
                status, title, status, title);

        http_exchange_answer(x, &(HttpAnswer) {
                                        .status = page ? status : 500,
                                        .content_type = page ? HTML_TYPE : NULL,
                                        .headers = headers,
                                        .body = page,
                                        .body_length = page ? strlen(page) : 0,
                                });
}

static void answer_error(HttpExchange *x, int error) {
        switch (error) {
        case -EACCES:
        case -EPERM:
                answer_page(x, 403, NULL, "Forbidden");
                break;
        case -ENOENT:
        case -ENOTDIR:
        case -EXDEV:
        case -ELOOP:
        case -EINVAL:
        case -ENAMETOOLONG:
                answer_page(x, 404, NULL, "Not Found");
                break;
        default:
                answer_page(x, 500, NULL, "Internal Server Error");
        }
}

/* ---- files ---- */

static void view_init(FileView *v, int fd, const struct stat *st) {
        *v = (FileView) { .fd = fd, .size = (uint64_t) st->st_size, .modified_sec = st->st_mtim.tv_sec };
        snprintf(v->etag, sizeof(v->etag), "\"%llx-%llx-%llx\"", (unsigned long long) st->st_ino,
                 (unsigned long long) st->st_size,
                 (unsigned long long) st->st_mtim.tv_sec * 1000000000ULL +
                         (unsigned long long) st->st_mtim.tv_nsec);
        http_date_format(v->modified_sec, v->modified);
}

/* RFC 9110 §13.2.2: a tag counts for more than a date. */
static bool is_unchanged(HttpExchange *x, const FileView *v) {
        const char *tags = http_exchange_header(x, "If-None-Match");
        const char *since = http_exchange_header(x, "If-Modified-Since");
        int64_t sec;

        if (tags)
                return streq(tags, "*") || strstr(tags, v->etag);
        return since && http_date_parse(since, &sec) >= 0 && v->modified_sec <= sec;
}

/* Whoever continues what was begun must continue the same. Returns as http_range_parse(). */
static int find_range(HttpExchange *x, const FileView *v, HttpRange *ret) {
        const char *condition = http_exchange_header(x, "If-Range");

        if (condition && !streq(condition, v->etag) && !streq(condition, v->modified))
                return 0;
        return http_range_parse(http_exchange_header(x, "Range"), v->size, ret);
}

/* Owns V's descriptor. */
static void answer_part(HttpExchange *x, const FileView *v, unsigned status, const char *type,
                        const HttpRange *part) {
        _cleanup_free_ char *place =
                status == 206 ? str_format("bytes %llu-%llu/%llu", (unsigned long long) part->first,
                                           (unsigned long long) (part->first + part->length - 1),
                                           (unsigned long long) v->size)
                              : NULL;
        const HttpHeader headers[HEADERS_MAX] = {
                { "ETag", v->etag },
                { "Last-Modified", v->modified },
                { "Cache-Control", "no-cache" },
                { "Accept-Ranges", "bytes" },
                { "X-Content-Type-Options", "nosniff" },
                { place ? "Content-Range" : NULL, place },
        };

        http_exchange_answer(x, &(HttpAnswer) {
                                        .status = status,
                                        .content_type = type,
                                        .headers = headers,
                                        .is_file = true,
                                        .file = v->fd,
                                        .file_offset = part->first,
                                        .body_length = part->length,
                                });
}

static void answer_outside(HttpExchange *x, const FileView *v) {
        _cleanup_free_ char *size = str_format("bytes */%llu", (unsigned long long) v->size);
        const HttpHeader headers[] = { { size ? "Content-Range" : NULL, size }, {} };

        safe_close(v->fd);
        answer_page(x, 416, headers, "Range Not Satisfiable");
}

/* Owns FD. */
static void answer_file(HttpExchange *x, int fd, const struct stat *st, const char *type) {
        HttpRange part = { .length = (uint64_t) st->st_size };
        FileView v;
        int r;

        view_init(&v, fd, st);
        if (is_unchanged(x, &v)) {
                answer_part(x, &v, 304, NULL, &part);
                return;
        }
        r = find_range(x, &v, &part);
        if (r == -ERANGE)
                answer_outside(x, &v);
        else
                answer_part(x, &v, r > 0 ? 206 : 200, type, &part);
}

/* ---- folders ---- */

static void answer_listing(HttpExchange *x, const char *root, const char *path) {
        static const HttpHeader headers[] = { { "Content-Security-Policy", PAGE_POLICY },
                                              { "Cache-Control", "no-cache" },
                                              {} };
        char *page = listing_new(root, path);

        if (page)
                http_exchange_answer(x, &(HttpAnswer) {
                                                .status = 200,
                                                .content_type = HTML_TYPE,
                                                .headers = headers,
                                                .body = page,
                                                .body_length = strlen(page),
                                        });
        else
                answer_page(x, 403, NULL, "Forbidden");
}

static void answer_folder(HttpExchange *x, const char *root, const char *path, const MimeTypes *types) {
        _cleanup_free_ char *index = str_format("%sindex.html", path);
        char type[MIME_TYPE_MAX];
        struct stat st;
        int fd = index ? below_open(root, index, O_RDONLY) : -ENOMEM;

        if (fd >= 0 && fstat(fd, &st) >= 0 && S_ISREG(st.st_mode))
                answer_file(x, fd, &st, mime_type_of(types, index, type));
        else {
                if (fd >= 0)
                        safe_close(fd);
                answer_listing(x, root, path);
        }
}

/* So that what its page names is looked for below it. Relative: a path that begins with two slashes would be
 * a host. */
static void answer_with_slash(HttpExchange *x, const char *path) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *name = url_escape(slash ? slash + 1 : path);
        _cleanup_free_ char *location = name ? str_format("./%s/", name) : NULL;
        const HttpHeader headers[] = { { location ? "Location" : NULL, location }, {} };

        answer_page(x, 301, headers, "Moved Permanently");
}

/* ---- a request ---- */

/* Is a segment of PATH hidden, or ".."? */
static bool is_hidden(const char *path) {
        static const char well_known[] = ".well-known";

        for (const char *p = path; *p; p += *p == '/') {
                size_t n = strcspn(p, "/");

                if (*p == '.' && !(p == path && n == strlen(well_known) && memcmp(p, well_known, n) == 0))
                        return true;
                p += n;
        }
        return false;
}

/* Owns FD. */
static void answer_opened(HttpExchange *x, int fd, const char *root, const char *path,
                          const MimeTypes *types) {
        bool has_slash = *path == '\0' || str_has_suffix(path, "/");
        char type[MIME_TYPE_MAX];
        struct stat st = {};

        if (fstat(fd, &st) >= 0 && S_ISREG(st.st_mode) && !has_slash) {
                answer_file(x, fd, &st, mime_type_of(types, path, type));
                return;
        }
        safe_close(fd);
        if (!S_ISDIR(st.st_mode))
                answer_error(x, -ENOENT);
        else if (has_slash)
                answer_folder(x, root, path, types);
        else
                answer_with_slash(x, path);
}

void file_answer(HttpExchange *x, const HttpRequest *r, const char *root, const MimeTypes *types) {
        static const HttpHeader allow[] = { { "Allow", "GET, HEAD" }, {} };
        const char *path = r->path + strspn(r->path, "/");
        int fd;

        if (!streq(r->method, "GET")) {
                answer_page(x, 405, allow, "Method Not Allowed");
                return;
        }
        fd = is_hidden(path) ? -ENOENT : below_open(root, path, O_RDONLY);
        if (fd < 0)
                answer_error(x, fd);
        else
                answer_opened(x, fd, root, path, types);
}
