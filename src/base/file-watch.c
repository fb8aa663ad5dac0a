/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file-watch.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>

static FileStamp stamp_of(const char *file) {
        struct stat st;

        if (!file || stat(file, &st) < 0)
                return (FileStamp){};
        return (FileStamp) {
                .device = st.st_dev,
                .inode = st.st_ino,
                .size = st.st_size,
                .modified = st.st_mtim,
                .changed = st.st_ctim,
        };
}

static bool time_equal(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool stamp_equal(const FileStamp *a, const FileStamp *b) {
        return a->device == b->device && a->inode == b->inode && a->size == b->size &&
               time_equal(&a->modified, &b->modified) && time_equal(&a->changed, &b->changed);
}

void file_watch_use(FileWatch *w, const char *file) {
        w->used = w->seen = stamp_of(file);
}

int file_watch_look(FileWatch *w, const char *file) {
        FileStamp now = stamp_of(file);
        bool settled = stamp_equal(&now, &w->seen);

        w->seen = now;
        return !settled ? -EAGAIN : !stamp_equal(&now, &w->used);
}
