/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/acme-challenge.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/macro.h"

#define TOKEN_LENGTH_MAX 128 /* they have 43; RFC 8555 §8.3 wants 22 at least */

static bool is_token_char(char c) { /* of base64url (RFC 4648 §5) */
        return char_is_alpha(c) || char_is_digit(c) || c == '-' || c == '_';
}

bool acme_challenge_token(HttpSlice target, HttpSlice *ret_token) {
        static const char path[] = "/.well-known/acme-challenge/";
        size_t n = strlen(path);

        if (target.length <= n || target.length > n + TOKEN_LENGTH_MAX || memcmp(target.data, path, n) != 0)
                return false;
        for (size_t i = n; i < target.length; i++)
                if (!is_token_char(target.data[i]))
                        return false;
        *ret_token = http_slice(target.data + n, target.data + target.length);
        return true;
}

/* Returns a descriptor, or a negative errno. */
static int open_challenge(const char *webroot, const char *name) {
        const int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK, folder = flags | O_DIRECTORY | O_RDONLY;
        _cleanup_close_ int root = open(webroot, folder);
        _cleanup_close_ int well_known = root < 0 ? -1 : openat(root, ".well-known", folder | O_NOFOLLOW);
        _cleanup_close_ int challenges =
                well_known < 0 ? -1 : openat(well_known, "acme-challenge", folder | O_NOFOLLOW);
        int fd = challenges < 0 ? -1 : openat(challenges, name, flags | O_RDONLY | O_NOFOLLOW);

        return fd < 0 ? -errno : fd;
}

ssize_t acme_challenge_read(const char *webroot, HttpSlice token, char ret[static ACME_CHALLENGE_BYTES_MAX]) {
        char name[TOKEN_LENGTH_MAX + 1];
        _cleanup_close_ int fd = -1;
        struct stat st;
        ssize_t k;

        snprintf(name, sizeof(name), "%.*s", (int) token.length, token.data);
        fd = open_challenge(webroot, name);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size > ACME_CHALLENGE_BYTES_MAX)
                return -EFBIG;
        k = read(fd, ret, ACME_CHALLENGE_BYTES_MAX);
        return k < 0 ? -errno : k;
}
