/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/tunnels.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static TunnelConfig web = { .name = (char*) "web", .is_selected = true, .proto = (char*) "http+https" };
static TunnelConfig shell = { .name = (char*) "shell", .is_selected = true, .proto = (char*) "tcp" };
static TunnelConfig fixed = {
        .name = (char*) "fixed", .is_selected = true, .proto = (char*) "http", .subdomain = (char*) "mine"
};
static TunnelConfig other = { .name = (char*) "other", .proto = (char*) "http" };

typedef struct Fixture {
        Tunnels tunnels;
        MessageReqTunnel request;
} Fixture;

static unsigned left;

static int setup(void **state) {
        TunnelConfig *configs[] = { &web, &other, &shell, &fixed };
        Fixture *f = new0(Fixture, 1);

        assert_int_equal(tunnels_init(&f->tunnels, configs, ELEMENTSOF(configs)), 0);
        tunnels_restart(&f->tunnels);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        tunnels_done(&f->tunnels);
        free(f);
        return 0;
}

static Tunnel *ask(Fixture *f, const char *name) {
        Tunnel *t = tunnels_ask_next(&f->tunnels, &f->request);

        assert_non_null(t);
        assert_string_equal(t->config->name, name);
        return t;
}

static int answer(Fixture *f, const char *req_id, const char *proto, const char *url, const char *error) {
        MessageNewTunnel m = { .req_id = (char*) req_id,
                               .protocol = (char*) proto,
                               .url = (char*) url,
                               .error = (char*) error };
        Tunnel *t = NULL;

        return tunnels_answer(&f->tunnels, &m, &t);
}

static int grant(Fixture *f, const Tunnel *t, const char *proto, const char *url) {
        return answer(f, t->req_id, proto, url, NULL);
}

static void test_a_url_may_be_a_wildcard(void **state) {
        Fixture *f = *state;
        Tunnel *t = ask(f, "web");

        assert_int_equal(grant(f, t, "http", "http://*.example.org:8080"), TUNNEL_ANSWER_UP);
        assert_ptr_equal(tunnels_find(&f->tunnels, "http://*.example.org:8080", &left), &web);
        assert_int_equal(grant(f, t, "https", "https://*:8443"), -EPROTO);
}

static void test_only_selected_ones_are_asked_for_in_order(void **state) {
        Fixture *f = *state;

        ask(f, "web");
        assert_string_equal(f->request.protocol, "http+https");
        assert_null(f->request.subdomain);
        ask(f, "shell");
        ask(f, "fixed");
        assert_string_equal(f->request.subdomain, "mine");
        assert_null(tunnels_ask_next(&f->tunnels, &f->request));
        assert_false(tunnels_are_answered(&f->tunnels));
}

static void test_each_protocol_has_its_answer(void **state) {
        Fixture *f = *state;
        Tunnel *t = ask(f, "web");

        assert_int_equal(grant(f, t, "http", "http://a.example"), TUNNEL_ANSWER_UP);
        assert_int_equal(t->state, TUNNEL_UP);
        assert_int_equal(grant(f, t, "https", "https://a.example:8443"), TUNNEL_ANSWER_UP);
        assert_int_equal(t->n_urls, 2);
        assert_ptr_equal(tunnels_find(&f->tunnels, "https://a.example:8443", &left), t->config);
        assert_null(tunnels_find(&f->tunnels, "https://a.example", &left));
        assert_int_equal(tunnels_count(&f->tunnels, TUNNEL_UP), 1);
}

static void test_answers_that_fit_no_request_break_the_protocol(void **state) {
        Fixture *f = *state;
        Tunnel *t = ask(f, "web");

        assert_int_equal(answer(f, "unknown", "http", "http://a.example", NULL), -EPROTO);
        assert_int_equal(answer(f, "", "http", "http://a.example", NULL), -EPROTO);
        assert_int_equal(grant(f, t, "tcp", "tcp://a.example:1"), -EPROTO);
        assert_int_equal(grant(f, t, "http", "https://a.example"), -EPROTO);
        assert_int_equal(grant(f, t, "http", "http://"), -EPROTO);
        assert_int_equal(grant(f, t, "http", "a.example"), -EPROTO);
        assert_int_equal(grant(f, t, NULL, "http://a.example"), -EPROTO);
        assert_int_equal(grant(f, t, "http", NULL), -EPROTO);
        assert_int_equal(grant(f, t, "http", "http://a.example"), TUNNEL_ANSWER_UP);
        assert_int_equal(grant(f, t, "http", "http://b.example"), -EPROTO);
        t = ask(f, "shell");
        assert_int_equal(grant(f, t, "tcp", "tcp://a.example:x"), -EPROTO);
        assert_int_equal(t->state, TUNNEL_ASKED);
}

static void test_no_two_tunnels_have_one_url(void **state) {
        Fixture *f = *state;
        Tunnel *first = ask(f, "web"), *second;

        ask(f, "shell");
        second = ask(f, "fixed");
        assert_int_equal(grant(f, first, "http", "http://a.example"), TUNNEL_ANSWER_UP);
        assert_int_equal(grant(f, second, "http", "http://a.example"), -EPROTO);
}

static void test_what_we_had_is_asked_for_again(void **state) {
        Fixture *f = *state;

        assert_int_equal(grant(f, ask(f, "web"), "http", "http://amazing-coder.example.com:8080"),
                         TUNNEL_ANSWER_UP);
        assert_int_equal(grant(f, ask(f, "shell"), "tcp", "tcp://example.com:20022"), TUNNEL_ANSWER_UP);
        tunnels_restart(&f->tunnels);
        assert_null(tunnels_find(&f->tunnels, "tcp://example.com:20022", &left));
        ask(f, "web");
        assert_string_equal(f->request.subdomain, "amazing-coder");
        ask(f, "shell");
        assert_int_equal(f->request.remote_port, 20022);
}

static void test_what_is_gone_is_asked_for_with_less(void **state) {
        Fixture *f = *state;
        Tunnel *t = ask(f, "web");

        assert_int_equal(grant(f, t, "http", "http://amazing-coder.example.com"), TUNNEL_ANSWER_UP);
        tunnels_restart(&f->tunnels);
        t = ask(f, "web");
        assert_int_equal(answer(f, t->req_id, "http", "", "taken"), TUNNEL_ANSWER_AGAIN);
        ask(f, "web");
        assert_null(f->request.subdomain);
        assert_int_equal(answer(f, t->req_id, "http", "", "no more names"), TUNNEL_ANSWER_REFUSED);
        assert_int_equal(t->state, TUNNEL_REFUSED);
}

static void test_what_is_configured_is_refused_for_good(void **state) {
        Fixture *f = *state;
        Tunnel *t;

        assert_int_equal(grant(f, ask(f, "web"), "http", "http://a.example"), TUNNEL_ANSWER_UP);
        assert_int_equal(grant(f, ask(f, "shell"), "tcp", "tcp://a.example:1"), TUNNEL_ANSWER_UP);
        t = ask(f, "fixed");
        assert_int_equal(answer(f, t->req_id, "", "", "taken"), TUNNEL_ANSWER_REFUSED);
        assert_true(tunnels_are_answered(&f->tunnels));
        assert_null(tunnels_ask_next(&f->tunnels, &f->request));
        tunnels_retry_refused(&f->tunnels);
        ask(f, "fixed");
}

static void test_an_error_without_request_is_the_oldest_ones(void **state) {
        Fixture *f = *state;
        Tunnel *t = ask(f, "web");

        ask(f, "shell");
        assert_int_equal(answer(f, "", "", "", "taken"), TUNNEL_ANSWER_REFUSED);
        assert_int_equal(t->state, TUNNEL_REFUSED);
}

static void test_a_second_protocol_that_fails_leaves_the_first(void **state) {
        Fixture *f = *state;
        Tunnel *t = ask(f, "web");

        assert_int_equal(grant(f, t, "http", "http://a.example"), TUNNEL_ANSWER_UP);
        assert_int_equal(answer(f, "", "", "", "taken"), TUNNEL_ANSWER_REFUSED);
        assert_int_equal(t->state, TUNNEL_UP);
        assert_ptr_equal(tunnels_find(&f->tunnels, "http://a.example", &left), t->config);
}

static void test_an_error_for_nothing_breaks_the_protocol(void **state) {
        Fixture *f = *state;

        assert_int_equal(answer(f, "unknown", "", "", "taken"), -EPROTO);
}

static void test_more_tunnels_leave_the_others_as_they_are(void **state) {
        TunnelConfig added = { .name = (char*) "added", .is_selected = true, .proto = (char*) "http" };
        TunnelConfig same = web;
        TunnelConfig *configs[] = { &added, &same, &shell, &fixed };
        Fixture *f = *state;

        assert_int_equal(grant(f, ask(f, "web"), "http", "http://a.example"), TUNNEL_ANSWER_UP);
        ask(f, "shell");
        ask(f, "fixed");
        assert_int_equal(tunnels_replace(&f->tunnels, configs, ELEMENTSOF(configs)), 1);
        assert_ptr_equal(tunnels_find(&f->tunnels, "http://a.example", &left), &same);
        ask(f, "added");
        assert_null(tunnels_ask_next(&f->tunnels, &f->request));
        assert_int_equal(tunnels_count(&f->tunnels, TUNNEL_ASKED), 3);
}

static void test_a_tunnel_that_changes_or_goes_makes_all_begin_anew(void **state) {
        TunnelConfig changed = shell;
        TunnelConfig *fewer[] = { &web, &shell }, *different[] = { &web, &changed };
        Fixture *f = *state;

        changed.remote_port = 22;
        assert_int_equal(grant(f, ask(f, "web"), "http", "http://a.example"), TUNNEL_ANSWER_UP);
        assert_int_equal(tunnels_replace(&f->tunnels, fewer, ELEMENTSOF(fewer)), 0);
        assert_int_equal(tunnels_replace(&f->tunnels, different, ELEMENTSOF(different)), 0);
        tunnels_restart(&f->tunnels);
        ask(f, "web");
        assert_string_equal(f->request.subdomain, "a"); /* what it had it gets again */
        ask(f, "shell");
        assert_int_equal(f->request.remote_port, 22);
        assert_null(tunnels_ask_next(&f->tunnels, &f->request));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static int grant_with(Fixture *f, const Tunnel *t, const char *proto, const char *url, const char *options) {
        MessageNewTunnel m = { .req_id = (char*) t->req_id,
                               .protocol = (char*) proto,
                               .url = (char*) url,
                               .options = (char*) options };
        Tunnel *answered = NULL;

        return tunnels_answer(&f->tunnels, &m, &answered);
}

static void test_what_a_server_does_not_echo_is_ours_or_nobodys(void **state) {
        Fixture *f = *state;
        Tunnel *t = ask(f, "web");

        web.options = tunnel_options_new();
        assert_int_equal(cidr_list_add(&web.options->allow, "10.0.0.0/8"), 0);
        assert_int_equal(grant_with(f, t, "http", "http://a.example", NULL), TUNNEL_ANSWER_UP);
        assert_non_null(tunnels_find(&f->tunnels, "http://a.example", &left));
        assert_int_equal(left, TUNNEL_OPTION_ALLOW);
        assert_int_equal(grant_with(f, t, "https", "https://a.example", "{\"Allow\":[\"10.0.0.0/8\"]}"),
                         TUNNEL_ANSWER_UP);
        assert_non_null(tunnels_find(&f->tunnels, "https://a.example", &left));
        assert_int_equal(left, 0);

        tunnels_restart(&f->tunnels);
        t = ask(f, "web");
        web.options->forwarded = true;
        assert_int_equal(grant_with(f, t, "http", "http://a.example", "{}"), TUNNEL_ANSWER_MISSING);
        assert_int_equal(t->missing, TUNNEL_OPTION_FORWARDED);
        assert_int_equal(grant_with(f, t, "https", "https://a.example", "{}"), TUNNEL_ANSWER_NOTHING);
        assert_null(tunnels_find(&f->tunnels, "http://a.example", &left));
        assert_int_equal(t->state, TUNNEL_REFUSED);
        assert_int_equal(grant_with(f, t, "http", "http://a.example", "[]"), -EPROTO);
        web.options = tunnel_options_unref(web.options);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_url_may_be_a_wildcard),
                TEST(test_only_selected_ones_are_asked_for_in_order),
                TEST(test_each_protocol_has_its_answer),
                TEST(test_answers_that_fit_no_request_break_the_protocol),
                TEST(test_no_two_tunnels_have_one_url),
                TEST(test_what_we_had_is_asked_for_again),
                TEST(test_what_is_gone_is_asked_for_with_less),
                TEST(test_what_is_configured_is_refused_for_good),
                TEST(test_an_error_without_request_is_the_oldest_ones),
                TEST(test_a_second_protocol_that_fails_leaves_the_first),
                TEST(test_an_error_for_nothing_breaks_the_protocol),
                TEST(test_more_tunnels_leave_the_others_as_they_are),
                TEST(test_a_tunnel_that_changes_or_goes_makes_all_begin_anew),
                TEST(test_what_a_server_does_not_echo_is_ours_or_nobodys),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
