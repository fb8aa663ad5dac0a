/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/macro.h"
#include "base/str.h"
#include "net/local-socket.h"

#define NO_GROUP "pgrok-test-without-such-a-group"

static char folder[] = "/tmp/pgrok-test-XXXXXX";
static char *path;

static int set_up(void **state _unused_) {
        strcpy(folder + strlen(folder) - 6, "XXXXXX");
        path = mkdtemp(folder) ? str_format("%s/run/control.sock", folder) : NULL;
        return path ? 0 : -1;
}

static int tear_down(void **state _unused_) {
        _cleanup_free_ char *command = str_format("rm -r %s", folder);

        free(TAKE_PTR(path));
        return system(command);
}

static void visit(void) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        strcpy(address.sun_path, path);
        assert_int_equal(connect(fd, (struct sockaddr*) &address, sizeof(address)), 0);
}

static void test_the_socket_has_its_rights_and_goes_with_its_owner(void **state _unused_) {
        LocalSocket l = {};
        struct stat st;

        assert_int_equal(local_socket_bind(&l, path, NO_GROUP), 0);
        visit();
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0660);
        assert_int_equal(st.st_uid, getuid());
        local_socket_done(&l);
        assert_int_equal(access(path, F_OK), -1);
        local_socket_done(&l);
}

static void test_a_live_socket_is_left_to_its_owner(void **state _unused_) {
        LocalSocket l = {}, other = {};

        assert_int_equal(local_socket_bind(&l, path, NO_GROUP), 0);
        assert_int_equal(local_socket_bind(&other, path, NO_GROUP), -EADDRINUSE);
        visit();
        local_socket_done(&l);
}

static void test_a_stale_socket_is_replaced(void **state _unused_) {
        LocalSocket l = {}, stale = {};

        assert_int_equal(local_socket_bind(&stale, path, NO_GROUP), 0);
        stale.fd = safe_close(stale.fd); /* as if its program had been killed */
        assert_int_equal(local_socket_bind(&l, path, NO_GROUP), 0);
        visit();
        local_socket_done(&stale);
        visit(); /* the path was not the stale one's to remove */
        local_socket_done(&l);
}

static void test_who_locks_the_folder_holds_up_nobody(void **state _unused_) {
        _cleanup_free_ char *run = str_format("%s/run", folder);
        _cleanup_close_ int fd = -1;
        LocalSocket l = {};

        assert_int_equal(mkdir(run, 0755), 0);
        fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        alarm(10);
        assert_int_equal(local_socket_bind(&l, path, NO_GROUP), 0);
        alarm(0);
        visit();
        local_socket_done(&l);
}

static void test_what_is_no_socket_stays(void **state _unused_) {
        _cleanup_free_ char *run = str_format("%s/run", folder);
        LocalSocket l = {};

        assert_int_equal(mkdir(run, 0700), 0);
        safe_close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        assert_int_equal(local_socket_bind(&l, path, NO_GROUP), -EEXIST);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("/dev/null", path), 0);
        assert_int_equal(local_socket_bind(&l, path, NO_GROUP), -EEXIST);
}

static void test_a_path_that_is_too_long_is_refused(void **state _unused_) {
        _cleanup_free_ char *longer = str_format("%s/%0120d", folder, 0);
        LocalSocket l = {};

        assert_int_equal(local_socket_bind(&l, longer, NO_GROUP), -ENAMETOOLONG);
}

#define socket_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                socket_test(test_the_socket_has_its_rights_and_goes_with_its_owner),
                socket_test(test_a_live_socket_is_left_to_its_owner),
                socket_test(test_a_stale_socket_is_replaced),
                socket_test(test_who_locks_the_folder_holds_up_nobody),
                socket_test(test_what_is_no_socket_stays),
                socket_test(test_a_path_that_is_too_long_is_refused),
        };

        return cmocka_run_group_tests_name("local-socket", tests, NULL, NULL);
}
