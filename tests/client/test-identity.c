/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/identity.h"

#include <errno.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/str.h"

#define SERVER "tunnel.example.com:4443"

/* The folder of a test; what is below it doesn't exist yet. */
static int setup(void **state) {
        char *folder = strdup("/tmp/test-identity-XXXXXX");

        assert_non_null(mkdtemp(folder));
        *state = str_format("%s/a/b", folder);
        free(folder);
        return *state ? 0 : -1;
}

static int teardown(void **state) {
        char *folder = *state;
        _cleanup_free_ char *command =
                str_format("rm -rf %.*s", (int) strlen("/tmp/test-identity-XXXXXX"), folder);

        free(folder);
        return system(command);
}

static Identity *open_identity(const char *folder, const char *server) {
        _cleanup_free_ char *why = NULL;
        Identity *identity = NULL;

        if (identity_open(&identity, folder, server, &why) < 0)
                fail_msg("%s", why);
        return identity;
}

static void test_an_id_is_kept(void **state) {
        Identity *identity = open_identity(*state, SERVER);

        assert_string_equal(identity_get(identity), "");
        assert_int_equal(identity_set(identity, "first-id"), 0);
        assert_int_equal(identity_set(identity, "second-id"), 0);
        assert_string_equal(identity_get(identity), "second-id");
        identity_free(identity);
        identity = open_identity(*state, SERVER);
        assert_string_equal(identity_get(identity), "second-id");
        identity_free(identity);
}

static void test_a_second_client_takes_another_one(void **state) {
        Identity *first = open_identity(*state, SERVER), *second = open_identity(*state, SERVER);

        assert_int_equal(identity_set(first, "one"), 0);
        assert_string_equal(identity_get(second), "");
        assert_int_equal(identity_set(second, "two"), 0);
        identity_free(first);
        first = open_identity(*state, SERVER);
        assert_string_equal(identity_get(first), "one");
        identity_free(first);
        identity_free(second);
}

static void test_each_server_has_its_own(void **state) {
        Identity *first = open_identity(*state, SERVER), *second;

        assert_int_equal(identity_set(first, "one"), 0);
        identity_free(first);
        second = open_identity(*state, "other.example.com:4443");
        assert_string_equal(identity_get(second), "");
        identity_free(second);
}

static char *id_path(const char *folder) {
        return str_format("%s/" SERVER ".0.id", folder);
}

static void test_files_are_secret(void **state) {
        _cleanup_free_ char *path = id_path(*state);
        Identity *identity = open_identity(*state, SERVER);
        struct stat st;

        assert_int_equal(identity_set(identity, "one"), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(stat(*state, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        identity_free(identity);
}

static void test_a_broken_file_reads_as_none(void **state) {
        static const char *const contents[] = { "", "\n", "bad id\n", "a/b\n", "\x01" };
        _cleanup_free_ char *path = id_path(*state);

        identity_free(open_identity(*state, SERVER)); /* makes the folder */
        for (size_t i = 0; i < ELEMENTSOF(contents); i++) {
                FILE *f = fopen(path, "we");
                Identity *identity;

                assert_non_null(f);
                fputs(contents[i], f);
                fclose(f);
                identity = open_identity(*state, SERVER);
                assert_string_equal(identity_get(identity), "");
                assert_int_equal(identity_set(identity, "new"), 0);
                identity_free(identity);
        }
}

static void test_an_unusable_folder_is_explained(void **state _unused_) {
        _cleanup_free_ char *why = NULL;
        Identity *identity = NULL;

        assert_true(identity_open(&identity, "/dev/null/x", SERVER, &why) < 0);
        assert_null(identity);
        assert_non_null(strstr(why, "/dev/null/x"));
}

static void test_ids_are_checked(void **state _unused_) {
        char longest[IDENTITY_ID_MAX + 2];

        memset(longest, 'a', sizeof(longest));
        longest[IDENTITY_ID_MAX + 1] = '\0';
        assert_int_equal(identity_check(longest), -EINVAL);
        longest[IDENTITY_ID_MAX] = '\0';
        assert_int_equal(identity_check(longest), 0);
        assert_int_equal(identity_check("aZ09_-"), 0);
        assert_int_equal(identity_check(""), -EINVAL);
        assert_int_equal(identity_check("a b"), -EINVAL);
        assert_int_equal(identity_check("../x"), -EINVAL);
}

static void assert_folder(const char *expected) {
        _cleanup_free_ char *folder = identity_state_folder();

        if (!expected)
                assert_null(folder);
        else
                assert_string_equal(folder, expected);
}

static void test_the_state_folder_is_found(void **state _unused_) {
        _cleanup_free_ char *own = NULL;

        setenv("STATE_DIRECTORY", "/var/lib/pgrok:/var/lib/other", 1);
        setenv("XDG_STATE_HOME", "/x/state", 1);
        setenv("HOME", "/home/ann", 1);
        assert_folder("/var/lib/pgrok");
        unsetenv("STATE_DIRECTORY");
        assert_folder("/x/state/pgrok");
        unsetenv("XDG_STATE_HOME");
        assert_folder("/home/ann/.local/state/pgrok");
        unsetenv("HOME");
        own = str_format("%s/.local/state/pgrok", getpwuid(getuid())->pw_dir);
        assert_folder(own);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_an_id_is_kept),
                TEST(test_a_second_client_takes_another_one),
                TEST(test_each_server_has_its_own),
                TEST(test_files_are_secret),
                TEST(test_a_broken_file_reads_as_none),
                TEST(test_an_unusable_folder_is_explained),
                TEST(test_ids_are_checked),
                TEST(test_the_state_folder_is_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
