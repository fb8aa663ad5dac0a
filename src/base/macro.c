/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/macro.h"

#include <errno.h>

int safe_close(int fd) {
        if (fd >= 0) {
                int saved = errno;

                close(fd);
                errno = saved;
        }
        return -1;
}
