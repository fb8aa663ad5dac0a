/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where requests are logged: nowhere, in the journal, or in a file that others may rotate. Any thread; the
 * file is locked by itself. An entry is what is known of a request before it is answered. */

#include "proto/access-log-line.h"
#include "proto/http-head.h"

typedef struct AccessLog AccessLog;
typedef struct AccessEntry AccessEntry;

#define ACCESS_LOG_OFF "off"
#define ACCESS_LOG_JOURNAL "journal"

/* TARGET: one of those, or a file's path, which is opened to append. Returns 0 or a negative errno. */
int access_log_new(AccessLog **ret, const char *target);

/* From now on L goes where WITH goes, which it takes: for a reload, and for a file that was moved away. */
void access_log_replace(AccessLog *l, AccessLog *with);

/* Takes NULL; returns NULL. */
AccessLog *access_log_free(AccessLog *l);

bool access_log_is_on(AccessLog *l);

/* What is to be said of REQUEST once it is answered, owned by the caller, or NULL when memory is out. */
AccessEntry *access_entry_new(const HttpHead *request, const Ip *visitor);

/* Another process answers. Takes NULL; returns NULL. */
AccessEntry *access_entry_free(AccessEntry *entry);

/* Logs and frees ENTRY (or NULL). N_BYTES: of the body. TUNNEL: its URL, or NULL. */
void access_log_write(AccessLog *l, AccessEntry *entry, unsigned status, uint64_t n_bytes,
                      uint64_t duration_usec, const char *tunnel);
