/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file-watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define HASH_BEGIN UINT64_C(0xcbf29ce484222325) /* FNV-1a, of 64 bits */
#define HASH_PRIME UINT64_C(0x100000001b3)

static uint64_t hash_more(uint64_t hash, const void *data, size_t n) {
        const uint8_t *p = data;

        for (size_t i = 0; i < n; i++)
                hash = (hash ^ p[i]) * HASH_PRIME;
        return hash;
}

static uint64_t hash_entry(const char *name, const struct stat *st) {
        const int64_t values[] = { (int64_t) st->st_dev, (int64_t) st->st_ino, st->st_size,
                                   st->st_mtim.tv_sec,   st->st_mtim.tv_nsec,  st->st_ctim.tv_sec,
                                   st->st_ctim.tv_nsec };

        return hash_more(hash_more(HASH_BEGIN, name, strlen(name)), values, sizeof(values));
}

static uint64_t hash_folder(const char *path) {
        DIR *folder = opendir(path);
        uint64_t sum = 0;

        if (!folder)
                return 0;
        for (const struct dirent *e; (e = readdir(folder));) {
                struct stat st;

                if (e->d_name[0] != '.' && fstatat(dirfd(folder), e->d_name, &st, 0) == 0)
                        sum += hash_entry(e->d_name, &st);
        }
        closedir(folder);
        return sum;
}

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
                .inside = S_ISDIR(st.st_mode) ? hash_folder(file) : 0,
        };
}

static bool time_equal(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool stamp_equal(const FileStamp *a, const FileStamp *b) {
        return a->device == b->device && a->inode == b->inode && a->size == b->size &&
               a->inside == b->inside && time_equal(&a->modified, &b->modified) &&
               time_equal(&a->changed, &b->changed);
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

bool file_watch_is_used(const FileWatch *w, const char *file) {
        FileStamp now = stamp_of(file);

        return stamp_equal(&now, &w->used);
}
