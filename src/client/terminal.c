/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "base/macro.h"

/* A terminal that takes nothing, as after Ctrl-S, holds nobody up for longer. */
#define LEAVE_TIMEOUT_MSEC 100
#define CHUNK_BYTES 1024        /* as many as one that polls as writable takes without waiting */
#define STACK_BYTES (32 * 1024) /* for the handler, when it is the stack that has overflown */

/* Signals that would end us without further ado. */
static const int fatal_signals[] = { SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGBUS,
                                     SIGFPE,  SIGSEGV, SIGSYS,  SIGUSR1, SIGUSR2 };

/* What a signal handler can see. */
static struct {
        volatile sig_atomic_t is_entered;
        int fd; /* owned: stdout once more, but one that doesn't block */
        struct termios before, modes;
        char leave[TERMINAL_LEAVE_MAX];
        size_t n_leave;
        struct sigaction actions[ELEMENTSOF(fatal_signals)]; /* before ours */
} terminal = { .fd = -1 };

/* A terminal that isn't the one that controls us has no foreground. */
static bool is_in_foreground(void) {
        pid_t foreground = tcgetpgrp(STDIN_FILENO);

        return foreground < 0 || foreground == getpgrp();
}

bool terminal_is_ours(void) {
        return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && is_in_foreground();
}

void terminal_size(unsigned *ret_width, unsigned *ret_height) {
        struct winsize size = {};

        (void) ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
        *ret_width = size.ws_col > 0 ? size.ws_col : 80;
        *ret_height = size.ws_row > 0 ? size.ws_row : 24;
}

/* Only what signal-safety(7) allows. In the background it is for who is in front: changing it would stop us.
 */
static void restore(void) {
        struct pollfd p = { .fd = terminal.fd, .events = POLLOUT };

        if (!terminal.is_entered)
                return;
        terminal.is_entered = 0;
        if (!is_in_foreground())
                return;
        if (poll(&p, 1, LEAVE_TIMEOUT_MSEC) == 1)
                (void) !write(terminal.fd, terminal.leave, terminal.n_leave);
        (void) tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
}

/* What would have happened without us follows: at once if the fault is still there, else by the signal that
 * is raised again and waits until we return. */
static void on_fatal_signal(int number) {
        restore();
        for (size_t i = 0; i < ELEMENTSOF(fatal_signals); i++)
                if (fatal_signals[i] == number)
                        (void) sigaction(number, &terminal.actions[i], NULL);
        (void) raise(number);
}

/* Of this thread, unless it has one. */
static void give_stack(void) {
        static char stack[STACK_BYTES];
        stack_t ours = { .ss_sp = stack, .ss_size = sizeof(stack) }, now;

        if (sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_DISABLE))
                (void) sigaltstack(&ours, NULL);
}

static void watch_signals(void) {
        struct sigaction action = { .sa_handler = on_fatal_signal, .sa_flags = SA_ONSTACK };

        give_stack();
        for (size_t i = 0; i < ELEMENTSOF(fatal_signals); i++)
                if (sigaction(fatal_signals[i], NULL, &terminal.actions[i]) == 0 &&
                    terminal.actions[i].sa_handler != SIG_IGN)
                        (void) sigaction(fatal_signals[i], &action, NULL);
}

static void unwatch_signals(void) {
        for (size_t i = 0; i < ELEMENTSOF(fatal_signals); i++)
                (void) sigaction(fatal_signals[i], &terminal.actions[i], NULL);
}

/* A description of its own, since whoever shares ours, like a shell, expects writes to wait. A terminal of
 * another user can't be opened: then it is ours after all, and CHUNK_BYTES must do. */
static int open_again(void) {
        int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        return fd >= 0 ? fd : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}

int terminal_enter(const char *leave, size_t n) {
        if (n > TERMINAL_LEAVE_MAX)
                return -ENOBUFS;
        if (tcgetattr(STDIN_FILENO, &terminal.before) < 0)
                return -errno;
        terminal.fd = open_again();
        if (terminal.fd < 0)
                return -errno;
        memcpy(terminal.leave, leave, n);
        terminal.n_leave = n;
        terminal.modes = terminal.before;
        terminal.modes.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        terminal.modes.c_oflag &= ~(tcflag_t) OPOST;
        terminal.modes.c_cc[VMIN] = 1;
        terminal.modes.c_cc[VTIME] = 0;
        terminal.is_entered = 1;
        watch_signals();
        terminal_renew();
        return 0;
}

void terminal_renew(void) {
        (void) tcsetattr(STDIN_FILENO, TCSANOW, &terminal.modes);
}

ssize_t terminal_write(const char *data, size_t n) {
        struct pollfd p = { .fd = terminal.fd, .events = POLLOUT };
        size_t sent = 0;

        while (sent < n && poll(&p, 1, 0) == 1) {
                ssize_t k = write(terminal.fd, data + sent, MIN(n - sent, (size_t) CHUNK_BYTES));

                if (k < 0 && errno == EAGAIN)
                        break;
                if (k < 0)
                        return -errno;
                sent += (size_t) k;
        }
        return (ssize_t) sent;
}

void terminal_leave(void) {
        if (!terminal.is_entered)
                return;
        restore();
        unwatch_signals();
        terminal.fd = safe_close(terminal.fd);
}
