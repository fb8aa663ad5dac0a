/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/auth-webhook.h"

#include "../net/hook-fixture.h"

#define YES "{\"allow\":true,\"user\":\"alice\",\"policy\":{\"max_tunnels\":4}}"
#define NO "{\"allow\":false,\"reason\":\"No\"}"

static Auth *make_auth(const char *cache) {
        AuthWebhookOptions options = { .url = hook_url, .timeout_usec = 10 * USEC_PER_SEC };
        ConfigList faults = {};
        Auth *a = NULL;

        assert_int_equal(parse_time(cache, &options.cache_usec), 0);
        assert_int_equal(auth_webhook_new(&a, worker, &options, &faults), 0);
        assert_int_equal(faults.n, 0);
        return a;
}

typedef struct Answer {
        AuthPending *pending;
        unsigned n;
        User *user; /* a reference */
        char *why;  /* owned */
        struct Answer *cancels;
} Answer;

static void on_answer(AuthPending *p, User *user, const char *why, void *userdata) {
        Answer *a = userdata;

        assert_true(!p || p == a->pending);
        a->pending = NULL;
        a->n++;
        a->user = user_ref(user);
        a->why = why ? strdup(why) : NULL;
        if (a->cancels)
                a->cancels->pending = auth_cancel(a->cancels->pending);
}

static void answer_done(Answer *a) {
        user_unref(a->user);
        free(a->why);
        *a = (Answer){};
}

static void ask(Auth *auth, const char *token, Answer *a) {
        Address peer;
        const AuthQuestion q = {
                .token = token, .peer = &peer, .client_label = "c", .os = "", .arch = "", .version = ""
        };
        AuthPending *pending = NULL;

        assert_int_equal(address_parse("192.0.2.1:1", &peer), 0);
        assert_int_equal(auth_ask(auth, &q, &pending, on_answer, a), 0);
        assert_true(!pending == (a->n > 0));
        a->pending = pending;
}

/* TOKEN is allowed at once: it is remembered. */
static void expect_remembered(Auth *auth, const char *token) {
        Answer a = {};

        ask(auth, token, &a);
        assert_int_equal(a.n, 1);
        assert_non_null(a.user);
        answer_done(&a);
}

/* The hook is asked about TOKEN over FD and says BODY. */
static void expect_asked(Auth *auth, int fd, const char *token, const char *body) {
        Answer a = {};

        ask(auth, token, &a);
        assert_int_equal(a.n, 0);
        free(hook_read(fd, "}}"));
        hook_answer_body(fd, body);
        turn_while(a.n == 0);
        assert_int_equal(!a.user, !strstr(body, "true"));
        answer_done(&a);
}

/* The first question of AUTH, which is allowed. Returns the connection. */
static int begin(Auth *auth, const char *token) {
        Answer a = {};
        int fd;

        ask(auth, token, &a);
        fd = hook_accept();
        free(hook_read(fd, "}}"));
        hook_answer_body(fd, YES);
        turn_while(a.n == 0);
        assert_string_equal(a.user->name, "alice");
        assert_int_equal(a.user->policy.max_tunnels, 4);
        answer_done(&a);
        return fd;
}

static void test_a_yes_is_remembered_and_a_no_is_not(void **state _unused_) {
        Auth *auth = make_auth("60s");
        _cleanup_close_ int fd = begin(auth, "a");

        expect_remembered(auth, "a");
        expect_asked(auth, fd, "b", NO);
        expect_asked(auth, fd, "b", NO);
        expect_asked(auth, fd, "b", YES);
        expect_remembered(auth, "b");
        auth_free(auth);
}

static void test_what_was_remembered_can_be_forgotten(void **state _unused_) {
        Auth *auth = make_auth("60s");
        _cleanup_close_ int fd = begin(auth, "a");

        auth_forget(auth, "bob");
        expect_remembered(auth, "a");
        auth_forget(auth, "alice");
        expect_asked(auth, fd, "a", YES);
        expect_remembered(auth, "a");
        auth_forget(auth, NULL);
        expect_asked(auth, fd, "a", NO);
        auth_free(auth);
}

static void test_an_answer_from_before_forgetting_is_not_remembered(void **state _unused_) {
        Auth *auth = make_auth("60s");
        _cleanup_close_ int fd = begin(auth, "other"), second = -1;
        Answer before = {}, after = {};

        ask(auth, "a", &before);
        free(hook_read(fd, "}}"));
        auth_forget(auth, "alice");
        ask(auth, "a", &after); /* does not join the old question */
        second = hook_accept();
        free(hook_read(second, "}}"));
        hook_answer_body(fd, YES);
        turn_while(before.n == 0);
        assert_non_null(before.user);
        assert_int_equal(after.n, 0);
        hook_answer_body(second, NO);
        turn_while(after.n == 0);
        assert_null(after.user);
        assert_string_equal(after.why, "No");
        expect_asked(auth, fd, "a", NO);
        answer_done(&before);
        answer_done(&after);
        auth_free(auth);
}

static void test_equal_questions_are_one_for_those_who_still_wait(void **state _unused_) {
        Auth *auth = make_auth("0");
        _cleanup_close_ int fd = begin(auth, "a");
        Answer answers[4] = {};

        for (size_t i = 0; i < ELEMENTSOF(answers); i++)
                ask(auth, "a", &answers[i]);
        free(hook_read(fd, "}}"));
        answers[1].pending = auth_cancel(answers[1].pending);
        answers[2].cancels = &answers[3]; /* while it is answered */
        hook_answer_body(fd, YES);
        turn_while(answers[2].n == 0);
        hook_expect_nobody();
        assert_int_equal(answers[0].n, 1);
        assert_int_equal(answers[1].n, 0);
        assert_int_equal(answers[3].n, 0);
        assert_ptr_equal(answers[0].user, answers[2].user);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++)
                answer_done(&answers[i]);
        auth_free(auth);
}

static void test_a_question_that_nobody_waits_for_ends(void **state _unused_) {
        Auth *auth = make_auth("60s");
        _cleanup_close_ int fd = begin(auth, "other");
        Answer a = {};

        ask(auth, "a", &a);
        free(hook_read(fd, "}}"));
        auth_cancel(a.pending);
        assert_null(auth_cancel(NULL));
        far_expect_end(fd);
        close(TAKE_FD(fd));
        fd = begin(auth, "a");
        assert_int_equal(a.n, 0);
        auth_free(auth);
}

static void test_so_many_wait_from_one_address(void **state _unused_) {
        Auth *auth = make_auth("60s");
        _cleanup_close_ int fd = begin(auth, "other");
        Answer answers[128] = {}, more = {};
        AuthPending *pending;
        Address peer;
        AuthQuestion q = {
                .token = "more", .peer = &peer, .client_label = "", .os = "", .arch = "", .version = ""
        };

        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                _cleanup_free_ char *token = str_format("%zu", i / 2);

                ask(auth, token, &answers[i]);
        }
        assert_int_equal(address_parse("192.0.2.1:1", &peer), 0);
        assert_int_equal(auth_ask(auth, &q, &pending, on_answer, &more), -ENOBUFS);
        q.token = "0"; /* an equal one is under way */
        assert_int_equal(auth_ask(auth, &q, &pending, on_answer, &more), -ENOBUFS);
        assert_int_equal(address_parse("192.0.2.2:1", &peer), 0);
        assert_int_equal(auth_ask(auth, &q, &more.pending, on_answer, &more), 0);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++)
                auth_cancel(answers[i].pending);
        auth_cancel(more.pending);
        auth_free(auth);
}

static void test_a_tunnel_is_asked_each_time(void **state _unused_) {
        Auth *auth = make_auth("60s");
        _cleanup_close_ int fd = begin(auth, "a");
        _cleanup_(user_unrefp) User *user = NULL;
        MessageReqTunnel m = { .protocol = (char*) "http" };
        Address peer;
        const AuthClient client = { .client_label = "c", .peer = &peer };

        assert_int_equal(address_parse("192.0.2.1:1", &peer), 0);
        assert_int_equal(user_new(&user, "alice", NULL), 0);
        for (unsigned i = 0; i < 3; i++) {
                AuthClient c = client;
                Answer a = {};

                c.user = user;
                assert_int_equal(auth_ask_tunnel(auth, &c, &m, &a.pending, on_answer, &a), 0);
                free(hook_read(fd, "}}"));
                hook_answer_body(fd, i < 2 ? "{\"allow\":true}" : NO);
                turn_while(a.n == 0);
                if (i < 2)
                        assert_ptr_equal(a.user, user);
                else
                        assert_string_equal(a.why, "No");
                answer_done(&a);
        }
        auth_free(auth);
}

static void test_what_the_files_lack_is_told(void **state _unused_) {
        static const struct {
                AuthWebhookOptions options;
                const char *fault;
        } cases[] = {
                { { .url = "https://a.test/", .secret_file = "/nonexistent/secret" },
                  "/nonexistent/secret: " },
                { { .url = "https://a.test/", .secret_file = "/dev/null" },
                  "/dev/null: the webhook's secret" },
                { { .url = "https://a.test/", .ca_file = "/nonexistent/ca" }, "/nonexistent/ca" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ConfigList faults = {};
                Auth *a = NULL;

                assert_int_equal(auth_webhook_new(&a, worker, &cases[i].options, &faults), -EINVAL);
                assert_null(a);
                assert_int_equal(faults.n, 1);
                assert_non_null(strstr(faults.items[0], cases[i].fault));
                config_list_done(&faults);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                hook_test(test_a_yes_is_remembered_and_a_no_is_not),
                hook_test(test_what_was_remembered_can_be_forgotten),
                hook_test(test_an_answer_from_before_forgetting_is_not_remembered),
                hook_test(test_equal_questions_are_one_for_those_who_still_wait),
                hook_test(test_a_question_that_nobody_waits_for_ends),
                hook_test(test_so_many_wait_from_one_address),
                hook_test(test_a_tunnel_is_asked_each_time),
                hook_test(test_what_the_files_lack_is_told),
        };

        return cmocka_run_group_tests_name("server/auth-webhook", tests, NULL, NULL);
}
