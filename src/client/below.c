/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/below.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "base/macro.h"

int below_open(const char *root, const char *path, int flags) {
        struct open_how how = {
                .flags = (uint64_t) (flags | O_CLOEXEC),
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
        };
        _cleanup_close_ int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        long fd;

        if (folder < 0)
                return -errno;
        if (!(flags & O_PATH))
                how.flags |= O_NONBLOCK | O_NOCTTY;
        fd = syscall(SYS_openat2, folder, *path ? path : ".", &how, sizeof(how));
        return fd < 0 ? -errno : (int) fd;
}
