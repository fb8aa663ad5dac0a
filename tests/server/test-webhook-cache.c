/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/webhook-cache.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/str.h"
#include "server/webhook-users.h"

static User *make_user(const char *name) {
        User *u = NULL;

        assert_int_equal(user_new(&u, name, NULL), 0);
        return u;
}

static WebhookKey make_key(const char *token, const char *address, const char *certificate_user) {
        WebhookKey key;

        assert_int_equal(webhook_key_make(&key, token, address, certificate_user), 0);
        return key;
}

static WebhookCache *make_cache(uint64_t keep_usec) {
        WebhookCache *c = NULL;

        assert_int_equal(webhook_cache_new(&c, keep_usec), 0);
        return c;
}

static void test_a_key_depends_on_token_address_and_certificate(void **state _unused_) {
        WebhookKey keys[] = {
                make_key("token", "192.0.2.1", NULL), make_key("tokeN", "192.0.2.1", NULL),
                make_key("token", "192.0.2.2", NULL), make_key("token1", "92.0.2.1", NULL),
                make_key("token", "192.0.2.1", "a"),  make_key("token", "192.0.2.1a", NULL),
        };
        WebhookKey again = make_key("token", "192.0.2.1", "");

        assert_memory_equal(&keys[0], &again, sizeof(again));
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                for (size_t k = 0; k < i; k++)
                        assert_memory_not_equal(&keys[i], &keys[k], sizeof(keys[0]));
}

static void test_a_login_is_kept_for_its_time(void **state _unused_) {
        WebhookCache *c = make_cache(100);
        WebhookKey a = make_key("a", "", NULL), b = make_key("b", "", NULL);
        User *u = make_user("u");

        webhook_cache_add(c, &a, u, 1000);
        webhook_cache_add(c, &b, u, 1050);
        assert_ptr_equal(webhook_cache_find(c, &a, 1099), u);
        assert_null(webhook_cache_find(c, &a, 1100));
        assert_ptr_equal(webhook_cache_find(c, &b, 1100), u);
        webhook_cache_add(c, &b, u, 1120); /* anew */
        assert_ptr_equal(webhook_cache_find(c, &b, 1219), u);
        assert_null(webhook_cache_find(c, &b, 1220));
        webhook_cache_free(c);
        assert_int_equal(u->n_refs, 1);
        user_unref(u);
}

static void test_nothing_is_kept_for_no_time(void **state _unused_) {
        WebhookCache *c = make_cache(0);
        WebhookKey key = make_key("a", "", NULL);
        User *u = make_user("u");

        webhook_cache_add(c, &key, u, 0);
        assert_null(webhook_cache_find(c, &key, 0));
        assert_int_equal(u->n_refs, 1);
        webhook_cache_free(c);
        user_unref(u);
}

static void test_the_logins_of_one_user_or_of_all_are_forgotten(void **state _unused_) {
        WebhookCache *c = make_cache(100);
        WebhookKey a = make_key("a", "", NULL), b = make_key("b", "", NULL), d = make_key("d", "", NULL);
        User *u = make_user("u"), *v = make_user("v");

        webhook_cache_add(c, &a, u, 0);
        webhook_cache_add(c, &b, u, 0);
        webhook_cache_add(c, &d, v, 0);
        webhook_cache_forget(c, "u");
        assert_null(webhook_cache_find(c, &a, 0));
        assert_null(webhook_cache_find(c, &b, 0));
        assert_ptr_equal(webhook_cache_find(c, &d, 0), v);
        webhook_cache_forget(c, NULL);
        assert_null(webhook_cache_find(c, &d, 0));
        webhook_cache_free(c);
        user_unref(u);
        user_unref(v);
}

static void test_the_oldest_gives_way_when_the_cache_is_full(void **state _unused_) {
        WebhookCache *c = make_cache(100);
        WebhookKey first = make_key("0", "", NULL), second = make_key("1", "", NULL);
        User *u = make_user("u");

        for (unsigned i = 0; i <= WEBHOOK_CACHE_MAX; i++) {
                _cleanup_free_ char *token = str_format("%u", i);
                WebhookKey key = make_key(token, "", NULL);

                webhook_cache_add(c, &key, u, 0);
        }
        assert_null(webhook_cache_find(c, &first, 0));
        assert_ptr_equal(webhook_cache_find(c, &second, 0), u);
        assert_int_equal(u->n_refs, WEBHOOK_CACHE_MAX + 1);
        webhook_cache_free(c);
        user_unref(u);
}

/* ---- users ---- */

static User *get_user(WebhookUsers *w, const char *body) {
        WebhookAnswer a = {};
        User *u = NULL;
        char *why = NULL;

        assert_int_equal(webhook_answer_parse(WEBHOOK_LOGIN, body, strlen(body), &a, &why), 0);
        assert_int_equal(webhook_users_get(w, &a, &u), 0);
        webhook_answer_done(&a);
        return u;
}

static void test_one_name_and_policy_is_one_user(void **state _unused_) {
        WebhookUsers *w = NULL;
        User *a, *same, *other_policy, *other_name;

        assert_int_equal(webhook_users_new(&w), 0);
        a = get_user(w, "{\"allow\":true,\"user\":\"a\",\"policy\":{\"max_tunnels\":2}}");
        same = get_user(w, "{\"policy\":{\"max_tunnels\":\"2\"},\"user\":\"a\",\"allow\":true}");
        other_policy = get_user(w, "{\"allow\":true,\"user\":\"a\",\"policy\":{\"max_tunnels\":3}}");
        other_name = get_user(w, "{\"allow\":true,\"user\":\"b\",\"policy\":{\"max_tunnels\":2}}");
        assert_ptr_equal(a, same);
        assert_ptr_not_equal(a, other_policy);
        assert_ptr_not_equal(a, other_name);
        assert_int_equal(other_policy->policy.max_tunnels, 3);
        webhook_users_free(w);
        assert_string_equal(a->name, "a"); /* those in use stay */
        user_unref(a);
        user_unref(same);
        user_unref(other_policy);
        user_unref(other_name);
}

static void test_users_that_nobody_is_any_more_are_forgotten(void **state _unused_) {
        WebhookUsers *w = NULL;
        User *kept;

        assert_int_equal(webhook_users_new(&w), 0);
        kept = get_user(w, "{\"allow\":true,\"user\":\"kept\"}");
        for (unsigned i = 0; i < 2 * WEBHOOK_USERS_MAX; i++) { /* more than there may be at a time */
                WebhookAnswer a = { .user = str_format("u%u", i), .policy_text = strdup("") };
                User *u = NULL;

                assert_int_equal(webhook_users_get(w, &a, &u), 0);
                user_unref(u);
                webhook_answer_done(&a);
        }
        assert_ptr_equal(get_user(w, "{\"allow\":true,\"user\":\"kept\"}"), kept);
        user_unref(kept);
        user_unref(kept);
        webhook_users_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_key_depends_on_token_address_and_certificate),
                cmocka_unit_test(test_a_login_is_kept_for_its_time),
                cmocka_unit_test(test_nothing_is_kept_for_no_time),
                cmocka_unit_test(test_the_logins_of_one_user_or_of_all_are_forgotten),
                cmocka_unit_test(test_the_oldest_gives_way_when_the_cache_is_full),
                cmocka_unit_test(test_one_name_and_policy_is_one_user),
                cmocka_unit_test(test_users_that_nobody_is_any_more_are_forgotten),
        };

        return cmocka_run_group_tests_name("server/webhook-cache", tests, NULL, NULL);
}
