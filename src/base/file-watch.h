/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Notices that a file has another version, by looking at it from time to time: also when it was renamed into
 * its place, or lies behind a symlink. Of a folder, that any file in it has. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/macro.h"

/* What tells versions of a file apart. */
typedef struct FileStamp {
        dev_t device;
        ino_t inode; /* 0: there is no file */
        off_t size;
        struct timespec modified, changed;
        uint64_t inside; /* of a folder: all that is in it, in any order */
} FileStamp;

/* Embedded; zeroed: a file that isn't there. */
typedef struct FileWatch {
        FileStamp used, seen;
} FileWatch;

/* The version that is there now is about to be read, for better or worse. FILE may be NULL: there is none. */
void file_watch_use(FileWatch *w, const char *file);

/* Returns 1 when there is another version than the one in use, and was already at the last look: whoever
 * writes into the file itself needs some time; -EAGAIN when it has changed since; else 0. */
int file_watch_look(FileWatch *w, const char *file);

/* Whether FILE is still the version in use. */
bool file_watch_is_used(const FileWatch *w, const char *file);
