/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "base/files.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "net/timer.h"

#define STATE_FILE "registry.json"
#define STATE_LOCK "registry.lock" /* the file itself is replaced by a rename */
#define STATE_DELAY_USEC USEC_PER_SEC
#define STATE_BYTES_MAX (256U << 20)

struct State {
        char *path;         /* owned */
        int lock_fd;        /* owned */
        Registry *registry; /* borrowed */
        Timer *timer;       /* owned; runs from a change on until it is written */
        bool is_changed;
        bool is_paused;
};

char *state_folder(void) {
        const char *given = getenv("STATE_DIRECTORY");
        _cleanup_free_ char *user = NULL;

        if (!str_is_empty(given))
                return strndup(given, strcspn(given, ":")); /* systemd lists all folders of the unit */
        user = files_user_state();
        return user ? str_format("%s/server", user) : NULL;
}

static void state_write(State *s) {
        _cleanup_free_ char *text = NULL;
        size_t n = 0;
        int r;

        if (!s->is_changed || s->is_paused)
                return;
        text = registry_save(s->registry, &n);
        r = text ? files_replace(s->path, text, n, 0600) : -ENOMEM;
        if (r < 0)
                log_struct(LOG_WARNING, LOG_FIELDS({ "PGROK_EVENT", "state" }),
                           "Can't write %s, names and ports may change after a restart: %s, ignoring",
                           s->path, strerror(-r));
        s->is_changed = false;
}

static void on_state_timer(void *userdata) {
        state_write(userdata);
}

static int state_lock(State *s, const char *folder) {
        _cleanup_free_ char *path = str_format("%s/" STATE_LOCK, folder);

        if (!path)
                return -ENOMEM;
        s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (s->lock_fd < 0)
                return -errno;
        if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        return 0;
}

static int state_init(State *s, Worker *w, const char *folder) {
        int r = files_make_folder(folder);

        if (r >= 0 && s->lock_fd < 0)
                r = state_lock(s, folder);
        if (r >= 0)
                r = timer_new(&s->timer, w, on_state_timer, s);
        if (r < 0)
                return r;
        s->path = str_format("%s/" STATE_FILE, folder);
        return s->path ? 0 : -ENOMEM;
}

int state_open(State **ret, Worker *w, const char *folder, int lock_fd, Registry *registry, char **ret_why) {
        State *s = new0(State, 1);
        int r;

        if (!s)
                return -ENOMEM;
        s->lock_fd = lock_fd;
        s->registry = registry;
        r = state_init(s, w, folder);
        if (r < 0) {
                *ret_why = r == -EBUSY
                                   ? str_format("Another pgrokd has the state folder %s", folder)
                                   : str_format("Can't use the state folder %s: %s", folder, strerror(-r));
                if (lock_fd >= 0)
                        s->lock_fd = -1; /* the caller's */
                state_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

void state_load(State *s, RegistrySocketFn socket_of, void *userdata) {
        _cleanup_free_ char *text = NULL;
        size_t n = 0;
        int r = files_read(s->path, STATE_BYTES_MAX, &text, &n);

        if (r >= 0)
                r = registry_restore(s->registry, text, n, socket_of, userdata, clock_usec());
        if (r < 0 && r != -ENOENT)
                log_warning("Can't use %s, names and ports are anybody's: %s, ignoring", s->path,
                            strerror(-r));
}

void state_pause(State *s) {
        state_write(s);
        s->is_paused = true;
}

void state_resume(State *s) {
        s->is_paused = s->is_changed = false;
        state_changed(s); /* the other process may have written */
}

int state_lock_fd(const State *s) {
        return s->lock_fd;
}

void state_changed(State *s) {
        if (s->is_changed || s->is_paused)
                return;
        s->is_changed = true;
        timer_start(s->timer, STATE_DELAY_USEC);
}

State *state_free(State *s) {
        if (!s)
                return NULL;
        if (s->path)
                state_write(s);
        timer_free(s->timer);
        safe_close(s->lock_fd);
        free(s->path);
        free(s);
        return NULL;
}
