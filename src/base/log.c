/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/message-id.h"
#include "base/parse.h"
#include "base/str.h"

#define LOG_FIELDS_MAX 24
#define LOG_LINE_MAX 4096

typedef enum LogTarget { LOG_TO_STDERR, LOG_TO_JOURNAL, LOG_TO_FILE, LOG_TO_NOTHING } LogTarget;

static atomic_int log_level = LOG_INFO;

/* Set by log_open() before there are threads. */
static struct {
        LogTarget target;
        const char *identifier;
        int fd;           /* owned when the target is a file */
        bool on_terminal; /* a person reads it: no priority prefix */
} log_state = { .fd = STDERR_FILENO };

/* Who is told as well. */
static struct {
        pthread_mutex_t lock;
        LogFn fn; /* or NULL */
        void *userdata;
} log_diversion = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* systemd sets JOURNAL_STREAM to "DEVICE:INODE" of the socket it gave us as stderr. A child may have
 * inherited the variable but not the socket. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
                return false;
        return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

int log_open(const char *identifier, const char *target) {
        int fd = STDERR_FILENO;
        LogTarget kind = LOG_TO_STDERR;

        if (!target)
                kind = stderr_is_journal() ? LOG_TO_JOURNAL : LOG_TO_STDERR;
        else if (streq(target, "none"))
                kind = LOG_TO_NOTHING;
        else if (streq(target, "stdout"))
                fd = STDOUT_FILENO;
        else {
                fd = open(target, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
                if (fd < 0)
                        return -errno;
                kind = LOG_TO_FILE;
        }
        log_close();
        log_state.target = kind;
        log_state.identifier = identifier;
        log_state.fd = fd;
        log_state.on_terminal = kind == LOG_TO_STDERR && isatty(fd);
        return 0;
}

void log_divert(LogFn fn, void *userdata) {
        pthread_mutex_lock(&log_diversion.lock);
        log_diversion.fn = fn;
        log_diversion.userdata = userdata;
        pthread_mutex_unlock(&log_diversion.lock);
}

/* Returns whether a terminal is not to be written to. */
static bool divert(int level, const char *message) {
        bool diverted;

        pthread_mutex_lock(&log_diversion.lock);
        diverted = log_diversion.fn;
        if (diverted)
                log_diversion.fn(level, message, log_diversion.userdata);
        pthread_mutex_unlock(&log_diversion.lock);
        return diverted && log_state.on_terminal;
}

void log_close(void) {
        if (log_state.target == LOG_TO_FILE)
                safe_close(log_state.fd);
        log_state.target = LOG_TO_STDERR;
        log_state.fd = STDERR_FILENO;
}

void log_set_level(int level) {
        atomic_store_explicit(&log_level, level, memory_order_relaxed);
}

bool log_is_on(int level) {
        return level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

int log_level_from_string(const char *s) {
        static const struct {
                const char *name;
                int level;
        } levels[] = {
                { "error", LOG_ERR },
                { "warning", LOG_WARNING },
                { "info", LOG_INFO },
                { "debug", LOG_DEBUG },
        };

        for (size_t i = 0; i < ELEMENTSOF(levels); i++)
                if (str_equal_nocase(s, strlen(s), levels[i].name))
                        return levels[i].level;
        return -EINVAL;
}

/* Of what FIELDS call the event, or NULL. */
static const char *find_message_id(const LogField *fields) {
        for (; fields && fields->name; fields++)
                if (streq(fields->name, "PGROK_EVENT") && fields->value)
                        return message_id_find(fields->value);
        return NULL;
}

static void log_to_journal(int level, const LogField *fields, const char *message) {
        const char *message_id = find_message_id(fields);
        char *owned[LOG_FIELDS_MAX] = {};
        struct iovec iov[LOG_FIELDS_MAX];
        int n = 0;

        owned[n++] = str_format("MESSAGE=%s", message);
        owned[n++] = str_format("PRIORITY=%i", level);
        owned[n++] = str_format("SYSLOG_IDENTIFIER=%s", log_state.identifier);
        if (message_id)
                owned[n++] = str_format("MESSAGE_ID=%s", message_id);
        for (; fields && fields->name && n < LOG_FIELDS_MAX; fields++)
                if (fields->value)
                        owned[n++] = str_format("%s=%s", fields->name, fields->value);
        for (int i = 0; i < n; i++) {
                const char *field = owned[i] ? owned[i] : "MESSAGE=";

                iov[i] = (struct iovec){ .iov_base = (void*) field, .iov_len = strlen(field) };
        }
        (void) sd_journal_sendv(iov, n); /* nowhere to report that the log is lost */
        for (int i = 0; i < n; i++)
                free(owned[i]);
}

/* One write(2), so that lines of several threads don't mix. */
static void log_to_fd(int level, const char *message) {
        char line[LOG_LINE_MAX], prefix[64] = "";
        int n;

        if (log_state.target == LOG_TO_FILE) {
                time_t now = time(NULL);
                struct tm tm;

                strftime(prefix, sizeof(prefix), "%Y-%m-%dT%H:%M:%SZ ", gmtime_r(&now, &tm));
        } else if (!log_state.on_terminal)
                snprintf(prefix, sizeof(prefix), "<%i>", level);
        n = snprintf(line, sizeof(line), "%s%s: %s\n", prefix, log_state.identifier, message);
        if (n < 0)
                return;
        if ((size_t) n >= sizeof(line)) {
                n = sizeof(line) - 1;
                line[n - 1] = '\n';
        }
        (void) !write(log_state.fd, line, (size_t) n);
}

void log_struct(int level, const LogField *fields, const char *format, ...) {
        _cleanup_free_ char *message = NULL, *escaped = NULL;
        va_list ap;
        int n;

        if (!log_is_on(level) || log_state.target == LOG_TO_NOTHING)
                return;
        va_start(ap, format);
        n = vasprintf(&message, format, ap);
        va_end(ap);
        if (n < 0) {
                message = NULL;
                return;
        }
        escaped = str_escape(message, (size_t) n);
        if (!escaped)
                return;
        if (divert(level, escaped))
                return;
        if (log_state.target == LOG_TO_JOURNAL)
                log_to_journal(level, fields, escaped);
        else
                log_to_fd(level, escaped);
}
