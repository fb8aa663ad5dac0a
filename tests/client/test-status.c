/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/status.h"

#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <syslog.h>

#include <cmocka.h>

#include "base/parse.h"
#include "base/str.h"
#include "client/status-view.h"

#define PAGE_MAX 20000

static const ReportOnline online = { .server = "tunnel.example.com:4443",
                                     .user = "alice",
                                     .version = "0.1.0" };
static const ReportTunnel web = {
        .name = "web", .url = "http://web.example.com", .proto = "http", .local = "127.0.0.1:3000"
};
static const ReportTunnel ssh = {
        .name = "ssh", .url = "tcp://example.com:20022", .proto = "tcp", .local = "127.0.0.1:22"
};

static int setup(void **state) {
        static Status status;

        assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
        (void) setenv("TZ", "UTC", 1);
        status = (Status){ .server = strdup("tunnel.example.com:4443") };
        *state = &status;
        return 0;
}

static int teardown(void **state) {
        status_done(*state);
        return 0;
}

/* Rows with '\n' behind each, without blanks at their end. */
static const char *page(const Status *s, unsigned width, unsigned height, uint64_t now_usec) {
        static char text[PAGE_MAX];
        StatusNow now = { .clock_usec = now_usec, .round_trip_usec = 12345 };
        mbstate_t mb = {};
        Canvas c;
        size_t n = 0;

        assert_int_equal(canvas_init(&c, width, height), 0);
        status_view(s, &now, &c);
        for (unsigned i = 0; i < c.width * c.height; i++) {
                if (c.cells[i].character)
                        n += wcrtomb(text + n, c.cells[i].character, &mb);
                if ((i + 1) % c.width == 0) {
                        while (n > 0 && text[n - 1] == ' ')
                                n--;
                        text[n++] = '\n';
                }
        }
        text[n] = '\0';
        canvas_done(&c);
        return text;
}

static void connect_for(Status *s, const ReportTunnel *tunnel, uint64_t duration_usec, const char *error) {
        ReportConnection c = {
                .name = tunnel->name,
                .url = tunnel->url,
                .visitor = "192.0.2.7:4711",
                .duration_usec = duration_usec,
                .in_bytes = 100,
                .out_bytes = 2048,
                .error = error,
        };

        status_connection(s, &c, 3661);
}

static void request(Status *s, const char *method, const char *path, unsigned code, const char *error) {
        ReportRequest r = {
                .name = "web",
                .url = web.url,
                .visitor = "192.0.2.7:4711",
                .method = method,
                .path = path,
                .status = code,
                .duration_usec = 3456,
                .error = error,
        };

        status_request(s, &r, 3661);
}

static void fill(Status *s) {
        status_online(s, &online, 0);
        status_tunnel(s, &web);
        status_tunnel(s, &ssh);
        s->n_open = 3;
        connect_for(s, &ssh, 1500 * USEC_PER_MSEC, NULL);
        connect_for(s, &web, 12 * USEC_PER_MSEC, "the local service's connection was aborted");
}

static void test_a_page_shows_it_all(void **state) {
        fill(*state);
        status_inspector(*state, "http://127.0.0.1:4040");
        assert_string_equal(
                page(*state, 80, 18, 185 * USEC_PER_SEC),
                "pgrok                                                                     q ends\n"
                "\n"
                "Status        online 3min 5s\n"
                "Account       alice\n"
                "Server        tunnel.example.com:4443, version 0.1.0\n"
                "Round trip    12 ms\n"
                "Inspector     http://127.0.0.1:4040\n"
                "Forwarding    http://web.example.com -> 127.0.0.1:3000\n"
                "              tcp://example.com:20022 -> 127.0.0.1:22\n"
                "\n"
                "Connections   3 open, 5 in all; p50 12 ms, p90 1.5 s; 200 B in, 4.0 KiB out\n"
                "\n"
                "01:01:01  http    192.0.2.7:4711: the local service's connection was…      12 ms\n"
                "01:01:01  tcp     192.0.2.7:4711, 100 B in, 2.0 KiB out                    1.5 s\n"
                "\n\n\n\n");
}

static void test_a_small_page_shows_what_matters(void **state) {
        fill(*state);
        status_message(*state, LOG_WARNING, "The token file can't be read");
        assert_string_equal(page(*state, 40, 8, 185 * USEC_PER_SEC),
                            "pgrok  online 3min 5s             q ends\n"
                            "alice at tunnel.example.com:4443, 12 ms\n"
                            "http://web.example.com -> 127.0.0.1:3000\n"
                            "tcp://example.com:20022 -> 127.0.0.1:22\n"
                            "3 open of 5, p50 12 ms, p90 1.5 s\n"
                            "http    192.0.2.7:4711: the …      12 ms\n"
                            "tcp     192.0.2.7:4711, 100 …      1.5 s\n"
                            "The token file can't be read\n");
}

static void test_requests_take_the_place_of_their_connections(void **state) {
        Status *s = *state;

        status_online(s, &online, 0);
        request(s, "GET", "/index.html?q=\x1b[2J", 200, NULL);
        connect_for(s, &web, 12, NULL);
        request(s, "VERSION-CONTROL", "/", 0, "the visitor's connection was aborted");
        connect_for(s, &ssh, 12, NULL);
        assert_non_null(strstr(page(s, 80, 24, 0), "01:01:01  tcp     192.0.2.7:4711, 100 B in"));
        assert_non_null(strstr(page(s, 80, 24, 0), "VERSIO… /: the visitor's connection was aborted"));
        assert_non_null(strstr(
                page(s, 80, 24, 0),
                "01:01:01  GET     /index.html?q=\\x1b[2J                          200      3.5 ms\n"));
        assert_null(strstr(page(s, 80, 24, 0), "  http "));
}

static void test_before_it_is_online_it_connects(void **state) {
        assert_string_equal(page(*state, 40, 4, 0), "pgrok  connecting                 q ends\n"
                                                    "tunnel.example.com:4443\n"
                                                    "0 open\n"
                                                    "\n");
}

static void test_offline_says_why_and_counts_down(void **state) {
        Status *s = *state;

        fill(s);
        status_offline(s, "the server closed the connection", 5 * USEC_PER_SEC, 10 * USEC_PER_SEC);
        assert_non_null(strstr(page(s, 80, 24, 10 * USEC_PER_SEC), "offline, next attempt in 5s\n"));
        assert_non_null(strstr(page(s, 80, 24, 11 * USEC_PER_SEC + 1), "offline, next attempt in 4s\n"));
        assert_non_null(strstr(page(s, 80, 24, 15 * USEC_PER_SEC), "offline, connecting\n"));
        assert_non_null(strstr(page(s, 80, 24, 0), "Reason        the server closed the connection\n"));
        assert_non_null(strstr(page(s, 40, 10, 0), "\nthe server closed the connection\n"));
        assert_non_null(strstr(page(s, 80, 24, 0), web.url)); /* it keeps its name */
        assert_null(strstr(page(s, 80, 24, 0), "Round trip"));
}

static void test_forwardings_without_room_are_counted(void **state) {
        Status *s = *state;

        status_online(s, &online, 0);
        for (unsigned i = 0; i < 40; i++)
                status_tunnel(s, &web);
        assert_non_null(strstr(page(s, 80, 24, 0), "and 26 more: `pgrok status' has all\n"));
        assert_non_null(strstr(page(s, 40, 10, 0), "and 34 more"));
}

static void test_many_forwardings_leave_room_for_events(void **state) {
        Status *s = *state;
        const char *text;

        status_online(s, &online, 0);
        for (unsigned i = 0; i < 40; i++) {
                status_tunnel(s, &web);
                connect_for(s, &ssh, 0, NULL);
        }
        text = page(s, 40, 10, 0);
        assert_non_null(strstr(text, "more"));
        assert_non_null(strstr(text, "tcp "));
}

static void test_a_refused_tunnel_says_why_until_it_is_there(void **state) {
        Status *s = *state;

        status_online(s, &online, 0);
        status_error(s, "web", "The tunnel http://web.example.com is already registered.");
        assert_non_null(strstr(page(s, 100, 24, 0), "web: The tunnel http://web.example.com is already"));
        status_error(s, "web", "The port is taken");
        assert_int_equal(s->n_forwardings, 1);
        status_tunnel(s, &web);
        assert_int_equal(s->n_forwardings, 1);
        assert_non_null(strstr(page(s, 80, 24, 0), "http://web.example.com -> 127.0.0.1:3000"));
}

static void test_tunnels_are_told_anew_once_online_again(void **state) {
        Status *s = *state;

        fill(s);
        status_online(s, &online, 0);
        assert_int_equal(s->n_forwardings, 0);
        assert_int_equal(s->n_connections, 2);
}

static void test_percentiles_are_of_the_latest_connections(void **state) {
        Status *s = *state;

        connect_for(s, &ssh, 7, NULL);
        assert_int_equal(status_percentile(s, 50), 7);
        assert_int_equal(status_percentile(s, 90), 7);
        for (unsigned i = 1; i <= STATUS_DURATIONS_MAX; i++)
                connect_for(s, &ssh, 1000 * USEC_PER_SEC, NULL);
        for (unsigned i = 100; i > 0; i--)
                connect_for(s, &ssh, i, NULL);
        for (unsigned i = 1; i <= STATUS_DURATIONS_MAX - 100; i++)
                connect_for(s, &ssh, 100 + i, NULL);
        assert_int_equal(status_percentile(s, 50), STATUS_DURATIONS_MAX / 2);
        assert_int_equal(status_percentile(s, 90), (STATUS_DURATIONS_MAX * 90 + 99) / 100);
        assert_int_equal(status_percentile(s, 100), STATUS_DURATIONS_MAX);
}

static void test_events_are_the_latest_ones(void **state) {
        Status *s = *state;

        assert_null(status_event(s, 0));
        for (unsigned i = 0; i < 3 * STATUS_EVENTS_MAX; i++)
                connect_for(s, &ssh, i, NULL);
        assert_int_equal(status_event(s, 0)->duration_usec, 3 * STATUS_EVENTS_MAX - 1);
        assert_int_equal(status_event(s, STATUS_EVENTS_MAX - 1)->duration_usec, 2 * STATUS_EVENTS_MAX);
        assert_null(status_event(s, STATUS_EVENTS_MAX));
}

static void test_no_size_of_a_page_is_too_small(void **state) {
        fill(*state);
        status_message(*state, LOG_ERR, "error");
        for (unsigned width = 1; width < 90; width++)
                for (unsigned height = 1; height < 26; height++)
                        assert_true(strlen(page(*state, width, height, 0)) >= height);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_page_shows_it_all),
                TEST(test_a_small_page_shows_what_matters),
                TEST(test_requests_take_the_place_of_their_connections),
                TEST(test_before_it_is_online_it_connects),
                TEST(test_offline_says_why_and_counts_down),
                TEST(test_forwardings_without_room_are_counted),
                TEST(test_many_forwardings_leave_room_for_events),
                TEST(test_a_refused_tunnel_says_why_until_it_is_there),
                TEST(test_tunnels_are_told_anew_once_online_again),
                TEST(test_percentiles_are_of_the_latest_connections),
                TEST(test_events_are_the_latest_ones),
                TEST(test_no_size_of_a_page_is_too_small),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
