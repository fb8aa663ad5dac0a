/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/error-pages.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/files.h"
#include "base/str.h"
#include "proto/http-status.h"
#include "proto/template.h"
#include "proto/utf8.h"

#define STATUS_MIN 400
#define STATUS_MAX 599

/* What pages may say. */
#define VALUES(status, phrase, reason, host)                                                                \
        {                                                                                                   \
                { "status", (status) }, { "phrase", (phrase) }, { "reason", (reason) }, { "host", (host) }, \
                {                                                                                           \
                }                                                                                           \
        }

struct ErrorPages {
        atomic_uint n_refs;
        char *pages[STATUS_MAX - STATUS_MIN + 1][2]; /* owned; text and HTML; NULL: the built-in one */
};

static const char built_in_text[] = "{{reason}}\n";

static const char built_in_html[] =
        "<!DOCTYPE html>\n"
        "<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n"
        "<title>{{status}} {{phrase}}</title>\n"
        "<style>:root { color-scheme: light dark } body { font: 1.1em/1.5 sans-serif; max-width: 36em; "
        "margin: 15vh auto; padding: 0 1em } h1 { font-size: 1.4em }</style></head>\n"
        "<body><h1>{{status}} {{phrase}}</h1>\n"
        "<p>{{reason}}</p>\n"
        "</body></html>\n";

static const char *const endings[2] = { "txt", "html" };

/* ---- a folder of pages ---- */

/* What is wrong with PAGE, of N bytes, or NULL if nothing is, or memory is out. */
static char *find_fault(const char *page, size_t n, const char *file) {
        static const TemplateValue names[] = VALUES("", "", "", "");
        unsigned line;

        if (!utf8_is_valid(page, n))
                return str_format("%s: is not a text in UTF-8", file);
        if (template_check(page, names, &line) < 0)
                return str_format(
                        "%s:%u: what is in {{}} may be status, phrase, reason or host, %u times at most",
                        file, line, TEMPLATE_PLACEHOLDERS_MAX);
        return NULL;
}

static int fault(ConfigList *faults, const char *file, int error) {
        if (error == -EFBIG)
                (void) config_list_take(
                        faults, str_format("%s: is larger than %u bytes", file, ERROR_PAGE_BYTES_MAX));
        else
                (void) config_list_take(
                        faults,
                        str_format("%s: %s", file, error == -EINVAL ? "is no file" : strerror(-error)));
        return -EINVAL;
}

/* Returns 0, also when there is no such file. */
static int read_page(const char *folder, unsigned status, bool html, char **ret, ConfigList *faults) {
        _cleanup_free_ char *file = str_format("%s/%u.%s", folder, status, endings[html]), *page = NULL;
        char *why;
        size_t n;
        int r = file ? files_read(file, ERROR_PAGE_BYTES_MAX, &page, &n) : -ENOMEM;

        if (r == -ENOENT || r == -ENOMEM)
                return r == -ENOENT ? 0 : r;
        if (r < 0)
                return fault(faults, file, r);
        why = find_fault(page, n, file);
        if (why) {
                (void) config_list_take(faults, why);
                return -EINVAL;
        }
        *ret = TAKE_PTR(page);
        return 0;
}

static int read_pages(ErrorPages *p, const char *folder, ConfigList *faults) {
        int result = access(folder, X_OK) < 0 ? fault(faults, folder, -errno) : 0;

        for (unsigned status = STATUS_MIN; status <= STATUS_MAX && result != -ENOMEM; status++)
                for (int html = 0; html < 2 && http_status_phrase(status); html++) {
                        int r = read_page(folder, status, html, &p->pages[status - STATUS_MIN][html], faults);

                        if (r < 0)
                                result = r;
                }
        return result;
}

/* ---- life ---- */

int error_pages_new(ErrorPages **ret, const char *folder, ConfigList *faults) {
        _cleanup_(error_pages_unrefp) ErrorPages *p = new0(ErrorPages, 1);
        int r;

        if (!p)
                return -ENOMEM;
        p->n_refs = 1;
        r = str_is_empty(folder) ? 0 : read_pages(p, folder, faults);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

ErrorPages *error_pages_ref(ErrorPages *p) {
        atomic_fetch_add(&p->n_refs, 1);
        return p;
}

ErrorPages *error_pages_unref(ErrorPages *p) {
        if (!p || atomic_fetch_sub(&p->n_refs, 1) > 1)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(p->pages); i++) {
                free(p->pages[i][false]);
                free(p->pages[i][true]);
        }
        free(p);
        return NULL;
}

/* ---- use ---- */

char *error_pages_fill(const ErrorPages *p, const ErrorPage *page) {
        const char *phrase = http_status_phrase(page->status), *text = NULL;
        char status[12];
        const TemplateValue values[] = VALUES(status, phrase ? phrase : "Error", page->reason, page->host);

        snprintf(status, sizeof(status), "%u", page->status);
        if (page->status >= STATUS_MIN && page->status <= STATUS_MAX)
                text = p->pages[page->status - STATUS_MIN][page->html];
        if (!text)
                text = page->html ? built_in_html : built_in_text;
        return template_fill(text, values, page->html);
}
