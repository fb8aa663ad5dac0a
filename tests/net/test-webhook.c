/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook-fixture.h"

#include "net/webhook.h"

#define TIMEOUT_USEC (10 * USEC_PER_SEC)
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

typedef struct Result {
        unsigned n_called;
        int error;
        unsigned status;
        char *body, *why; /* owned */
        size_t n;
        Webhook *again; /* borrowed: asks once more when the answer is there */
        struct Result *next;
} Result;

static void on_reply(const WebhookReply *reply, void *userdata) {
        Result *r = userdata;

        r->n_called++;
        r->error = reply->error;
        r->status = reply->status;
        r->n = reply->n;
        free(r->body);
        r->body = strndup(reply->body ? reply->body : "", reply->n);
        assert_true(str_replace(&r->why, reply->why) >= 0);
        if (r->again)
                assert_int_equal(webhook_post(r->again, NULL, strdup("again"), on_reply, r->next), 0);
}

static void result_done(Result *r) {
        free(r->body);
        free(r->why);
        *r = (Result){};
}

static Webhook *make_hook(const char *secret, uint64_t timeout_usec) {
        WebhookOptions options = { .url = hook_url, .secret = secret, .timeout_usec = timeout_usec };
        Webhook *h = NULL;
        char *why = NULL;

        assert_int_equal(webhook_new(&h, worker, &options, &why), 0);
        assert_null(why);
        return h;
}

static void post(Webhook *h, Result *r) {
        assert_int_equal(webhook_post(h, NULL, strdup("{\"a\":1}"), on_reply, r), 0);
        assert_int_equal(r->n_called, 0);
}

/* One question and its answer, over a connection of its own. */
static void exchange(const char *answer, Result *r) {
        Webhook *h = make_hook(NULL, TIMEOUT_USEC);
        _cleanup_close_ int fd = -1;

        post(h, r);
        fd = hook_accept();
        free(hook_read(fd, "{\"a\":1}"));
        hook_answer(fd, answer);
        turn_while(r->n_called == 0);
        webhook_free(h);
}

/* ---- without a network ---- */

static void test_only_https_and_loopback_are_asked(void **state _unused_) {
        static const struct {
                const char *url, *fault; /* NULL: right */
        } cases[] = {
                { "https://example.com", NULL },
                { "https://example.com/", NULL },
                { "https://example.com:8443/a/b?c=d", NULL },
                { "https://192.0.2.1/x", NULL },
                { "https://[2001:db8::1]:1/x", NULL },
                { "http://localhost/x", NULL },
                { "http://localhost:80", NULL },
                { "http://127.0.0.1:8080/x", NULL },
                { "http://127.9.9.9/x", NULL },
                { "http://[::1]:8080/x", NULL },
                { "http://example.com/x", "https://" },
                { "http://192.0.2.1/x", "https://" },
                { "http://[2001:db8::1]/x", "https://" },
                { "http://127.0.0.1.example.com/", "https://" },
                { "http://localhost.example.com/", "https://" },
                { "http://localhost@example.com/", "without a user" },
                { "http://localhost#@example.com/", "without a user" },
                { "http://localhost\\@example.com/", "without a user" },
                { "https://user:secret@example.com/", "without a user" },
                { "https://example.com/a b", "special" },
                { "https://example.com/\n", "special" },
                { "https://example.com/\xc3\xa4", "special" },
                { "https:///x", "host" },
                { "https://", "host" },
                { "https://example.com:0x1/", "port" },
                { "https://example.com:65536/", "port" },
                { "ftp://localhost/x", "https://" },
                { "file:///etc/passwd", "https://" },
                { "example.com", "https://" },
                { "", "https://" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *fault = webhook_check_url(cases[i].url);

                if (!fault != !cases[i].fault || (fault && !strstr(fault, cases[i].fault)))
                        fail_msg("%s: %s", cases[i].url, fault ? fault : "right");
        }
}

static void test_a_signature_is_the_hmac_of_time_and_body(void **state _unused_) {
        char s[WEBHOOK_SIGNATURE_SIZE];

        /* python3 -c 'import hmac; print(hmac.new(b"secret", b"1700000000.{\"a\":1}", "sha256").hexdigest())'
         */
        assert_int_equal(webhook_sign("secret", 1700000000, "{\"a\":1}", s), 0);
        assert_string_equal(
                s, "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686");
        /* the longest time fits */
        assert_int_equal(webhook_sign("secret", INT64_MAX, "", s), 0);
        assert_int_equal(strlen(s), strlen("t=9223372036854775807,v1=") + 64);
}

/* ---- with one ---- */

static void test_a_question_is_a_signed_post_and_its_answer_comes_back(void **state _unused_) {
        Webhook *h = make_hook("secret", TIMEOUT_USEC);
        char signature[WEBHOOK_SIGNATURE_SIZE];
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *request = NULL;
        Result r = {};
        const char *sent;

        post(h, &r);
        fd = hook_accept();
        request = hook_read(fd, "{\"a\":1}");
        hook_answer(fd, "HTTP/1.1 201 Made\r\nContent-Length: 5\r\n\r\nhello");
        turn_while(r.n_called == 0);
        assert_int_equal(r.error, 0);
        assert_int_equal(r.status, 201);
        assert_string_equal(r.body, "hello");

        assert_non_null(str_skip_prefix(request, "POST /hook?a=b HTTP/1.1\r\n"));
        assert_non_null(strstr(request, "\r\nContent-Type: application/json\r\n"));
        assert_null(strstr(request, "Expect"));
        sent = strstr(request, "\r\nX-Pgrok-Signature: ");
        assert_non_null(sent);
        sent += strlen("\r\nX-Pgrok-Signature: ");
        assert_int_equal(webhook_sign("secret", atoll(sent + 2), "{\"a\":1}", signature), 0);
        assert_memory_equal(sent, signature, strlen(signature));
        webhook_free(h);
        result_done(&r);
}

static void test_without_a_secret_nothing_is_signed(void **state _unused_) {
        Webhook *h = make_hook(NULL, TIMEOUT_USEC);
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *request = NULL;
        Result r = {};

        post(h, &r);
        fd = hook_accept();
        request = hook_read(fd, "{\"a\":1}");
        assert_null(strstr(request, "Signature"));
        webhook_free(h);
}

static void test_a_connection_is_used_again(void **state _unused_) {
        Webhook *h = make_hook(NULL, TIMEOUT_USEC);
        _cleanup_close_ int fd = -1;

        for (unsigned i = 0; i < 3; i++) {
                Result r = {};

                post(h, &r);
                if (i == 0)
                        fd = hook_accept();
                free(hook_read(fd, "{\"a\":1}"));
                hook_answer(fd, OK);
                turn_while(r.n_called == 0);
                assert_string_equal(r.body, "ok");
                result_done(&r);
        }
        webhook_free(h);
}

static void test_a_connection_that_was_closed_meanwhile_is_replaced(void **state _unused_) {
        Webhook *h = make_hook(NULL, TIMEOUT_USEC);

        for (unsigned i = 0; i < 3; i++) {
                _cleanup_close_ int fd = -1;
                Result r = {};

                post(h, &r);
                fd = hook_accept();
                free(hook_read(fd, "{\"a\":1}"));
                hook_answer(fd, OK);
                turn_while(r.n_called == 0);
                assert_int_equal(r.error, 0);
                result_done(&r);
        }
        webhook_free(h);
}

static void test_a_redirect_is_an_answer_like_any_other(void **state _unused_) {
        Result r = {};

        exchange("HTTP/1.1 307 Elsewhere\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", &r);
        assert_int_equal(r.error, 0);
        assert_int_equal(r.status, 307);
        assert_int_equal(r.n, 0);
        result_done(&r);
}

static void test_an_answer_has_64_kib_at_most(void **state _unused_) {
        for (unsigned more = 0; more < 2; more++)
                for (unsigned chunked = 0; chunked < 2; chunked++) {
                        size_t n = WEBHOOK_BODY_MAX + more;
                        _cleanup_free_ char *spaces = str_format("%*s", (int) n, "");
                        _cleanup_free_ char *answer =
                                chunked ? str_format("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                                     "%zx\r\n%s\r\n0\r\n\r\n",
                                                     n, spaces)
                                        : str_format("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", n,
                                                     spaces);
                        Result r = {};

                        exchange(answer, &r);
                        assert_int_equal(r.error, more ? -ENOBUFS : 0);
                        assert_int_equal(r.n, more ? 0 : WEBHOOK_BODY_MAX);
                        assert_int_equal(!!strstr(r.why, "64 KiB"), more);
                        result_done(&r);
                }
}

static void test_what_is_no_answer_fails_with_a_reason(void **state _unused_) {
        static const char *const answers[] = {
                "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                "SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                Result r = {};

                exchange(answers[i], &r);
                assert_int_equal(r.error, -EIO);
                assert_string_not_equal(r.why, "");
                result_done(&r);
        }
}

static void test_nobody_there_fails_with_a_reason(void **state _unused_) {
        Webhook *h = make_hook(NULL, TIMEOUT_USEC);
        Result r = {};

        hook_close();
        post(h, &r);
        turn_while(r.n_called == 0);
        assert_int_equal(r.error, -EIO);
        assert_non_null(strstr(r.why, "connect"));
        webhook_free(h);
        result_done(&r);
}

static void test_who_answers_too_late_is_not_waited_for(void **state _unused_) {
        Webhook *h = make_hook(NULL, 100 * USEC_PER_MSEC);
        _cleanup_close_ int fd = -1;
        Result r = {};

        post(h, &r);
        fd = hook_accept();
        free(hook_read(fd, "{\"a\":1}"));
        hook_answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
        turn_while(r.n_called == 0);
        assert_int_equal(r.error, -ETIMEDOUT);
        assert_int_equal(r.n, 0);
        turn_for(50 * USEC_PER_MSEC);
        assert_int_equal(r.n_called, 1);
        webhook_free(h);
        result_done(&r);
}

static void test_calls_beyond_the_bound_wait_for_their_turn(void **state _unused_) {
        Webhook *h = make_hook(NULL, TIMEOUT_USEC);
        Result results[WEBHOOK_CALLS_MAX + 2] = {};
        int fds[WEBHOOK_CALLS_MAX];

        for (size_t i = 0; i < ELEMENTSOF(results); i++)
                post(h, &results[i]);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = hook_accept();
        hook_expect_nobody();
        for (unsigned i = 0; i < 3; i++) { /* one connection carries all three */
                free(hook_read(fds[0], "{\"a\":1}"));
                hook_answer(fds[0], OK);
        }
        turn_while(results[WEBHOOK_CALLS_MAX].n_called == 0 || results[WEBHOOK_CALLS_MAX + 1].n_called == 0);
        webhook_free(h);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
        for (size_t i = 0; i < ELEMENTSOF(results); i++)
                result_done(&results[i]);
}

static void test_the_queue_is_bounded_and_its_wait_counts(void **state _unused_) {
        Webhook *h = make_hook(NULL, 300 * USEC_PER_MSEC);
        size_t n = WEBHOOK_CALLS_MAX + WEBHOOK_QUEUE_MAX;
        Result *results = new0(Result, n), over = {};
        unsigned n_late = 0;

        for (size_t i = 0; i < n; i++)
                post(h, &results[i]);
        assert_int_equal(webhook_post(h, NULL, strdup("x"), on_reply, &over), -ENOBUFS);
        turn_while(results[n - 1].n_called == 0);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(results[i].n_called, 1);
                n_late += results[i].error == -ETIMEDOUT;
                result_done(&results[i]);
        }
        assert_int_equal(n_late, n);
        assert_int_equal(over.n_called, 0);
        webhook_free(h);
        free(results);
}

static void test_a_cancelled_call_is_never_answered(void **state _unused_) {
        Webhook *h = make_hook(NULL, TIMEOUT_USEC);
        WebhookCall *call = NULL;
        _cleanup_close_ int fd = -1;
        Result cancelled = {}, r = {};

        assert_int_equal(webhook_post(h, &call, strdup("x"), on_reply, &cancelled), 0);
        fd = hook_accept();
        free(hook_read(fd, "x"));
        webhook_cancel(call);
        webhook_cancel(NULL);
        far_expect_end(fd);
        assert_int_equal(webhook_post(h, &call, strdup("x"), on_reply, &cancelled), 0);
        webhook_cancel(call); /* before it has begun */
        close(TAKE_FD(fd));
        post(h, &r);
        fd = hook_accept();
        free(hook_read(fd, "{\"a\":1}"));
        hook_answer(fd, OK);
        turn_while(r.n_called == 0);
        assert_int_equal(cancelled.n_called, 0);
        webhook_free(h);
        result_done(&r);
}

static void test_an_answer_may_lead_to_a_question(void **state _unused_) {
        Webhook *h = make_hook(NULL, TIMEOUT_USEC);
        _cleanup_close_ int fd = -1;
        Result second = {}, first = { .again = h, .next = &second };

        post(h, &first);
        fd = hook_accept();
        free(hook_read(fd, "{\"a\":1}"));
        hook_answer(fd, OK);
        free(hook_read(fd, "again"));
        hook_answer(fd, OK);
        turn_while(second.n_called == 0);
        assert_int_equal(first.n_called, 1);
        webhook_free(h);
        result_done(&first);
        result_done(&second);
}

static void test_a_proxy_of_the_environment_is_ignored(void **state _unused_) {
        Result r = {};

        setenv("http_proxy", "http://127.0.0.1:1", 1);
        setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
        exchange(OK, &r);
        unsetenv("http_proxy");
        unsetenv("ALL_PROXY");
        assert_int_equal(r.status, 200);
        result_done(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_only_https_and_loopback_are_asked),
                cmocka_unit_test(test_a_signature_is_the_hmac_of_time_and_body),
                hook_test(test_a_question_is_a_signed_post_and_its_answer_comes_back),
                hook_test(test_without_a_secret_nothing_is_signed),
                hook_test(test_a_connection_is_used_again),
                hook_test(test_a_connection_that_was_closed_meanwhile_is_replaced),
                hook_test(test_a_redirect_is_an_answer_like_any_other),
                hook_test(test_an_answer_has_64_kib_at_most),
                hook_test(test_what_is_no_answer_fails_with_a_reason),
                hook_test(test_nobody_there_fails_with_a_reason),
                hook_test(test_who_answers_too_late_is_not_waited_for),
                hook_test(test_calls_beyond_the_bound_wait_for_their_turn),
                hook_test(test_the_queue_is_bounded_and_its_wait_counts),
                hook_test(test_a_cancelled_call_is_never_answered),
                hook_test(test_an_answer_may_lead_to_a_question),
                hook_test(test_a_proxy_of_the_environment_is_ignored),
        };

        return cmocka_run_group_tests_name("net/webhook", tests, NULL, NULL);
}
