/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/http-users.h"

#include <crypt.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static HttpUsers *users_of(const char *classic, const char *const *list, size_t n) {
        _cleanup_(config_list_done) ConfigList users = {};
        HttpUsers *u = NULL;

        for (size_t i = 0; i < n; i++)
                assert_int_equal(config_list_add(&users, list[i]), 0);
        assert_int_equal(http_users_new(&u, classic, &users), 0);
        return u;
}

/* USER:HASH for a password, by a method of crypt(5). */
static char *hashed(const char *user, const char *password, const char *method) {
        struct crypt_data data = {};

        return str_format("%s:%s", user, crypt_r(password, method, &data));
}

static bool knows(const HttpUsers *u, const char *user) {
        char text[HTTP_CREDENTIALS_BYTES_MAX];

        base64_encode((const uint8_t*) user, strlen(user), text);
        return http_users_know(u, http_slice_of(text));
}

static bool verifies(const HttpUsers *u, const char *user, size_t n) {
        char text[HTTP_CREDENTIALS_BYTES_MAX];

        base64_encode((const uint8_t*) user, n, text);
        return http_users_verify(u, text);
}

static void test_without_users_everybody_may_pass(void **state) {
        (void) state;
        assert_null(users_of("", NULL, 0));
}

static void test_a_list_takes_the_place_of_the_classic_user(void **state) {
        static const char *const list[] = { "a:one", "b:two" };
        HttpUsers *classic = users_of("c:three", NULL, 0), *u = users_of("c:three", list, 2);

        (void) state;
        assert_true(knows(classic, "c:three"));
        assert_false(knows(classic, "c:thre") || knows(classic, "c:three3") || knows(classic, ""));
        assert_true(knows(u, "a:one") && knows(u, "b:two"));
        assert_false(knows(u, "a:two") || knows(u, "c:three"));
        assert_false(http_users_are_hashed(u));
        http_users_free(classic);
        http_users_free(u);
}

static void test_the_classic_password_is_never_a_hash(void **state) {
        _cleanup_free_ char *hash = hashed("a", "one", "$5$salt");
        HttpUsers *u = users_of(hash, NULL, 0);

        (void) state;
        assert_true(knows(u, hash));
        assert_false(http_users_are_hashed(u));
        http_users_free(u);
}

static void test_hashes_of_each_kind_are_verified(void **state) {
        static const char *const methods[] = { "$2y$04$abcdefghijklmnopqrstuu", "$5$salt", "$6$rounds=1000$salt",
                                               "$y$j75$salt" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(methods); i++) {
                _cleanup_free_ char *a = hashed("a", "one", methods[i]), *b = hashed("b", "two:three", methods[i]);
                const char *const list[] = { a, b };
                HttpUsers *u = users_of("", list, 2);

                assert_null(http_user_check(a));
                assert_true(http_users_are_hashed(u));
                assert_true(verifies(u, "a:one", 5));
                assert_true(verifies(u, "b:two:three", 11));
                assert_false(verifies(u, "a:two:three", 11));
                assert_false(verifies(u, "b:one", 5));
                assert_false(verifies(u, "nobody:one", 10));
                assert_false(verifies(u, "a:one\0", 6));
                assert_false(verifies(u, "a", 1));
                assert_false(verifies(u, "", 0));
                assert_false(knows(u, a));
                http_users_free(u);
        }
}

/* So that a check costs no more than one hash does, of a password that is no book. */
static void test_one_hash_is_computed_for_a_check(void **state) {
        _cleanup_free_ char *first = hashed("a", "one", "$5$salt"), *second = hashed("a", "two", "$5$salt");
        char longest[3 + HTTP_HASHED_PASSWORD_BYTES_MAX + 1] = "b:", *p = longest + 2;
        _cleanup_free_ char *of_longest = NULL, *of_longer = NULL;

        (void) state;
        memset(p, 'x', HTTP_HASHED_PASSWORD_BYTES_MAX);
        of_longest = hashed("b", p, "$5$salt");
        p[HTTP_HASHED_PASSWORD_BYTES_MAX] = 'x';
        of_longer = hashed("c", p, "$5$salt");
        {
                const char *const list[] = { first, second, of_longest, of_longer };
                HttpUsers *u = users_of("", list, ELEMENTSOF(list));

                assert_true(verifies(u, "a:one", 5));
                assert_false(verifies(u, "a:two", 5));
                assert_true(verifies(u, longest, sizeof(longest) - 2));
                longest[0] = 'c';
                assert_false(verifies(u, longest, sizeof(longest) - 1));
                http_users_free(u);
        }
}

static void test_damaged_credentials_are_wrong(void **state) {
        _cleanup_free_ char *a = hashed("a", "one", "$5$salt"), *huge = malloc(100001);
        const char *const list[] = { a };
        HttpUsers *u = users_of("", list, 1);

        (void) state;
        assert_false(http_users_verify(u, "%%%%"));
        assert_false(http_users_verify(u, "YTpvbmU")); /* lacks its padding */
        assert_true(http_users_verify(u, "YTpvbmU="));
        memset(huge, 'A', 100000);
        huge[100000] = '\0';
        assert_false(http_users_verify(u, huge));
        http_users_free(u);
}

static void test_equal_lists_have_the_same_id(void **state) {
        static const char *const list[] = { "a:one", "b:two" };
        static const char *const joined[] = { "a:oneb:two" };
        HttpUsers *u = users_of("", list, 2), *same = users_of("", list, 2), *other = users_of("", joined, 1);

        (void) state;
        assert_memory_equal(http_users_id(u), http_users_id(same), HTTP_USERS_ID_BYTES);
        assert_memory_not_equal(http_users_id(u), http_users_id(other), HTTP_USERS_ID_BYTES);
        http_users_free(u);
        http_users_free(same);
        http_users_free(other);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_without_users_everybody_may_pass),
                cmocka_unit_test(test_a_list_takes_the_place_of_the_classic_user),
                cmocka_unit_test(test_the_classic_password_is_never_a_hash),
                cmocka_unit_test(test_hashes_of_each_kind_are_verified),
                cmocka_unit_test(test_one_hash_is_computed_for_a_check),
                cmocka_unit_test(test_damaged_credentials_are_wrong),
                cmocka_unit_test(test_equal_lists_have_the_same_id),
        };

        return cmocka_run_group_tests_name("server/http-users", tests, NULL, NULL);
}
