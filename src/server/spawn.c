/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/str.h"

/* Other threads may hold any lock when we fork, so all memory is got before, and the children call nothing
 * but what a signal handler may. */

#define FIRST_FD 3
#define PID_DIGITS_MAX 20

typedef struct Child {
        const Spawn *spawn;
        char **environment; /* owned, with the strings from n_kept on */
        size_t n_kept;
        char *pids[2]; /* borrowed from it: to be completed by the process id; or NULL */
        int *copies;   /* owned: room for all descriptors */
        int report[2]; /* owned: the pid comes back through it */
} Child;

int spawn_add(Spawn *s, const char *name, int fd) {
        if (fd < 0)
                return 0;
        if (s->n_fds == s->n_allocated) {
                size_t n = MAX(2 * s->n_allocated, (size_t) 16);
                SpawnFd *more = reallocarray(s->fds, n, sizeof(SpawnFd));

                if (!more)
                        return -ENOMEM;
                s->fds = more;
                s->n_allocated = n;
        }
        s->fds[s->n_fds] = (SpawnFd) { .name = strdup(name), .fd = fd };
        return s->fds[s->n_fds].name ? (s->n_fds++, 0) : -ENOMEM;
}

void spawn_done(Spawn *s) {
        for (size_t i = 0; i < s->n_fds; i++)
                free(s->fds[i].name);
        free(s->fds);
        *s = (Spawn){};
}

/* ---- the children ---- */

static size_t write_pid(char *ret, pid_t pid) {
        char digits[PID_DIGITS_MAX];
        size_t n = 0;

        for (; pid > 0; pid /= 10)
                digits[n++] = (char) ('0' + pid % 10);
        for (size_t i = 0; i < n; i++)
                ret[i] = digits[n - 1 - i];
        ret[n] = '\0';
        return n;
}

/* The handlers are the parent's, and so is what they would write to. */
static void reset_signals(void) {
        struct sigaction standard = { .sa_handler = SIG_DFL };
        sigset_t none;

        for (int i = 1; i < NSIG; i++)
                (void) sigaction(i, &standard, NULL);
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Descriptors become 3 and following; all others are closed. */
static int arrange_descriptors(const Child *c) {
        int n = (int) c->spawn->n_fds;

        for (int i = 0; i < n; i++) {
                c->copies[i] = fcntl(c->spawn->fds[i].fd, F_DUPFD_CLOEXEC, FIRST_FD + n);
                if (c->copies[i] < 0)
                        return -errno;
        }
        for (int i = 0; i < n; i++)
                if (dup2(c->copies[i], FIRST_FD + i) < 0)
                        return -errno;
        (void) close_range((unsigned) (FIRST_FD + n), ~0U, 0); /* else they close by themselves */
        return 0;
}

static _Noreturn void run_grandchild(const Child *c) {
        static const char failed[] = "failed The program can't be started: ";
        char why[256];
        int r;

        for (size_t i = 0; i < ELEMENTSOF(c->pids); i++)
                if (c->pids[i])
                        write_pid(c->pids[i], getpid());
        reset_signals();
        r = arrange_descriptors(c);
        if (r >= 0)
                (void) execve(c->spawn->program, c->spawn->argv, c->environment);
        memcpy(why, failed, sizeof(failed));
        strncat(why, strerrordesc_np(r < 0 ? -r : errno), sizeof(why) - sizeof(failed));
        (void) send(FIRST_FD, why, strlen(why), MSG_NOSIGNAL);
        _exit(EXIT_FAILURE);
}

static _Noreturn void run_child(const Child *c) {
        pid_t pid = _Fork();

        if (pid == 0)
                run_grandchild(c);
        if (pid < 0)
                pid = -errno;
        (void) !write(c->report[1], &pid, sizeof(pid));
        _exit(EXIT_SUCCESS);
}

/* ---- this process ---- */

static bool is_renewed(const char *variable) {
        return str_skip_prefix(variable, "LISTEN_") || str_skip_prefix(variable, "WATCHDOG_PID=");
}

static char *join_names(const Spawn *s) {
        size_t n = sizeof("LISTEN_FDNAMES=");
        char *names, *end;

        for (size_t i = 0; i < s->n_fds; i++)
                n += strlen(s->fds[i].name) + 1;
        names = malloc(n);
        if (!names)
                return NULL;
        end = stpcpy(names, "LISTEN_FDNAMES=");
        for (size_t i = 0; i < s->n_fds; i++) {
                end = stpcpy(end, i > 0 ? ":" : "");
                end = stpcpy(end, s->fds[i].name);
        }
        return names;
}

static char *pid_variable(Child *c, unsigned i, const char *prefix) {
        char *variable = calloc(1, strlen(prefix) + PID_DIGITS_MAX);

        if (variable)
                c->pids[i] = stpcpy(variable, prefix);
        return variable;
}

static int child_set_environment(Child *c) {
        bool is_watched = getenv("WATCHDOG_USEC");
        size_t n = 0;

        while (environ[n])
                n++;
        c->environment = new0(char *, n + 5);
        if (!c->environment)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                if (!is_renewed(environ[i]))
                        c->environment[c->n_kept++] = environ[i];
        n = c->n_kept;
        c->environment[n++] = str_format("LISTEN_FDS=%zu", c->spawn->n_fds);
        c->environment[n++] = join_names(c->spawn);
        c->environment[n++] = pid_variable(c, 0, "LISTEN_PID=");
        c->environment[n] = is_watched ? pid_variable(c, 1, "WATCHDOG_PID=") : NULL;
        for (size_t i = c->n_kept; i < n; i++)
                if (!c->environment[i])
                        return -ENOMEM;
        return is_watched && !c->environment[n] ? -ENOMEM : 0;
}

static int child_init(Child *c) {
        c->copies = new0(int, MAX(c->spawn->n_fds, (size_t) 1));
        if (!c->copies)
                return -ENOMEM;
        if (pipe2(c->report, O_CLOEXEC) < 0)
                return -errno;
        return child_set_environment(c);
}

static void child_done(Child *c) {
        for (size_t i = 0; i < 4 && c->environment; i++)
                free(c->environment[c->n_kept + i]);
        free(c->environment);
        free(c->copies);
        safe_close(c->report[0]);
        safe_close(c->report[1]);
}

/* Signals are blocked until the children have their own handling of them. */
static pid_t child_start(const Child *c) {
        sigset_t all, before;
        pid_t child, pid;
        ssize_t n;

        sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        child = fork();
        if (child == 0)
                run_child(c);
        pid = child < 0 ? -errno : 0;
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (pid < 0)
                return pid;
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
                ;
        n = read(c->report[0], &pid, sizeof(pid));
        return n == (ssize_t) sizeof(pid) ? pid : -ECHILD;
}

pid_t spawn_start(const Spawn *s) {
        Child c = { .spawn = s, .report = { -1, -1 } };
        int r = child_init(&c);
        pid_t pid = r < 0 ? r : child_start(&c);

        child_done(&c);
        return pid;
}
