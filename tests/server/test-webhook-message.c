/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/webhook-message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/str.h"
#include "server/tunnel.h"

/* ---- questions ---- */

static void test_a_login_is_asked_with_token_and_client(void **state _unused_) {
        const WebhookQuestion q = {
                .event = WEBHOOK_LOGIN,
                .token = "s3\"cr\\et\n",
                .client_id = "0123456789ab",
                .address = "192.0.2.1",
                .os = "linux",
                .arch = "amd64",
                .version = "0.1.0",
        };
        _cleanup_free_ char *text = webhook_question_encode(&q);

        assert_string_equal(text, "{\"version\":1,\"event\":\"login\",\"token\":\"s3\\\"cr\\\\et\\n\","
                                  "\"client\":{\"id\":\"0123456789ab\",\"address\":\"192.0.2.1\","
                                  "\"os\":\"linux\",\"arch\":\"amd64\",\"version\":\"0.1.0\"}}");
}

static void test_a_tunnel_is_asked_with_what_was_wished(void **state _unused_) {
        MessageReqTunnel m = { .protocol = (char*) "http+https",
                               .subdomain = (char*) "a",
                               .remote_port = 65535 };
        const WebhookQuestion q = {
                .event = WEBHOOK_TUNNEL, .user = "alice", .client_id = "c", .address = "::1", .tunnel = &m
        };
        _cleanup_free_ char *text = webhook_question_encode(&q);

        assert_string_equal(text, "{\"version\":1,\"event\":\"tunnel\",\"user\":\"alice\","
                                  "\"client\":{\"id\":\"c\",\"address\":\"::1\"},"
                                  "\"tunnel\":{\"protocol\":\"http+https\",\"subdomain\":\"a\","
                                  "\"hostname\":\"\",\"remote_port\":65535}}");
}

static void test_a_logout_is_told_with_the_user(void **state _unused_) {
        const WebhookQuestion q = {
                .event = WEBHOOK_LOGOUT, .user = "alice", .client_id = "c", .address = "::1"
        };
        _cleanup_free_ char *text = webhook_question_encode(&q);

        assert_string_equal(text, "{\"version\":1,\"event\":\"logout\",\"user\":\"alice\","
                                  "\"client\":{\"id\":\"c\",\"address\":\"::1\"}}");
}

/* ---- answers ---- */

static int parse(WebhookEvent event, const char *body, WebhookAnswer *ret, char **ret_why) {
        *ret = (WebhookAnswer){};
        *ret_why = NULL;
        return webhook_answer_parse(event, body, strlen(body), ret, ret_why);
}

static void test_a_yes_tells_the_user_and_what_it_may(void **state _unused_) {
        static const char body[] =
                " {\"policy\":{\"subdomains\":[\"alice\",\"a-*\"],\"max_tunnels\":4,"
                "\"rate\":\"1M\",\"protocols\":\"http,tcp\",\"tcp_ports\":\"20000-20009\"},"
                "\"more\":[{}],\"user\":\"alice\",\"allow\":true}\n";
        WebhookAnswer a;
        char *why;

        assert_int_equal(parse(WEBHOOK_LOGIN, body, &a, &why), 0);
        assert_true(a.allow);
        assert_string_equal(a.user, "alice");
        assert_true(policy_allows_label(&a.policy, "alice"));
        assert_true(policy_allows_label(&a.policy, "a-b"));
        assert_false(policy_allows_label(&a.policy, "b"));
        assert_int_equal(a.policy.max_tunnels, 4);
        assert_int_equal(a.policy.rate, 1024 * 1024);
        assert_true(policy_allows_protocol(&a.policy, TUNNEL_TCP));
        assert_false(policy_allows_protocol(&a.policy, TUNNEL_HTTPS));
        assert_true(policy_allows_port(&a.policy, 20009));
        assert_false(policy_allows_port(&a.policy, 20010));
        webhook_answer_done(&a);
}

static void test_a_policy_is_not_needed(void **state _unused_) {
        static const char *const bodies[] = {
                "{\"allow\":true,\"user\":\"bob@x.org\"}",
                "{\"allow\":true,\"user\":\"bob@x.org\",\"policy\":{}}",
                "{\"allow\":true,\"user\":\"bob@x.org\",\"policy\":null,\"reason\":7}",
        };

        for (size_t i = 0; i < ELEMENTSOF(bodies); i++) {
                WebhookAnswer a;
                char *why;

                assert_int_equal(parse(WEBHOOK_LOGIN, bodies[i], &a, &why), 0);
                assert_string_equal(a.user, "bob@x.org");
                assert_string_equal(a.policy_text, "");
                assert_int_equal(a.policy.set, 0);
                webhook_answer_done(&a);
        }
}

static void test_a_tunnel_is_allowed_without_a_user(void **state _unused_) {
        WebhookAnswer a;
        char *why;

        assert_int_equal(parse(WEBHOOK_TUNNEL, "{\"allow\":true}", &a, &why), 0);
        assert_true(a.allow);
        webhook_answer_done(&a);
}

static void test_what_is_no_clear_yes_is_no_answer(void **state _unused_) {
        static const struct {
                const char *body, *why;
        } cases[] = {
                { "", "JSON" },
                { "yes", "JSON" },
                { "null", "JSON" },
                { "{\"allow\":true,\"user\":\"a\"", "JSON" },
                { "{\"allow\":true,\"user\":\"a\"}x", "JSON" },
                { "{\"allow\":true,\"user\":\"a\",}", "JSON" },
                { "{'allow':true,'user':'a'}", "JSON" },
                { "{\"allow\":true,\"user\":\"a\xff\"}", "JSON" },
                { "{\"x\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]],\"allow\":true,\"user\":\"a\"}", "JSON" },
                { "true", "" },
                { "[]", "object" },
                { "\"allow\"", "object" },
                { "{}", "allow" },
                { "{\"user\":\"a\"}", "allow" },
                { "{\"Allow\":true,\"user\":\"a\"}", "allow" },
                { "{\"allow\":1,\"user\":\"a\"}", "allow" },
                { "{\"allow\":\"true\",\"user\":\"a\"}", "allow" },
                { "{\"allow\":null,\"user\":\"a\"}", "allow" },
                { "{\"allow\":true}", "user" },
                { "{\"allow\":true,\"user\":null}", "user" },
                { "{\"allow\":true,\"user\":7}", "user" },
                { "{\"allow\":true,\"user\":\"\"}", "user" },
                { "{\"allow\":true,\"user\":\"a b\"}", "user" },
                { "{\"allow\":true,\"user\":\"a/b\"}", "user" },
                { "{\"allow\":true,\"user\":\"a\\u0000\"}", "user" },
                { "{\"allow\":true,\"user\":\"\\u00e4\"}", "user" },
                { "{\"allow\":true,\"user\":\"a2345678901234567890123456789012345678901234567890123456789012345\"}",
                  "user" },
                { "{\"allow\":true,\"user\":[\"a\"]}", "user" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":[]}", "policy" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":\"max_tunnels=4\"}", "policy" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"max_tunnels\":true}}", "max_tunnels" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"max_tunnels\":null}}", "max_tunnels" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"max_tunnels\":4.0}}", "max_tunnels" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"max_tunnels\":0}}", "max_tunnels" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"max_tunnels\":-1}}", "max_tunnels" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"max_tunnels\":99999999999999999999}}",
                  "max_tunnels" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"max_tunnels\":{}}}", "max_tunnels" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"subdomains\":[]}}", "subdomains" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"subdomains\":[\"a\",7]}}", "subdomains" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"subdomains\":[\"a\",\"b,c\"]}}",
                  "subdomains" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"subdomains\":[[\"a\"]]}}", "subdomains" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"subdomains\":\"a\\u0000b\"}}", "subdomains" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"subdomains\":\"\"}}", "subdomains" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"from\":\"everywhere\"}}", "from" },
                { "{\"allow\":true,\"user\":\"a\",\"policy\":{\"future\":1}}", "future" },
                { "{\"allow\":false,\"reason\":7}", "reason" },
                { "{\"allow\":false,\"reason\":\"\\u0000\"}", "reason" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                WebhookAnswer a;
                char *why;
                int r = parse(WEBHOOK_LOGIN, cases[i].body, &a, &why);

                if (r != -EBADMSG || !why || !strstr(why, cases[i].why))
                        fail_msg("%s: %d, %s", cases[i].body, r, why ? why : "no reason");
                assert_null(a.user);
                free(why);
        }
}

static void test_a_no_may_have_a_reason_fit_for_a_terminal(void **state _unused_) {
        static const struct {
                const char *body, *reason; /* NULL: none */
        } cases[] = {
                { "{\"allow\":false}", NULL },
                { "{\"allow\":false,\"reason\":null}", NULL },
                { "{\"allow\":false,\"reason\":\"\"}", NULL },
                { "{\"allow\":false,\"user\":7,\"policy\":7,\"reason\":\"No\"}", "No" },
                { "{\"allow\":false,\"reason\":\"gr\\u00fc\\u00df\"}", "gr\xc3\xbc\xc3\x9f" },
                { "{\"allow\":false,\"reason\":\"a\\u001b[31m\\nb\\u009b\"}", "a\\x1b[31m\\x0ab\\xc2\\x9b" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                WebhookAnswer a;
                char *why;

                assert_int_equal(parse(WEBHOOK_LOGIN, cases[i].body, &a, &why), 0);
                assert_false(a.allow);
                if (cases[i].reason)
                        assert_string_equal(a.reason, cases[i].reason);
                else
                        assert_null(a.reason);
                webhook_answer_done(&a);
        }
}

static void test_a_long_reason_is_cut_between_characters(void **state _unused_) {
        _cleanup_free_ char *spaces = str_format("%*s", WEBHOOK_REASON_BYTES_MAX - 1, "");
        _cleanup_free_ char *body = str_format("{\"allow\":false,\"reason\":\"%s\xc3\xa4x\"}", spaces);
        WebhookAnswer a;
        char *why;

        assert_int_equal(parse(WEBHOOK_LOGIN, body, &a, &why), 0);
        assert_string_equal(a.reason, spaces);
        webhook_answer_done(&a);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_login_is_asked_with_token_and_client),
                cmocka_unit_test(test_a_tunnel_is_asked_with_what_was_wished),
                cmocka_unit_test(test_a_logout_is_told_with_the_user),
                cmocka_unit_test(test_a_yes_tells_the_user_and_what_it_may),
                cmocka_unit_test(test_a_policy_is_not_needed),
                cmocka_unit_test(test_a_tunnel_is_allowed_without_a_user),
                cmocka_unit_test(test_what_is_no_clear_yes_is_no_answer),
                cmocka_unit_test(test_a_no_may_have_a_reason_fit_for_a_terminal),
                cmocka_unit_test(test_a_long_reason_is_cut_between_characters),
        };

        return cmocka_run_group_tests_name("server/webhook-message", tests, NULL, NULL);
}
