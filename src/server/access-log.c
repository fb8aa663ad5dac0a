/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/access-log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/str.h"

typedef enum Target { TARGET_OFF, TARGET_JOURNAL, TARGET_FILE } Target;

struct AccessLog {
        pthread_mutex_t lock;
        int fd; /* owned, under the lock; -1: there is no file */
        _Atomic Target target;
};

struct AccessEntry {
        AccessLogLine line; /* its texts are below */
        char text[];
};

static Target target_from_string(const char *s) {
        if (streq(s, ACCESS_LOG_OFF))
                return TARGET_OFF;
        return streq(s, ACCESS_LOG_JOURNAL) ? TARGET_JOURNAL : TARGET_FILE;
}

int access_log_new(AccessLog **ret, const char *target) {
        _cleanup_close_ int fd = -1;
        AccessLog *l;

        if (target_from_string(target) == TARGET_FILE) {
                fd = open(target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
                if (fd < 0)
                        return -errno;
        }
        l = new0(AccessLog, 1);
        if (!l)
                return -ENOMEM;
        pthread_mutex_init(&l->lock, NULL);
        l->fd = TAKE_FD(fd);
        l->target = target_from_string(target);
        *ret = l;
        return 0;
}

void access_log_replace(AccessLog *l, AccessLog *with) {
        int fd;

        pthread_mutex_lock(&l->lock);
        fd = l->fd;
        l->fd = with->fd;
        with->fd = fd;
        l->target = with->target;
        pthread_mutex_unlock(&l->lock);
        access_log_free(with);
}

AccessLog *access_log_free(AccessLog *l) {
        if (!l)
                return NULL;
        safe_close(l->fd);
        pthread_mutex_destroy(&l->lock);
        free(l);
        return NULL;
}

bool access_log_is_on(AccessLog *l) {
        return l->target != TARGET_OFF;
}

/* ---- entries ---- */

static HttpSlice find_value(const HttpHead *head, const char *name) {
        const HttpField *f = http_head_find(head, name);

        return f ? f->value : (HttpSlice){};
}

/* Copies S to *P, as much of it as is ever written. */
static HttpSlice keep(char **p, HttpSlice s, size_t max) {
        size_t n = MIN(s.length, max + 1); /* one more tells that it is cut */
        HttpSlice kept = { .data = *p, .length = n };

        if (n > 0)
                memcpy(*p, s.data, n);
        *p += n;
        return kept;
}

AccessEntry *access_entry_new(const HttpHead *request, const Ip *visitor) {
        HttpSlice referer = find_value(request, "Referer"), agent = find_value(request, "User-Agent");
        AccessEntry *e;
        char *p;

        e = malloc(sizeof(*e) + MIN(request->first_line.length, (size_t) ACCESS_LOG_REQUEST_BYTES_MAX + 1) +
                   MIN(referer.length, (size_t) ACCESS_LOG_TEXT_BYTES_MAX + 1) +
                   MIN(agent.length, (size_t) ACCESS_LOG_TEXT_BYTES_MAX + 1));
        if (!e)
                return NULL;
        p = e->text;
        e->line = (AccessLogLine) { .visitor = *visitor, .time_sec = time(NULL) };
        e->line.request = keep(&p, request->first_line, ACCESS_LOG_REQUEST_BYTES_MAX);
        e->line.referer = keep(&p, referer, ACCESS_LOG_TEXT_BYTES_MAX);
        e->line.user_agent = keep(&p, agent, ACCESS_LOG_TEXT_BYTES_MAX);
        return e;
}

/* ---- writing ---- */

static void write_line(AccessLog *l, const AccessLogLine *line) {
        char text[ACCESS_LOG_LINE_BYTES_MAX];
        size_t n = access_log_line_format(line, text);

        pthread_mutex_lock(&l->lock);
        if (l->fd >= 0 && write(l->fd, text, n) < 0)
                log_debug("Can't write to the access log: %s", strerror(errno));
        pthread_mutex_unlock(&l->lock);
}

static void write_journal(const AccessLogLine *line, uint64_t duration_usec, const char *tunnel) {
        char visitor[IP_TEXT_MAX], status[12], duration[24], n_bytes[24];
        HttpSlice request = line->request;

        snprintf(status, sizeof(status), "%u", line->status);
        snprintf(duration, sizeof(duration), "%llu", (unsigned long long) duration_usec);
        snprintf(n_bytes, sizeof(n_bytes), "%llu", (unsigned long long) line->n_bytes);
        while (request.length > 0 && (uint8_t) request.data[request.length - 1] < ' ')
                request.length--;
        log_struct(LOG_INFO,
                   LOG_FIELDS({ "PGROK_EVENT", "request" }, { "PGROK_TUNNEL", tunnel },
                              { "PGROK_VISITOR", ip_format(&line->visitor, visitor) },
                              { "PGROK_STATUS", status }, { "PGROK_DURATION_USEC", duration },
                              { "PGROK_BYTES_OUT", n_bytes }),
                   "%s \"%.*s\" %s %s", visitor,
                   (int) MIN(request.length, (size_t) ACCESS_LOG_REQUEST_BYTES_MAX), request.data, status,
                   n_bytes);
}

AccessEntry *access_entry_free(AccessEntry *entry) {
        free(entry);
        return NULL;
}

void access_log_write(AccessLog *l, AccessEntry *entry, unsigned status, uint64_t n_bytes,
                      uint64_t duration_usec, const char *tunnel) {
        if (!entry)
                return;
        entry->line.status = status;
        entry->line.n_bytes = n_bytes;
        entry->line.duration_usec = duration_usec;
        if (l->target == TARGET_FILE)
                write_line(l, &entry->line);
        else if (l->target == TARGET_JOURNAL)
                write_journal(&entry->line, duration_usec, tunnel);
        free(entry);
}
