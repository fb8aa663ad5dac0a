/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "net/http-json.h"

static HttpService *service;
static HttpExchange *waiting;
static unsigned n_gone;
static char path[64], answer[8192];
static int visitor = -1;

static void on_gone(void *userdata) {
        assert_ptr_equal(userdata, &waiting);
        waiting = NULL;
        n_gone++;
}

/* Says what it was asked; /later waits. */
static void on_request(HttpExchange *x, const HttpRequest *r, void *userdata) {
        const char *limit = http_exchange_query(x, "limit");
        struct json_object *o;

        assert_ptr_equal(userdata, &service);
        if (streq(r->path, "/later")) {
                http_exchange_wait(x, on_gone, &waiting);
                waiting = x;
                return;
        }
        if (streq(r->path, "/wrong")) {
                http_answer_error(x, 409, "It is %s", "wrong");
                return;
        }
        o = json_object_new_object();
        json_object_object_add(o, "method", json_object_new_string(r->method));
        json_object_object_add(o, "path", json_object_new_string(r->path));
        json_object_object_add(o, "limit", limit ? json_object_new_string(limit) : NULL);
        json_object_object_add(o, "bytes", json_object_new_int64((int64_t) r->body_length));
        json_object_object_add(o, "me",
                               json_object_new_boolean(http_exchange_peer_is(x, getuid(), "no-such-group")));
        http_answer_json(x, 200, o);
}

static void serve_tcp(void) {
        Address address;

        assert_int_equal(address_parse("127.0.0.1:0", &address), 0);
        assert_int_equal(http_service_new_tcp(&service, worker, &address, on_request, &service), 0);
        address = *http_service_address(service);
        assert_int_not_equal(address_port(&address), 0);
        visitor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(visitor, &address.sa, address.length), 0);
}

static void serve_local(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        snprintf(path, sizeof(path), "/tmp/pgrok-test-%d/control.sock", (int) getpid());
        assert_int_equal(
                http_service_new_local(&service, worker, path, "no-such-group", on_request, &service), 0);
        strcpy(address.sun_path, path);
        visitor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(visitor, (struct sockaddr*) &address, sizeof(address)), 0);
}

static int tear_down(void **state) {
        service = http_service_free(service);
        close(visitor);
        visitor = -1;
        waiting = NULL;
        n_gone = 0;
        if (path[0]) {
                *strrchr(path, '/') = '\0';
                rmdir(path);
                path[0] = '\0';
        }
        return worker_tear_down(state);
}

#define service_test(test) cmocka_unit_test_setup_teardown(test, worker_set_up, tear_down)

/* Reads until END is there; "" means the end of the connection. */
static const char *receive(const char *end) {
        uint64_t deadline = clock_usec() + PATIENCE_USEC;
        size_t n = 0;

        for (;;) {
                ssize_t k = recv(visitor, answer + n, sizeof(answer) - 1 - n, MSG_DONTWAIT);

                if (k == 0 || (k < 0 && errno == ECONNRESET))
                        break;
                n += k > 0 ? (size_t) k : 0;
                answer[n] = '\0';
                if (*end && strstr(answer, end))
                        break;
                assert_true(clock_usec() < deadline);
                turn();
        }
        answer[n] = '\0';
        return answer;
}

static const char *ask(const char *request, const char *end) {
        far_send(visitor, request, strlen(request));
        return receive(end);
}

static void test_a_request_is_answered_and_the_connection_stays(void **state _unused_) {
        serve_tcp();
        ask("GET /v1/x%20y?limit=5 HTTP/1.1\r\nHost: x\r\n\r\n", "}\n");
        assert_non_null(strstr(answer, "HTTP/1.1 200"));
        assert_non_null(strstr(answer, "application/json"));
        assert_non_null(
                strstr(answer,
                       "{\"method\":\"GET\",\"path\":\"/v1/x y\",\"limit\":\"5\",\"bytes\":0,\"me\":false}"));
        ask("POST /again HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "}\n");
        assert_non_null(strstr(answer, "\"method\":\"POST\",\"path\":\"/again\",\"limit\":null,\"bytes\":5"));
}

static void test_head_reads_as_get_without_a_body(void **state _unused_) {
        serve_tcp();
        ask("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "");
        assert_non_null(strstr(answer, "HTTP/1.1 200"));
        assert_null(strstr(answer, "method"));
}

static void test_an_error_is_a_sentence(void **state _unused_) {
        serve_tcp();
        ask("GET /wrong HTTP/1.1\r\nHost: x\r\n\r\n", "}\n");
        assert_non_null(strstr(answer, "HTTP/1.1 409"));
        assert_non_null(strstr(answer, "{\"error\":\"It is wrong\"}"));
}

static void test_the_peer_of_a_local_socket_is_known(void **state _unused_) {
        serve_local();
        assert_non_null(strstr(ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "}\n"), "\"me\":true"));
}

static void test_an_answer_may_come_later(void **state _unused_) {
        static const char request[] = "GET /later HTTP/1.1\r\nHost: x\r\n\r\n";

        serve_tcp();
        far_send(visitor, request, strlen(request));
        turn_while(!waiting);
        turn_for(50 * USEC_PER_MSEC);
        assert_int_equal(recv(visitor, answer, 1, MSG_DONTWAIT), -1);
        http_answer_error(waiting, 200, "at last");
        assert_non_null(strstr(receive("}\n"), "at last"));
        assert_int_equal(n_gone, 0);
        assert_non_null(strstr(ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "}\n"), "\"path\":\"/\""));
}

static void test_who_waits_is_told_when_the_service_ends(void **state _unused_) {
        static const char request[] = "GET /later HTTP/1.1\r\nHost: x\r\n\r\n";

        serve_tcp();
        far_send(visitor, request, strlen(request));
        turn_while(!waiting);
        service = http_service_free(service);
        assert_int_equal(n_gone, 1);
        assert_string_equal(receive(""), "");
}

static void test_a_body_that_is_too_long_is_refused_at_its_head(void **state _unused_) {
        serve_tcp();
        ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", "}\n");
        assert_non_null(strstr(answer, "HTTP/1.1 413"));
}

static void test_a_chunked_body_that_is_too_long_is_refused_at_its_end(void **state _unused_) {
        static const char head[] =
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n";
        _cleanup_free_ uint8_t *body = noise(65537, 1);

        serve_tcp();
        far_send(visitor, head, strlen(head));
        far_send(visitor, body, 65537);
        ask("\r\n0\r\n\r\n", "}\n");
        assert_non_null(strstr(answer, "HTTP/1.1 413"));
}

static void test_a_chunked_body_without_end_is_cut_off(void **state _unused_) {
        static const char head[] =
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n";
        _cleanup_free_ uint8_t *body = noise(2 * 1024 * 1024, 1);
        uint64_t deadline = clock_usec() + PATIENCE_USEC;

        serve_tcp();
        far_send(visitor, head, strlen(head));
        for (size_t n = 0; n < 2 * 1024 * 1024;) {
                ssize_t k = send(visitor, body + n, 2 * 1024 * 1024 - n, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (k < 0 && errno != EAGAIN)
                        break;
                n += k > 0 ? (size_t) k : 0;
                assert_true(clock_usec() < deadline);
                turn();
        }
        assert_string_equal(receive(""), "");
}

static void test_what_is_no_http_ends_only_its_own_connection(void **state _unused_) {
        int other;

        serve_local();
        ask("\x16\x03\x01\r\n\r\n\r\n\r\n", "");
        other = visitor;
        visitor = -1;
        close(other);
        service = http_service_free(service);
        serve_local();
        assert_non_null(strstr(ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "}\n"), "200"));
}

static void test_bodies_are_objects_with_strings(void **state _unused_) {
        static const struct {
                const char *body, *expected;
        } cases[] = {
                { "{\"host\":\"a.test\"}", "a.test" }, { "{\"host\":1}", NULL }, { "{\"host\":\"\"}", NULL },
                { "{\"host\":\"a\\u0000b\"}", NULL },  { "[\"host\"]", NULL },   { "", NULL },
                { "{\"host\":\"a\"} x", NULL },        { "{\"host\":", NULL },   { "{}", NULL },
                { "{\"host\":\"\xff\"}", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                HttpRequest r = { .body = cases[i].body, .body_length = strlen(cases[i].body) };
                struct json_object *o = http_body_parse(&r);
                const char *host = http_body_string(o, "host");

                if (cases[i].expected)
                        assert_string_equal(host, cases[i].expected);
                else
                        assert_null(host);
                json_object_put(o);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                service_test(test_a_request_is_answered_and_the_connection_stays),
                service_test(test_head_reads_as_get_without_a_body),
                service_test(test_an_error_is_a_sentence),
                service_test(test_the_peer_of_a_local_socket_is_known),
                service_test(test_an_answer_may_come_later),
                service_test(test_who_waits_is_told_when_the_service_ends),
                service_test(test_a_body_that_is_too_long_is_refused_at_its_head),
                service_test(test_a_chunked_body_that_is_too_long_is_refused_at_its_end),
                service_test(test_a_chunked_body_without_end_is_cut_off),
                service_test(test_what_is_no_http_ends_only_its_own_connection),
                cmocka_unit_test(test_bodies_are_objects_with_strings),
        };

        return cmocka_run_group_tests_name("http-service", tests, NULL, NULL);
}
