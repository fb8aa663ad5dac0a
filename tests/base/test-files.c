/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/files.h"
#include "base/macro.h"
#include "base/str.h"

static char folder[64];

static char *path_of(const char *name) {
        return str_format("%s/%s", folder, name);
}

static int set_up(void **state _unused_) {
        strcpy(folder, "/tmp/test-files-XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state _unused_) {
        _cleanup_free_ char *command = str_format("rm -rf '%s'", folder);

        return system(command);
}

static void assert_content(const char *path, const char *wanted) {
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        char got[64] = "";

        assert_non_null(f);
        assert_int_equal(fread(got, 1, sizeof(got) - 1, f), strlen(wanted));
        assert_string_equal(got, wanted);
}

static void test_a_file_is_made_and_replaced_with_its_mode(void **state _unused_) {
        _cleanup_free_ char *path = path_of("id");
        struct stat st;

        assert_int_equal(files_replace(path, "one", 3, 0600), 0);
        assert_content(path, "one");
        assert_int_equal(files_replace(path, "two!", 4, 0600), 0);
        assert_content(path, "two!");
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_a_file_for_a_group_has_its_mode_whatever_the_mask_is(void **state _unused_) {
        _cleanup_free_ char *path = path_of("shared");
        mode_t mask = umask(077);
        gid_t group = geteuid() == 0 ? 1 : getegid();
        struct stat st;

        assert_int_equal(files_replace_for(path, "x", 1, 0640, group), 0);
        (void) umask(mask);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0640);
        assert_int_equal(st.st_gid, group);
}

static void test_what_an_interrupted_writer_left_is_no_obstacle_and_not_followed(void **state _unused_) {
        _cleanup_free_ char *path = path_of("id"), *left = path_of("id.new"), *other = path_of("other");

        assert_int_equal(files_replace(other, "other", 5, 0600), 0);
        assert_int_equal(symlink(other, left), 0);
        assert_int_equal(files_replace(path, "mine", 4, 0600), 0);
        assert_content(path, "mine");
        assert_content(other, "other");
        assert_int_equal(access(left, F_OK), -1);
}

static void test_a_failure_leaves_the_old_file(void **state _unused_) {
        _cleanup_free_ char *path = path_of("missing/id");

        assert_int_equal(files_replace(path, "x", 1, 0600), -ENOENT);
}

static void test_folders_are_made_with_those_above_them(void **state _unused_) {
        _cleanup_free_ char *deep = path_of("a/b/c"), *file = path_of("file"), *below = path_of("file/x");
        struct stat st;

        assert_int_equal(files_make_folder(deep), 0);
        assert_int_equal(files_make_folder(deep), 0);
        assert_int_equal(stat(deep, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        assert_int_equal(files_replace(file, "x", 1, 0600), 0);
        assert_int_equal(files_make_folder(below), -ENOTDIR);
}

static void test_state_is_where_xdg_says(void **state _unused_) {
        _cleanup_free_ char *from_xdg = NULL, *from_home = NULL, *relative = NULL;

        setenv("HOME", "/home/alice", 1);
        setenv("XDG_STATE_HOME", "/var/state", 1);
        from_xdg = files_user_state();
        assert_string_equal(from_xdg, "/var/state/pgrok");
        setenv("XDG_STATE_HOME", "state", 1); /* must be absolute, says the specification */
        relative = files_user_state();
        assert_string_equal(relative, "/home/alice/.local/state/pgrok");
        unsetenv("XDG_STATE_HOME");
        from_home = files_user_state();
        assert_string_equal(from_home, "/home/alice/.local/state/pgrok");
}

static void test_one_word_is_read_and_nothing_else(void **state _unused_) {
        static const struct {
                const char *text;
                size_t n;
                const char *word; /* NULL: refused */
        } cases[] = {
                { "word", 4, "word" },
                { "word\n", 5, "word" },
                { " 12345678\n", 10, "12345678" },
                { "", 0, NULL },
                { "\n", 1, NULL },
                { "two words", 9, NULL },
                { "two\nlines\n", 10, NULL },
                { "123456789", 9, NULL }, /* too long */
                { "wo\0rd", 5, NULL },
        };
        _cleanup_free_ char *path = path_of("word"), *word = strdup("before"), *missing = path_of("missing");

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int r;

                assert_true(str_replace(&word, "before") >= 0);
                assert_int_equal(files_replace(path, cases[i].text, cases[i].n, 0600), 0);
                r = files_read_word(path, 8, &word);
                assert_int_equal(r, cases[i].word ? 0 : -EINVAL);
                assert_string_equal(word, cases[i].word ? cases[i].word : "before");
        }
        assert_int_equal(files_read_word(missing, 8, &word), -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_file_is_made_and_replaced_with_its_mode),
                TEST(test_a_file_for_a_group_has_its_mode_whatever_the_mask_is),
                TEST(test_what_an_interrupted_writer_left_is_no_obstacle_and_not_followed),
                TEST(test_a_failure_leaves_the_old_file),
                TEST(test_folders_are_made_with_those_above_them),
                TEST(test_one_word_is_read_and_nothing_else),
                TEST(test_state_is_where_xdg_says),
        };

        return cmocka_run_group_tests_name("base/files", tests, NULL, NULL);
}
