/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/token-table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/str.h"

/* The SHA-256 of "secret" and of "other". */
#define SECRET "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
#define OTHER "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"

static char path[] = "/tmp/test-token-table-XXXXXX";

static void write_tokens(const char *text) {
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static TokenTable *load(const char *text) {
        ConfigList faults = {};
        TokenTable *a = NULL;

        write_tokens(text);
        assert_int_equal(token_table_read(&a, path, &faults), 0);
        assert_int_equal(faults.n, 0);
        return a;
}

static void expect_faults(const char *text, size_t n, const char *const *parts) {
        ConfigList faults = {};
        TokenTable *a = NULL;

        write_tokens(text);
        assert_int_equal(token_table_read(&a, path, &faults), -EINVAL);
        assert_null(a);
        assert_int_equal(faults.n, n);
        for (size_t i = 0; i < n; i++) {
                const char *rest = str_skip_prefix(faults.items[i], path);

                assert_non_null(rest);
                assert_int_equal(strncmp(rest, parts[i], strlen(parts[i])), 0);
        }
        config_list_done(&faults);
}

static void expect_fault(const char *text, const char *part) {
        expect_faults(text, 1, &part);
}

static void test_a_token_tells_its_user(void **state _unused_) {
        _cleanup_(token_table_freep) TokenTable *a = load("# comment\n\n  ann \t sha256:" SECRET "  # hers\r\nbob@x.org sha256:" OTHER);

        assert_string_equal(token_table_find(a, "secret")->name, "ann");
        assert_string_equal(token_table_find(a, "other")->name, "bob@x.org");
        assert_null(token_table_find(a, ""));
        assert_null(token_table_find(a, "Secret"));
        assert_null(token_table_find(a, "secret "));
        assert_null(token_table_find(a, SECRET));
}

static void test_an_empty_file_refuses_everybody(void **state _unused_) {
        _cleanup_(token_table_freep) TokenTable *a = load("");

        assert_null(token_table_find(a, ""));
        assert_null(token_table_find(a, "secret"));
}

static void test_faults_name_their_lines(void **state _unused_) {
        static const char *const parts[] = { ":2: a line is", ":3: the hash is not", ":5: a user's name", ":6: rates= is not" };

        expect_faults("ann sha256:" SECRET "\nbob\nbob sha256:12\n\na/b sha256:" OTHER "\nbob sha256:" OTHER " rates=1M\n", 4, parts);
}

static void test_names_and_tokens_are_unique(void **state _unused_) {
        expect_fault("ann sha256:" SECRET "\nbob sha256:" SECRET "\n", ":2: the same name or token");
        expect_fault("ann sha256:" SECRET "\nann sha256:" OTHER "\n", ":2: the same name or token");
}

static void test_odd_hashes_are_refused(void **state _unused_) {
        expect_fault("ann md5:" SECRET "\n", ":1: a line is");
        expect_fault("ann sha256:" SECRET "00\n", ":1: the hash is not");
        expect_fault("ann sha256:zz" OTHER "\n", ":1: the hash is not");
        expect_fault("ann\n", ":1: a line is");
}

static void test_a_line_without_end_is_refused(void **state _unused_) {
        char text[5000];

        memset(text, 'a', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        expect_fault(text, ":1: the line is too long");
}

static void test_a_file_that_is_not_there_is_named(void **state _unused_) {
        ConfigList faults = {};
        TokenTable *a = NULL;

        assert_int_equal(token_table_read(&a, "/nonexistent/tokens", &faults), -EINVAL);
        assert_int_equal(faults.n, 1);
        assert_non_null(strstr(faults.items[0], "/nonexistent/tokens: No such file"));
        config_list_done(&faults);
        assert_int_equal(token_table_read(&a, "/tmp", &faults), -EINVAL);
        assert_int_equal(faults.n, 1);
        config_list_done(&faults);
}

static User *gone, *gone_successor;
static unsigned n_gone;

static void on_gone(User *user, User *successor, void *userdata _unused_) {
        gone = user_ref(user);
        gone_successor = successor;
        n_gone++;
}

/* Replaces BEFORE by AFTER; one user goes at most. */
static void replace(const char *before, const char *after, TokenTable **ret) {
        _cleanup_(token_table_freep) TokenTable *older = load(before);

        gone = user_unref(gone);
        n_gone = 0;
        *ret = load(after);
        token_table_replace(*ret, older, on_gone, NULL);
}

static void test_a_user_whose_line_stays_is_the_same_object(void **state _unused_) {
        _cleanup_(token_table_freep) TokenTable *older = load("ann sha256:" SECRET " max_tunnels=2\n"), *t = NULL;
        User *ann = token_table_find(older, "secret");

        t = load("# new\nbob sha256:" OTHER "\nann  sha256:" SECRET "   max_tunnels=2 # hers\n");
        token_table_replace(t, older, on_gone, NULL);
        assert_ptr_equal(token_table_find(t, "secret"), ann);
        older = token_table_free(older);
        assert_string_equal(token_table_find(t, "secret")->name, "ann");
        assert_int_equal(n_gone, 0);
}

static void test_removed_and_changed_users_are_told(void **state _unused_) {
        _cleanup_(token_table_freep) TokenTable *removed = NULL, *token = NULL, *policy = NULL;

        replace("ann sha256:" SECRET "\nbob sha256:" OTHER "\n", "bob sha256:" OTHER "\n", &removed);
        assert_int_equal(n_gone, 1);
        assert_string_equal(gone->name, "ann");
        assert_null(gone_successor);
        replace("ann sha256:" SECRET "\n", "ann sha256:" OTHER "\n", &token);
        assert_int_equal(n_gone, 1);
        assert_null(gone_successor);
        replace("ann sha256:" SECRET "\n", "ann sha256:" SECRET " max_tunnels=1\n", &policy);
        assert_int_equal(n_gone, 1);
        assert_int_equal(gone->policy.max_tunnels, 0);
        assert_ptr_equal(gone_successor, token_table_find(policy, "secret"));
        assert_int_equal(gone_successor->policy.max_tunnels, 1);
        gone = user_unref(gone);
}

static void test_policies_are_checked_where_they_stand(void **state _unused_) {
        _cleanup_(token_table_freep) TokenTable *a = load("ann sha256:" SECRET " subdomains=a,b-* expires=2999-12-31\n");

        assert_true(policy_allows_label(&token_table_find(a, "secret")->policy, "b-c"));
        expect_fault("\nann sha256:" SECRET " max_tunnels=4 rate\n", ":2: behind the hash");
        expect_fault("ann sha256:" SECRET " max_tunnels=0\n", ":1: max_tunnels= must be");
        expect_fault("ann sha256:" SECRET " from=x from=y\n", ":1: from= must be");
}

static int make_file(void **state _unused_) {
        int fd = mkstemp(path);

        return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state _unused_) {
        return unlink(path);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_token_tells_its_user),
                cmocka_unit_test(test_an_empty_file_refuses_everybody),
                cmocka_unit_test(test_faults_name_their_lines),
                cmocka_unit_test(test_names_and_tokens_are_unique),
                cmocka_unit_test(test_odd_hashes_are_refused),
                cmocka_unit_test(test_a_line_without_end_is_refused),
                cmocka_unit_test(test_a_file_that_is_not_there_is_named),
                cmocka_unit_test(test_a_user_whose_line_stays_is_the_same_object),
                cmocka_unit_test(test_removed_and_changed_users_are_told),
                cmocka_unit_test(test_policies_are_checked_where_they_stand),
        };

        return cmocka_run_group_tests(tests, make_file, remove_file);
}
