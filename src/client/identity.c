/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/str.h"

/* FOLDER/SERVER.N.id holds an id, N counts the clients of a server. It is replaced by a rename, so the lock
 * is on a file of its own beside it, FOLDER/SERVER.N.lock, which stays for ever. */

struct Identity {
        char *path;    /* owned: the id's file */
        char *current; /* owned */
        int lock_fd;   /* owned */
};

char *identity_state_folder(void) {
        const char *state = getenv("STATE_DIRECTORY");

        if (str_is_empty(state))
                return files_user_state();
        return strndup(state, strcspn(state, ":")); /* systemd lists all folders of the unit */
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
        r = files_make_folder(folder);
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

int identity_set(Identity *identity, const char *id) {
        _cleanup_free_ char *line = NULL;
        int r;

        if (streq(identity->current, id))
                return 0;
        line = str_format("%s\n", id);
        if (!line)
                return -ENOMEM;
        r = files_replace(identity->path, line, strlen(line), 0600); /* the lock is ours */
        return r < 0 ? r : str_replace(&identity->current, id);
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
