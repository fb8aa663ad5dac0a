/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file-watch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/files.h"
#include "base/str.h"

static char folder[] = "/tmp/pgrok-watch-XXXXXX";
static char *path;

static int set_up(void **state _unused_) {
        if (!mkdtemp(folder))
                return -1;
        path = str_format("%s/file", folder);
        return path ? 0 : -1;
}

static int tear_down(void **state _unused_) {
        (void) unlink(path);
        (void) rmdir(folder);
        free(path);
        return 0;
}

static void write_file(const char *text) {
        assert_int_equal(files_replace(path, text, strlen(text), 0600), 0);
}

static void test_what_does_not_change_is_not_told(void **state _unused_) {
        FileWatch w = {};

        write_file("a");
        file_watch_use(&w, path);
        assert_int_equal(file_watch_look(&w, path), 0);
        assert_int_equal(file_watch_look(&w, path), 0);
}

static void test_a_new_version_is_told_once_it_stands_still(void **state _unused_) {
        FileWatch w = {};

        write_file("a");
        file_watch_use(&w, path);
        assert_true(file_watch_is_used(&w, path));
        write_file("bb");
        assert_false(file_watch_is_used(&w, path));
        assert_int_equal(file_watch_look(&w, path), -EAGAIN);
        write_file("ccc");
        assert_int_equal(file_watch_look(&w, path), -EAGAIN);
        assert_int_equal(file_watch_look(&w, path), 1);
        file_watch_use(&w, path);
        assert_int_equal(file_watch_look(&w, path), 0);
}

static void test_a_file_that_goes_is_another_version(void **state _unused_) {
        FileWatch w = {};

        write_file("a");
        file_watch_use(&w, path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(file_watch_look(&w, path), -EAGAIN);
        assert_int_equal(file_watch_look(&w, path), 1);
}

static void test_no_file_never_changes(void **state _unused_) {
        FileWatch w = {};

        file_watch_use(&w, NULL);
        assert_int_equal(file_watch_look(&w, NULL), 0);
}

static void test_of_a_folder_every_file_is_looked_at(void **state _unused_) {
        FileWatch w = {};

        write_file("a");
        file_watch_use(&w, folder);
        assert_int_equal(file_watch_look(&w, folder), 0);
        write_file("bb");
        assert_int_equal(file_watch_look(&w, folder), -EAGAIN);
        assert_int_equal(file_watch_look(&w, folder), 1);
        file_watch_use(&w, folder);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(file_watch_look(&w, folder), -EAGAIN);
        assert_int_equal(file_watch_look(&w, folder), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_does_not_change_is_not_told),
                cmocka_unit_test(test_a_new_version_is_told_once_it_stands_still),
                cmocka_unit_test(test_a_file_that_goes_is_another_version),
                cmocka_unit_test(test_no_file_never_changes),
                cmocka_unit_test(test_of_a_folder_every_file_is_looked_at),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
