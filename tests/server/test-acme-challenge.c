/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/acme-challenge.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/files.h"
#include "base/str.h"

static bool is_challenge(const char *target) {
        HttpSlice token;

        return acme_challenge_token(http_slice_of(target), &token);
}

static void test_tokens_are_base64url_and_nothing_else(void **state _unused_) {
        static const char *const others[] = {
                "/",
                "/.well-known/acme-challenge",
                "/.well-known/acme-challenge/",
                "/.well-known/acme-challenge/..",
                "/.well-known/acme-challenge/a/b",
                "/.well-known/acme-challenge/../a",
                "/.well-known/acme-challenge/%2e%2e",
                "/.well-known/acme-challenge/a?b",
                "/.well-known/acme-challenge/a.b",
                "/.well-known/acme-challenge//a",
                "/.Well-Known/acme-challenge/a",
                "//.well-known/acme-challenge/a",
                "/x/.well-known/acme-challenge/a",
                "*",
                "/.well-known/acme-challenge/a\\b",
                "/.well-known/acme-challenge/\xc3\xa4",
        };
        char text[] = "/.well-known/acme-challenge/Az09-_"
                      "                                                                                "
                      "                                                   ";
        HttpSlice token;

        assert_true(acme_challenge_token(http_slice_of("/.well-known/acme-challenge/Az09-_"), &token));
        assert_true(http_slice_is(token, "Az09-_"));
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (is_challenge(others[i]))
                        fail_msg("%s", others[i]);
        memset(strchr(text, ' '), 'x', strlen(strchr(text, ' ')));
        assert_false(is_challenge(text));
        text[strlen("/.well-known/acme-challenge/") + 128] = '\0';
        assert_true(is_challenge(text));
}

/* ---- files ---- */

static char root[64];

static char *path_of(const char *name) {
        return str_format("%s/%s", root, name);
}

static int set_up(void **state) {
        _cleanup_free_ char *folder = NULL;

        strcpy(root, "/tmp/test-acme-XXXXXX");
        if (!mkdtemp(root))
                return -1;
        folder = path_of(".well-known/acme-challenge");
        *state = NULL;
        return files_make_folder(folder);
}

static int tear_down(void **state _unused_) {
        _cleanup_free_ char *command = str_format("rm -rf '%s'", root);

        return system(command);
}

static void put_file(const char *name, size_t n) {
        _cleanup_free_ char *path = path_of(name), *data = malloc(n);

        memset(data, 'x', n);
        assert_int_equal(files_replace(path, data, n, 0600), 0);
}

static ssize_t read_challenge(const char *token) {
        char data[ACME_CHALLENGE_BYTES_MAX];

        return acme_challenge_read(root, http_slice_of(token), data);
}

static void test_a_file_is_read(void **state _unused_) {
        put_file(".well-known/acme-challenge/token", 87);
        assert_int_equal(read_challenge("token"), 87);
        put_file(".well-known/acme-challenge/largest", ACME_CHALLENGE_BYTES_MAX);
        assert_int_equal(read_challenge("largest"), ACME_CHALLENGE_BYTES_MAX);
}

static void test_what_is_no_small_file_is_not_read(void **state _unused_) {
        _cleanup_free_ char *folder = path_of(".well-known/acme-challenge/folder");
        _cleanup_free_ char *fifo = path_of(".well-known/acme-challenge/fifo");

        put_file(".well-known/acme-challenge/large", ACME_CHALLENGE_BYTES_MAX + 1);
        assert_int_equal(mkdir(folder, 0700), 0);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(read_challenge("missing"), -ENOENT);
        assert_int_equal(read_challenge("large"), -EFBIG);
        assert_int_equal(read_challenge("folder"), -EINVAL);
        assert_int_equal(read_challenge("fifo"), -EINVAL); /* and nobody waits for a writer */
}

static void test_no_symlink_is_followed(void **state _unused_) {
        _cleanup_free_ char *link = path_of(".well-known/acme-challenge/link");
        _cleanup_free_ char *folder = path_of(".well-known/acme-challenge"), *away = path_of("away");

        put_file("secret", 5);
        assert_int_equal(symlink("../../secret", link), 0);
        assert_int_equal(read_challenge("link"), -ELOOP);
        put_file(".well-known/acme-challenge/token", 5);
        assert_int_equal(rename(folder, away), 0);
        assert_int_equal(symlink(away, folder), 0);
        assert_true(read_challenge("token") < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tokens_are_base64url_and_nothing_else),
                cmocka_unit_test_setup_teardown(test_a_file_is_read, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_what_is_no_small_file_is_not_read, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_no_symlink_is_followed, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
