/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "base/str.h"

char *files_user_state(void) {
        const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

        if (xdg && *xdg == '/')
                return str_format("%s/pgrok", xdg);
        if (str_is_empty(home)) {
                struct passwd *user = getpwuid(getuid());

                home = user ? user->pw_dir : NULL;
        }
        return home ? str_format("%s/.local/state/pgrok", home) : NULL;
}

char *files_credential(const char *name) {
        const char *folder = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_free_ char *path = folder && *folder == '/' ? str_format("%s/%s", folder, name) : NULL;

        return path && access(path, R_OK) == 0 ? TAKE_PTR(path) : NULL;
}

char *files_control_socket(const char *program) {
        const char *folder = getenv("RUNTIME_DIRECTORY"), *xdg = getenv("XDG_RUNTIME_DIR");

        if (folder && *folder == '/')
                return str_format("%.*s/control.sock", (int) strcspn(folder, ":"), folder);
        if (geteuid() == 0)
                return str_format("/run/%s/control.sock", program);
        return xdg && *xdg == '/' ? str_format("%s/%s/control.sock", xdg, program) : NULL;
}

int files_make_folder(const char *path) {
        _cleanup_free_ char *p = strdup(path);

        if (!p)
                return -ENOMEM;
        for (char *slash = strchr(p + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdir(p, 0700) < 0 && errno != EEXIST)
                        return -errno;
                *slash = '/';
        }
        return mkdir(p, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int files_read(const char *path, size_t max, char **ret, size_t *ret_n) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        _cleanup_free_ char *text = NULL;
        struct stat st;
        ssize_t k;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if ((size_t) st.st_size > max)
                return -EFBIG;
        text = malloc((size_t) st.st_size + 1);
        if (!text)
                return -ENOMEM;
        k = read(fd, text, (size_t) st.st_size); /* of a file that is replaced, not written to: all at once */
        if (k < 0)
                return -errno;
        text[k] = '\0';
        *ret = TAKE_PTR(text);
        *ret_n = (size_t) k;
        return 0;
}

int files_read_word(const char *path, size_t max, char **word) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        _cleanup_free_ char *text = calloc(max + 3, 1); /* and a line's end */
        ssize_t k;
        char *s;
        int r;

        if (fd < 0)
                return -errno;
        if (!text)
                return -ENOMEM;
        k = read(fd, text, max + 2);
        if (k < 0)
                return -errno;
        s = strlen(text) == (size_t) k ? str_trim(text) : NULL; /* else there is a NUL in it */
        r = s && *s && strlen(s) <= max && !strpbrk(s, " \t\r\n") ? str_replace(word, s) : -EINVAL;
        explicit_bzero(text, max + 2);
        return r;
}

static int write_synced(const char *path, const void *data, size_t n, mode_t mode, gid_t gid) {
        _cleanup_close_ int fd = -1;
        ssize_t k;

        (void) unlink(path); /* of a writer that was interrupted */
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd < 0)
                return -errno;
        if (gid != (gid_t) -1 && (fchown(fd, (uid_t) -1, gid) < 0 || fchmod(fd, mode) < 0))
                return -errno;
        k = write(fd, data, n);
        if (k < 0)
                return -errno;
        if ((size_t) k < n)
                return -ENOSPC;
        return fsync(fd) < 0 ? -errno : 0;
}

int files_replace(const char *path, const void *data, size_t n, mode_t mode) {
        return files_replace_for(path, data, n, mode, (gid_t) -1);
}

int files_replace_for(const char *path, const void *data, size_t n, mode_t mode, gid_t gid) {
        _cleanup_free_ char *temporary = str_format("%s.new", path);
        int r;

        if (!temporary)
                return -ENOMEM;
        r = write_synced(temporary, data, n, mode, gid);
        if (r >= 0 && rename(temporary, path) < 0)
                r = -errno;
        if (r < 0)
                (void) unlink(temporary);
        return r;
}
