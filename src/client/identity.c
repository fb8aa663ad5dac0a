/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/str.h"

/* FOLDER/SERVER.N.id holds an id, N counts the clients of a server. It is replaced by a rename, so the lock
 * is on a file of its own beside it, FOLDER/SERVER.N.lock, which stays for ever. */

struct Identity {
        char *path;    /* owned: the id's file */
        char *current; /* owned */
        int lock_fd;   /* owned */
};

char *identity_state_folder(void) {
        const char *state = getenv("STATE_DIRECTORY"), *xdg = getenv("XDG_STATE_HOME"),
                   *home = getenv("HOME");

        if (!str_is_empty(state))
                return strndup(state, strcspn(state, ":")); /* systemd lists all folders of the unit */
        if (!str_is_empty(xdg))
                return str_format("%s/pgrok", xdg);
        return str_is_empty(home) ? NULL : str_format("%s/.local/state/pgrok", home);
}

/* mkdir -p, 0700. */
static int make_folder(const char *folder) {
        _cleanup_free_ char *path = strdup(folder);

        if (!path)
                return -ENOMEM;
        for (char *p = path + 1;; p++) {
                char c = *p;

                if (c != '/' && c != '\0')
                        continue;
                *p = '\0';
                if (mkdir(path, 0700) < 0 && errno != EEXIST)
                        return -errno;
                if (c == '\0')
                        return 0;
                *p = c;
        }
}

int identity_check(const char *id) {
        size_t n = strlen(id);

        if (n == 0 || n > IDENTITY_ID_MAX)
                return -EINVAL;
        for (; *id; id++)
                if (!char_is_alpha(*id) && !char_is_digit(*id) && *id != '_' && *id != '-')
                        return -EINVAL;
        return 0;
}

/* Reads the id. A file that is missing or holds none reads as "". */
static int read_id(Identity *identity) {
        _cleanup_close_ int fd = open(identity->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        char id[IDENTITY_ID_MAX + 2] = ""; /* and a line's end */
        ssize_t k;

        if (fd < 0 && errno != ENOENT)
                return -errno;
        k = fd < 0 ? 0 : read(fd, id, sizeof(id) - 1);
        if (k < 0)
                return -errno;
        id[k] = '\0';
        id[strcspn(id, "\n")] = '\0';
        return str_replace(&identity->current, identity_check(id) < 0 ? "" : id);
}

/* Returns 1 when the lock was taken, 0 when another client has it, or a negative errno. */
static int try_lock(Identity *identity, const char *path) {
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? 0 : -errno;
        identity->lock_fd = TAKE_FD(fd);
        return 1;
}

static int take_free_one(Identity *identity, const char *folder, const char *server) {
        for (int i = 0; i < IDENTITY_CLIENTS_MAX; i++) {
                _cleanup_free_ char *lock = str_format("%s/%s.%i.lock", folder, server, i);
                int r = lock ? try_lock(identity, lock) : -ENOMEM;

                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                identity->path = str_format("%s/%s.%i.id", folder, server, i);
                return identity->path ? read_id(identity) : -ENOMEM;
        }
        return -EBUSY;
}

int identity_open(Identity **ret, const char *folder, const char *server, char **ret_why) {
        _cleanup_(identity_freep) Identity *identity = new0(Identity, 1);
        int r;

        if (!identity)
                return -ENOMEM;
        identity->lock_fd = -1;
        r = make_folder(folder);
        if (r >= 0)
                r = take_free_one(identity, folder, server);
        if (r < 0) {
                *ret_why = str_format("can't use the state folder %s: %s", folder, strerror(-r));
                return r;
        }
        *ret = TAKE_PTR(identity);
        return 0;
}

const char *identity_get(const Identity *identity) {
        return identity->current;
}

static int write_id(int fd, const char *id) {
        size_t n = strlen(id);

        if (write(fd, id, n) != (ssize_t) n || write(fd, "\n", 1) != 1)
                return -EIO;
        return fsync(fd) < 0 ? -errno : 0;
}

int identity_set(Identity *identity, const char *id) {
        _cleanup_free_ char *temporary = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        if (streq(identity->current, id))
                return 0;
        temporary = str_format("%s.new", identity->path);
        if (!temporary)
                return -ENOMEM;
        (void) unlink(temporary); /* of a client that was interrupted here; the lock is ours */
        fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = write_id(fd, id);
        if (r >= 0 && rename(temporary, identity->path) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlink(temporary);
                return r;
        }
        return str_replace(&identity->current, id);
}

Identity *identity_free(Identity *identity) {
        if (!identity)
                return NULL;
        safe_close(identity->lock_fd);
        free(identity->path);
        free(identity->current);
        free(identity);
        return NULL;
}
