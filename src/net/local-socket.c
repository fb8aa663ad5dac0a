/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/local-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/macro.h"
#include "base/str.h"

/* The socket is made under another name, with its rights, and renamed: it is never there half done, and what
 * it replaces is replaced at once. A lock keeps two programs that start from taking the same stale one: a
 * file's, since anybody who may read a folder can lock that, for ever. */

#define LOCAL_SOCKET_BACKLOG 64
#define GROUP_BYTES 65536 /* of the group's entry in the database */

static int set_path(struct sockaddr_un *address, const char *path, const char *suffix) {
        int n = snprintf(address->sun_path, sizeof(address->sun_path), "%s%s", path, suffix);

        address->sun_family = AF_UNIX;
        return n < (int) sizeof(address->sun_path) ? 0 : -ENAMETOOLONG;
}

/* Returns 0 when PATH is free or nobody answers there. */
static int check_path(const char *path) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = {};
        struct stat st;
        int r = set_path(&address, path, "");

        if (fd < 0 || r < 0)
                return fd < 0 ? -errno : r;
        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -EEXIST;
        if (connect(fd, (struct sockaddr*) &address, sizeof(address)) < 0 && errno == ECONNREFUSED)
                return 0;
        return -EADDRINUSE; /* also when we may not connect: it is somebody else's */
}

/* Without the group only the owner has access. */
static void give_to_group(const char *path, const char *name) {
        _cleanup_free_ char *buffer = malloc(GROUP_BYTES);
        struct group entry, *found = NULL;

        if (buffer && getgrnam_r(name, &entry, buffer, GROUP_BYTES, &found) == 0 && found)
                (void) !chown(path, (uid_t) -1, found->gr_gid);
}

static int bind_as(int fd, const char *path, const char *suffix, const char *group) {
        struct sockaddr_un address = {};
        int r = set_path(&address, path, suffix);

        if (r < 0)
                return r;
        (void) unlink(address.sun_path); /* of a program that was interrupted here */
        if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr*) &address, sizeof(address)) < 0)
                return -errno;
        give_to_group(address.sun_path, group);
        if (chmod(address.sun_path, 0660) < 0 || listen(fd, LOCAL_SOCKET_BACKLOG) < 0)
                return -errno;
        return 0;
}

static int replace(LocalSocket *l, const char *group) {
        _cleanup_free_ char *temporary = str_format("%s~", l->path);
        struct stat st;
        int r = check_path(l->path);

        if (r >= 0)
                r = temporary ? bind_as(l->fd, l->path, "~", group) : -ENOMEM;
        if (r < 0)
                return r;
        if (lstat(temporary, &st) < 0 || rename(temporary, l->path) < 0) {
                r = -errno;
                (void) unlink(temporary);
                return r;
        }
        l->device = st.st_dev;
        l->inode = st.st_ino;
        return 0;
}

static int make_folder(const char *path) {
        _cleanup_free_ char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        return mkdir(dirname(copy), 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* Returns a locked descriptor, or a negative errno. */
static int lock_path(const char *path) {
        _cleanup_free_ char *lock = str_format("%s.lock", path);
        _cleanup_close_ int fd = -1;
        int r = lock ? make_folder(path) : -ENOMEM;

        if (r < 0)
                return r;
        fd = open(lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 || flock(fd, LOCK_EX) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int local_socket_bind(LocalSocket *ret, const char *path, const char *group) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), lock = -1;
        _cleanup_free_ char *copy = strdup(path);
        LocalSocket l = { .fd = fd, .path = copy };
        int r;

        if (fd < 0 || !copy)
                return fd < 0 ? -errno : -ENOMEM;
        lock = lock_path(path);
        r = lock < 0 ? lock : replace(&l, group);
        if (r < 0)
                return r;
        *ret = l;
        TAKE_FD(fd);
        TAKE_PTR(copy);
        return 0;
}

int local_socket_find(LocalSocket *ret, const char *path) {
        struct stat st;
        char *copy;

        if (lstat(path, &st) < 0)
                return -errno;
        copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        *ret = (LocalSocket) { .fd = -1, .path = copy, .device = st.st_dev, .inode = st.st_ino };
        return 0;
}

void local_socket_forget(LocalSocket *l) {
        if (!l->path)
                return;
        safe_close(l->fd);
        free(l->path);
        *l = (LocalSocket){};
}

void local_socket_done(LocalSocket *l) {
        struct stat st;

        if (l->path && lstat(l->path, &st) >= 0 && st.st_dev == l->device && st.st_ino == l->inode)
                (void) unlink(l->path);
        local_socket_forget(l);
}
