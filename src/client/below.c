/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/below.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/macro.h"

static int open_in(int folder, const char *path, int flags) {
        struct open_how how = {
                .flags = (uint64_t) (flags | O_CLOEXEC),
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
        };
        long fd = syscall(SYS_openat2, folder, *path ? path : ".", &how, sizeof(how));

        return fd < 0 ? -errno : (int) fd;
}

int below_open(const char *root, const char *path, int flags) {
        _cleanup_close_ int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
        struct stat st;

        if (folder < 0)
                return -errno;
        fd = open_in(folder, path, O_PATH);
        if (fd < 0 || flags & O_PATH)
                return TAKE_FD(fd);
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) /* to open a device or a pipe may do something */
                return -ENOENT;
        return open_in(folder, path, flags | O_NONBLOCK | O_NOCTTY); /* if it is another one by now */
}
