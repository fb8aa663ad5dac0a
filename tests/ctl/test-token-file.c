/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/str.h"
#include "ctl/token-file.h"

static char folder[] = "/tmp/pgrok-test-XXXXXX";
static char *path;

static int set_up(void **state _unused_) {
        strcpy(folder + strlen(folder) - 6, "XXXXXX");
        path = mkdtemp(folder) ? str_format("%s/tokens", folder) : NULL;
        return path ? 0 : -1;
}

static int tear_down(void **state _unused_) {
        _cleanup_free_ char *command = str_format("rm -r %s", folder);

        free(TAKE_PTR(path));
        return system(command);
}

static void write_tokens(const char *text) {
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
}

static void expect_tokens(const char *expected) {
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        char text[1024];

        assert_non_null(f);
        text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
        assert_string_equal(text, expected);
}

static void test_all_other_lines_stay_byte_for_byte(void **state _unused_) {
        write_tokens(
                "# who may come\n\n  alice\tsha256:00 \t# the first\r\nalicia sha256:01\n#bob x\nlast sha256:02");
        assert_int_equal(token_file_add(path, "bob", "bob  sha256:03  max_tunnels=4"), 0);
        expect_tokens("# who may come\n\n  alice\tsha256:00 \t# the first\r\nalicia sha256:01\n#bob x\nlast "
                      "sha256:02\nbob  sha256:03  max_tunnels=4\n");
        assert_int_equal(token_file_remove(path, "alice"), 0);
        expect_tokens(
                "# who may come\n\nalicia sha256:01\n#bob x\nlast sha256:02\nbob  sha256:03  max_tunnels=4\n");
        assert_int_equal(token_file_remove(path, "bob"), 0);
        expect_tokens("# who may come\n\nalicia sha256:01\n#bob x\nlast sha256:02\n");
}

static void test_a_name_has_one_line(void **state _unused_) {
        write_tokens("alice sha256:00\n");
        assert_int_equal(token_file_add(path, "alice", "alice sha256:01"), -EEXIST);
        assert_int_equal(token_file_remove(path, "bob"), -ENOENT);
        expect_tokens("alice sha256:00\n");
}

static void test_a_file_is_made_that_others_do_not_read(void **state _unused_) {
        struct stat st;

        assert_int_equal(token_file_remove(path, "alice"), -ENOENT);
        assert_int_equal(token_file_add(path, "alice", "alice sha256:00"), 0);
        expect_tokens("alice sha256:00\n");
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
}

static void test_owner_and_mode_stay(void **state _unused_) {
        struct stat before, after;

        write_tokens("");
        assert_int_equal(chmod(path, 0604), 0);
        if (geteuid() == 0)
                assert_int_equal(chown(path, 12345, 23456), 0);
        assert_int_equal(stat(path, &before), 0);
        assert_int_equal(token_file_add(path, "alice", "alice sha256:00"), 0);
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(after.st_mode, before.st_mode);
        assert_int_equal(after.st_uid, before.st_uid);
        assert_int_equal(after.st_gid, before.st_gid);
        assert_int_not_equal(after.st_ino, before.st_ino);
}

static void expect_no_temporary(void) {
        _cleanup_free_ char *temporary = str_format("%s.new", path);

        assert_int_equal(access(temporary, F_OK), -1);
}

/* Anybody may lock a folder that everybody reads. */
static void test_who_locks_the_folder_holds_up_nobody(void **state _unused_) {
        _cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_int_equal(flock(fd, LOCK_EX), 0);
        alarm(10);
        assert_int_equal(token_file_add(path, "alice", "alice sha256:00"), 0);
        assert_int_equal(token_file_add(path, "bob", "bob sha256:01"), 0);
        assert_int_equal(token_file_remove(path, "alice"), 0);
        alarm(0);
        expect_tokens("bob sha256:01\n");
        expect_no_temporary();
}

static void test_what_an_interrupted_writer_left_is_taken_over(void **state _unused_) {
        _cleanup_free_ char *temporary = str_format("%s.new", path);
        _cleanup_close_ int fd = open(temporary, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_int_equal(write(fd, "half a li", 9), 9);
        write_tokens("bob sha256:01\n");
        assert_int_equal(token_file_add(path, "bob", "bob sha256:02"), -EEXIST);
        expect_no_temporary();
        fd = safe_close(fd);
        fd = open(temporary, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, "half a li", 9), 9);
        assert_int_equal(token_file_add(path, "alice", "alice sha256:00"), 0);
        expect_tokens("bob sha256:01\nalice sha256:00\n");
        expect_no_temporary();
}

static void test_a_link_in_the_temporary_s_place_is_not_followed(void **state _unused_) {
        _cleanup_free_ char *temporary = str_format("%s.new", path), *other = str_format("%s.other", path);

        safe_close(open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        assert_int_equal(symlink(other, temporary), 0);
        assert_int_equal(token_file_add(path, "alice", "alice sha256:00"), -ELOOP);
}

static void test_a_link_stays_one(void **state _unused_) {
        _cleanup_free_ char *link = str_format("%s/link", folder);
        struct stat st;

        write_tokens("");
        assert_int_equal(symlink("tokens", link), 0);
        assert_int_equal(token_file_add(link, "alice", "alice sha256:00"), 0);
        assert_int_equal(lstat(link, &st), 0);
        assert_true(S_ISLNK(st.st_mode));
        expect_tokens("alice sha256:00\n");
}

static void test_lists_show_no_hash(void **state _unused_) {
        ConfigList users = {};

        write_tokens("# x\nalice sha256:00 rate=1M  from=10.0.0.0/8 # y\nbob sha256:01\n");
        assert_int_equal(token_file_list(path, &users), 0);
        assert_int_equal(users.n, 2);
        assert_string_equal(users.items[0], "alice rate=1M  from=10.0.0.0/8");
        assert_string_equal(users.items[1], "bob ");
        config_list_done(&users);
}

static void test_settings_can_not_break_out_of_their_line(void **state _unused_) {
        static const char *const good[] = { "max_tunnels=4", "from=10.0.0.0/8,::1", "subdomains=a,b-*" };
        static const char *const bad[] = { "",    "=",   "a",     "a=",     "a=b c",     "a=b\neve sha256:00",
                                           "a=#", "A=b", "a b=c", "a=\x7f", "a=\xc3\xa4" };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(token_setting_is_valid(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(token_setting_is_valid(bad[i]));
}

#define file_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                file_test(test_all_other_lines_stay_byte_for_byte),
                file_test(test_a_name_has_one_line),
                file_test(test_a_file_is_made_that_others_do_not_read),
                file_test(test_owner_and_mode_stay),
                file_test(test_who_locks_the_folder_holds_up_nobody),
                file_test(test_what_an_interrupted_writer_left_is_taken_over),
                file_test(test_a_link_in_the_temporary_s_place_is_not_followed),
                file_test(test_a_link_stays_one),
                file_test(test_lists_show_no_hash),
                cmocka_unit_test(test_settings_can_not_break_out_of_their_line),
        };

        return cmocka_run_group_tests_name("token-file", tests, NULL, NULL);
}
