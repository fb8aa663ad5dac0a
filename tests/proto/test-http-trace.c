/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "proto/http-trace.h"

#define LOG_BYTES 8192

/* What is told, a word a call; bodies that come in pieces are one. A request's number is its stand-in. */
static char told[LOG_BYTES];
static size_t n_told, n_requests;
static char last_body; /* the side that spoke last, or 0 */

static void tell(const char *format, ...) _printf_(1, 2);
static void tell(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        n_told += (size_t) vsnprintf(told + n_told, LOG_BYTES - n_told, format, ap);
        va_end(ap);
        assert_true(n_told < LOG_BYTES);
}

static void *on_request(void *userdata, const HttpHead *head, HttpSlice raw) {
        assert_ptr_equal(userdata, told);
        assert_memory_equal(raw.data + raw.length - 4, "\r\n\r\n", 4);
        last_body = 0;
        tell(" %zu:%.*s", ++n_requests, (int) head->target.length, head->target.data);
        return (void *) n_requests;
}

static void on_response(void *userdata _unused_, void *request, const HttpHead *head, HttpSlice raw,
                        bool is_opaque) {
        assert_memory_equal(raw.data + raw.length - 4, "\r\n\r\n", 4);
        last_body = 0;
        tell(" %zu=%u%s", (size_t) request, head->status, is_opaque ? "!" : "");
}

static void on_body(void *userdata _unused_, void *request, HttpTraceSide side, HttpSlice data) {
        char mark = side == HTTP_TRACE_REQUEST ? '>' : '<';

        assert_true(data.length > 0);
        if (last_body != mark)
                tell(" %zu%c", (size_t) request, mark);
        last_body = mark;
        for (size_t i = 0; i < data.length; i++)
                tell("%c", data.data[i] < ' ' ? '.' : data.data[i]);
}

static void on_done(void *userdata _unused_, void *request, HttpTraceEnd end) {
        static const char *const ends[] = { "done", "cut", "lost" };

        last_body = 0;
        tell(" %zu-%s", (size_t) request, ends[end]);
}

static const HttpTraceOps ops = {
        .request = on_request,
        .response = on_response,
        .body = on_body,
        .done = on_done,
};

/* A line of a conversation: who says what. An empty text is the end of that side. */
typedef struct Line {
        char side; /* '>' the one who asks, '<' the one who answers; 0 ends the list */
        const char *text;
} Line;

static void feed_in_pieces(HttpTrace *t, const Line *line, size_t first, size_t rest) {
        HttpTraceSide side = line->side == '>' ? HTTP_TRACE_REQUEST : HTTP_TRACE_RESPONSE;
        size_t n = strlen(line->text);

        if (n == 0)
                http_trace_end(t, side);
        for (size_t at = 0; at < n;) {
                size_t k = MIN(at == 0 ? first : rest, n - at);
                _cleanup_free_ char *piece = malloc(k); /* of its own, so that nothing reads beyond it */

                memcpy(piece, line->text + at, k);
                http_trace_feed(t, side, piece, k);
                at += k;
        }
}

static void follow(const Line *lines, size_t first, size_t rest, const char *expected) {
        HttpTrace t;

        n_told = n_requests = 0;
        told[0] = last_body = '\0';
        http_trace_init(&t, &ops, told);
        for (; lines->side; lines++)
                feed_in_pieces(&t, lines, first, rest);
        tell(" |");
        last_body = 0;
        http_trace_finish(&t);
        http_trace_done(&t);
        assert_string_equal(told, expected);
}

/* In one piece, byte by byte, and cut once at each place. */
static void expect(const Line *lines, const char *expected) {
        size_t longest = 0;

        for (const Line *l = lines; l->side; l++)
                longest = MAX(longest, strlen(l->text));
        follow(lines, SIZE_MAX, SIZE_MAX, expected);
        follow(lines, 1, 1, expected);
        for (size_t i = 1; i < longest; i++)
                follow(lines, i, SIZE_MAX, expected);
}

#define LINES(...) ((const Line[]){ __VA_ARGS__, { 0, NULL } })
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void test_requests_follow_each_other(void **state _unused_) {
        expect(LINES({ '>', GET("/1") }, { '<', "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab" },
                     { '>', "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz" },
                     { '<', "HTTP/1.1 204 No Content\r\n\r\n" }, { '>', "" }, { '<', "" }),
               " 1:/1 1=200 1<ab 1-done 2:/2 2>xyz 2=204 2-done |");
}

static void test_pipelined_requests_have_their_own_answers(void **state _unused_) {
        expect(LINES({ '>', GET("/1") GET("/2") "HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n" },
                     { '<', "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
                            "HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nb"
                            "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" }),
               " 1:/1 2:/2 3:/3 1=200 1<a 1-done 2=404 2<b 2-done 3=200 3-done |");
}

static void test_more_pipelined_requests_than_are_remembered_are_given_up(void **state _unused_) {
        HttpTrace t;

        n_told = n_requests = 0;
        http_trace_init(&t, &ops, told);
        for (int i = 0; i <= HTTP_TRACE_PENDING_MAX; i++)
                http_trace_feed(&t, HTTP_TRACE_REQUEST, GET("/"), strlen(GET("/")));
        assert_int_equal(n_requests, HTTP_TRACE_PENDING_MAX);
        assert_int_equal(t.n, 0);
        assert_non_null(strstr(told, " 32-lost"));
        http_trace_done(&t);
}

static void test_interim_answers_come_before_the_final_one(void **state _unused_) {
        expect(LINES({ '>',
                       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n" },
                     { '<', "HTTP/1.1 100 Continue\r\n\r\n" }, { '>', "hi" },
                     { '<',
                       "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }),
               " 1:/ 1=100 1>hi 1=103 1=200 1-done |");
}

static void test_chunks_go_on_as_they_came(void **state _unused_) {
        expect(LINES({ '>', "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "2;x\r\nab\r\n0\r\n\r\n" },
                     { '<',
                       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\n" },
                     { '>', GET("/2") }, { '<', "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n" }),
               " 1:/ 1>2;x..ab..0.... 1=200 1<1..c..0..T: 1.... 1-done 2:/2 2=304 2-done |");
}

static void test_a_body_may_end_with_the_connection(void **state _unused_) {
        expect(LINES({ '>', GET("/") }, { '<', "HTTP/1.1 200 OK\r\n\r\nall" }, { '<', "" }),
               " 1:/ 1=200 1<all 1-done |");
        expect(LINES({ '>', GET("/") }, { '<', "HTTP/1.1 200 OK\r\n\r\nall" }), " 1:/ 1=200 1<all | 1-cut");
}

static void test_what_ends_too_early_is_cut_off(void **state _unused_) {
        expect(LINES({ '>', GET("/") }, { '<', "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall" },
                     { '<', "" }),
               " 1:/ 1=200 1<all 1-cut |");
        expect(LINES({ '>', GET("/1") GET("/2") }, { '<', "" }), " 1:/1 2:/2 1-cut 2-cut |");
        expect(LINES({ '>', GET("/") }, { '>', "" }), " 1:/ | 1-cut");
}

static void test_an_answer_may_be_complete_before_its_request(void **state _unused_) {
        expect(LINES({ '>', "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab" },
                     { '<', "HTTP/1.1 413 Too much\r\nContent-Length: 0\r\n\r\n" }, { '>', "cd" GET("/2") },
                     { '<', "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }),
               " 1:/1 1>ab 1=413 1>cd 1-done 2:/2 2=200 2-done |");
        expect(LINES({ '>', "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab" },
                     { '<', "HTTP/1.1 413 Too much\r\nContent-Length: 0\r\n\r\n" }, { '<', "" }),
               " 1:/1 1>ab 1=413 1-done |");
}

static void test_behind_101_everything_is_another_protocols(void **state _unused_) {
        expect(LINES({ '>',
                       "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" },
                     { '<', "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\nhello" }, { '>', "GET" },
                     { '<', "" }, { '>', "end" }),
               " 1:/ws 1=101! 1<hello 1>GETend | 1-done");
}

static void test_a_refused_upgrade_changes_nothing(void **state _unused_) {
        expect(LINES({ '>',
                       "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" },
                     { '<', "HTTP/1.1 426 No\r\nContent-Length: 0\r\n\r\n" }, { '>', GET("/") },
                     { '<', "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }),
               " 1:/ws 1=426 1-done 2:/ 2=200 2-done |");
}

static void test_what_is_no_http_is_given_up(void **state _unused_) {
        expect(LINES({ '>', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" }, { '<', "whatever" }), " |");
        expect(LINES({ '>', GET("/") }, { '<', "SSH-2.0-x\r\n" }, { '>', GET("/2") }), " 1:/ 1-lost |");
        expect(LINES({ '>', GET("/") }, { '<', "HTTP/1.1 101 Switching\r\n\r\n" }), " 1:/ 1-lost |");
        expect(LINES({ '<', "HTTP/1.1 408 Timeout\r\n\r\n" }, { '>', GET("/") }), " |");
        expect(LINES({ '>', GET("/") },
                     { '<', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" }),
               " 1:/ 1=200 1-lost |");
}

static void test_a_head_that_is_too_long_is_given_up(void **state _unused_) {
        static char head[HTTP_HEAD_BYTES_MAX + 64];
        HttpTrace t;

        memset(head, 'x', sizeof(head));
        memcpy(head, "GET / HTTP/1.1\r\nX: ", 19);
        for (size_t step = 1000; step <= sizeof(head); step += sizeof(head) - 1000) {
                http_trace_init(&t, &ops, told);
                for (size_t at = 0; at < sizeof(head); at += step)
                        http_trace_feed(&t, HTTP_TRACE_REQUEST, head + at, MIN(step, sizeof(head) - at));
                assert_int_equal(t.state, HTTP_TRACE_OVER);
                assert_null(t.sides[HTTP_TRACE_REQUEST].partial);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_requests_follow_each_other),
                cmocka_unit_test(test_pipelined_requests_have_their_own_answers),
                cmocka_unit_test(test_more_pipelined_requests_than_are_remembered_are_given_up),
                cmocka_unit_test(test_interim_answers_come_before_the_final_one),
                cmocka_unit_test(test_chunks_go_on_as_they_came),
                cmocka_unit_test(test_a_body_may_end_with_the_connection),
                cmocka_unit_test(test_what_ends_too_early_is_cut_off),
                cmocka_unit_test(test_an_answer_may_be_complete_before_its_request),
                cmocka_unit_test(test_behind_101_everything_is_another_protocols),
                cmocka_unit_test(test_a_refused_upgrade_changes_nothing),
                cmocka_unit_test(test_what_is_no_http_is_given_up),
                cmocka_unit_test(test_a_head_that_is_too_long_is_given_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
