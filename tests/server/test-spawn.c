/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/str.h"
#include "server/spawn.h"

/* Starts PROGRAM with SCRIPT; its first descriptor is one end of a pair, of which the other end is returned.
 */
static int start(const char *program, const char *script, const char *second) {
        char *argv[] = { (char *) program, (char *) "-c", (char *) script, NULL };
        Spawn s = { .program = program, .argv = argv };
        int pair[2];
        pid_t pid;

        assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), errno);
        assert_int_equal(spawn_add(&s, "first", pair[1]), 0);
        if (second) {
                assert_int_equal(spawn_add(&s, "none", -1), 0);
                assert_int_equal(spawn_add(&s, second, pair[1]), 0);
        }
        pid = spawn_start(&s);
        assert_true(pid > 0);
        close(pair[1]);
        spawn_done(&s);
        return pair[0];
}

static void read_to_end(int fd, char *ret, size_t size) {
        size_t n = 0;
        ssize_t k;

        while ((k = recv(fd, ret + n, size - 1 - n, 0)) > 0)
                n += (size_t) k;
        ret[n] = '\0';
        close(fd);
}

static void test_it_gets_descriptors_as_of_systemd(void **state _unused_) {
        char text[512];

        assert_return_code(dup2(STDOUT_FILENO, 100), errno);
        setenv("LISTEN_FDNAMES", "old", 1);
        setenv("WATCHDOG_USEC", "1000000", 1);
        setenv("WATCHDOG_PID", "1", 1);
        read_to_end(
                start("/bin/sh",
                      "[ $LISTEN_PID = $$ ] && [ $WATCHDOG_PID = $$ ] && echo $LISTEN_FDS $LISTEN_FDNAMES >&3;"
                      "[ -e /proc/$$/fd/100 ] || echo the rest is closed >&4",
                      "second"),
                text, sizeof(text));
        assert_string_equal(text, "2 first:second\nthe rest is closed\n");
        close(100);
        unsetenv("LISTEN_FDNAMES");
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
}

static void test_it_is_no_child_of_ours(void **state _unused_) {
        char text[64], ours[32];

        read_to_end(start("/bin/sh", "echo $PPID >&3", NULL), text, sizeof(text));
        snprintf(ours, sizeof(ours), "%i\n", (int) getpid());
        assert_string_not_equal(text, ours);
}

static void test_a_failure_to_start_is_told(void **state _unused_) {
        char text[256];

        read_to_end(start("/nonexistent", "", NULL), text, sizeof(text));
        assert_string_equal(text, "failed The program can't be started: No such file or directory");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_gets_descriptors_as_of_systemd),
                cmocka_unit_test(test_it_is_no_child_of_ours),
                cmocka_unit_test(test_a_failure_to_start_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
