/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The log: the journal natively when stderr is connected to it, else stderr, a file or nothing. Any
 * thread. Base, proto and net log at debug level only; server and client log once, where a failure is
 * dealt with. A token, a password, a ClientId or a body never goes here. */

#include <stdbool.h>
#include <syslog.h>

#include "base/macro.h"

/* A journal field beside the message, e.g. { "PGROK_TUNNEL", url }. A value of NULL is left out. */
typedef struct LogField {
        const char *name;  /* borrowed */
        const char *value; /* borrowed */
} LogField;

/* Says where the log goes: NULL finds the journal or stderr, "stdout", "none", else the path of a file to
 * append to. IDENTIFIER (borrowed for ever) names the program. Returns 0 or the negative errno of opening
 * the file. */
int log_open(const char *identifier, const char *target);
void log_close(void);

/* While it is set, FN is told each message, escaped, and nothing is written to a terminal; NULL: as before.
 * FN is called on any thread, one call at a time, and must not log. */
typedef void (*LogFn)(int level, const char *message, void *userdata);
void log_divert(LogFn fn, void *userdata);

/* Messages above LEVEL (LOG_ERR … LOG_DEBUG) are dropped. The default is LOG_INFO. */
void log_set_level(int level);
bool log_is_on(int level);

/* "error", "warning", "info", "debug", or ngrok's "DEBUG", "INFO", "WARNING", "ERROR". Returns the level or
 * -EINVAL. */
int log_level_from_string(const char *s);

/* One message with FIELDS, which end with an empty one, or are NULL. Control characters are escaped. In the
 * journal PGROK_EVENT brings a MESSAGE_ID with it (base/message-id.h). */
void log_struct(int level, const LogField *fields, const char *format, ...) _printf_(3, 4);

#define LOG_FIELDS(...) ((const LogField[]){ __VA_ARGS__, { NULL, NULL } })

#define log_full(level, ...) (log_is_on(level) ? log_struct((level), NULL, __VA_ARGS__) : (void) 0)
#define log_error(...) log_full(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_full(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_full(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_full(LOG_DEBUG, __VA_ARGS__)
