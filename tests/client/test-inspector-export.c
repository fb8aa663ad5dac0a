/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "client/inspector-export.h"
#include "client/inspector-show.h"
#include "client/replay-request.h"

static Record record;

/* BODY is cut off if BODY_BYTES is more. */
static void message(RecordSide side, const char *head, const char *body, size_t body_bytes) {
        record.messages[side] = (RecordMessage){
                .head = (char *) head,
                .n_head = strlen(head),
                .body = (char *) body,
                .n_body = strlen(body),
                .body_bytes = body_bytes,
        };
}

static void post(const char *path, const char *fields, const char *body) {
        static char head[1024];

        record = (Record){ .name = "a",
                           .url = "https://a.example",
                           .visitor = "x",
                           .method = "POST",
                           .path = (char *) path,
                           .is_done = true };
        snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: a.example\r\n%sContent-Length: %zu\r\n\r\n",
                 path, fields, strlen(body));
        message(RECORD_REQUEST, head, body, strlen(body));
}

/* Has a shell read the command, with curl being a function that shows its words. */
static void expect_words(const char *expected) {
        _cleanup_free_ char *command = export_curl(&record);
        char output[4096] = "";
        FILE *script, *shell;
        size_t n;

        assert_non_null(command);
        script = fopen("test-inspector-export.sh", "w");
        assert_non_null(script);
        fprintf(script, "curl() { for w; do printf '<%%s>' \"$w\"; done; }\n%s", command);
        fclose(script);
        shell = popen("sh ./test-inspector-export.sh", "r");
        n = fread(output, 1, sizeof(output) - 1, shell);
        output[n] = '\0';
        assert_int_equal(pclose(shell), 0);
        unlink("test-inspector-export.sh");
        assert_string_equal(output, expected);
}

static void test_curl_says_the_same_again(void **state _unused_) {
        post("/a?b=c&d[1]=2", "Content-Type: text/plain\r\nX-Forwarded-For: 192.0.2.1\r\nX-Empty:\r\n",
             "one\ntwo\n");
        expect_words(
                "<-X><POST><--globoff><--path-as-is><https://a.example/a?b=c&d[1]=2><-H><Content-Type: text/plain>"
                "<-H><X-Empty;><--data-raw><one\ntwo\n>");
}

static void test_nothing_in_a_request_has_a_meaning_for_a_shell(void **state _unused_) {
        post("/$(id)`id`;'\"\\", "Content-Type: x\r\nX-A: '; touch /tmp/x; '$HOME\"\\\r\n",
             "@it's $(id) `id` \\ \"\n'");
        expect_words(
                "<-X><POST><--globoff><--path-as-is><https://a.example/$(id)`id`;'\"\\><-H><Content-Type: x>"
                "<-H><X-A: '; touch /tmp/x; '$HOME\"\\><--data-raw><@it's $(id) `id` \\ \"\n'>");
}

static void test_curl_gets_no_part_of_a_body(void **state _unused_) {
        post("/", "", "abc");
        record.messages[RECORD_REQUEST].body_bytes = 9;
        expect_words(
                "<-X><POST><--globoff><--path-as-is><https://a.example/><-H><Content-Type:><--data-binary><@body>");
}

static const char *path_of(struct json_object *o, const char *keys) {
        _cleanup_free_ char *copy = strdup(keys);

        for (char *rest = copy, *key; (key = strtok_r(rest, "/", &rest));)
                o = json_object_is_type(o, json_type_array) ? json_object_array_get_idx(o, (size_t) atoi(key))
                                                            : json_object_object_get(o, key);
        return json_object_get_string(o);
}

static void test_har_has_what_the_specification_wants(void **state _unused_) {
        _cleanup_free_ char *text = NULL;
        struct json_object *whole;
        HarExport h;
        size_t n;

        post("/p?a=1&b", "Cookie: x=1; y=2\r\nContent-Type: text/plain\r\n", "hi");
        message(RECORD_RESPONSE,
                "HTTP/1.1 201 Made it\r\nSet-Cookie: s=v; Path=/\r\nLocation: /n\r\nContent-Type: x/y\r\n"
                "Content-Length: 2\r\n\r\n",
                "\xff\xfe", 2);
        record.status = 201;
        record.time_usec = 1700000000123456;
        record.duration_usec = 12345;
        assert_int_equal(har_begin(&h), 0);
        har_add(&h, &record);
        har_add(&h, &record);
        assert_int_equal(har_end(&h, &text, &n), 0);
        har_done(&h);
        assert_int_equal(strlen(text), n);
        whole = json_tokener_parse(text);
        assert_int_equal(json_object_array_length(json_object_object_get(
                                 json_object_object_get(whole, "log"), "entries")), 2);
        assert_string_equal(path_of(whole, "log/version"), "1.2");
        assert_string_equal(path_of(whole, "log/entries/0/startedDateTime"), "2023-11-14T22:13:20.123Z");
        assert_string_equal(path_of(whole, "log/entries/0/time"), "12.345");
        assert_string_equal(path_of(whole, "log/entries/0/request/url"), "https://a.example/p?a=1&b");
        assert_string_equal(path_of(whole, "log/entries/0/request/cookies/1/value"), "2");
        assert_string_equal(path_of(whole, "log/entries/0/request/queryString/1/name"), "b");
        assert_string_equal(path_of(whole, "log/entries/0/request/postData/text"), "hi");
        assert_string_equal(path_of(whole, "log/entries/0/response/statusText"), "Made it");
        assert_string_equal(path_of(whole, "log/entries/0/response/redirectURL"), "/n");
        assert_string_equal(path_of(whole, "log/entries/0/response/cookies/0/value"), "v");
        assert_string_equal(path_of(whole, "log/entries/0/response/content/text"), "//4=");
        assert_string_equal(path_of(whole, "log/entries/0/response/content/encoding"), "base64");
        json_object_put(whole);
}

/* ---- replays ---- */

/* CHANGES as JSON, or NULL. */
static ssize_t replay(const char *changes, const char *expected) {
        struct json_object *o = changes ? json_tokener_parse(changes) : NULL;
        Buffer *out = buffer_get(NULL);
        const char *why = NULL;
        ssize_t r = replay_request(&record, o, out, &why);

        if (r >= 0) {
                assert_int_equal(buffer_append(out, "", 1), 0);
                assert_string_equal((const char *) buffer_head(out), expected);
        } else
                assert_non_null(why);
        buffer_put(NULL, out);
        json_object_put(o);
        return r;
}

static void test_a_replay_is_the_same_byte_by_byte(void **state _unused_) {
        post("/", "transfer-x:  y \r\n", "abc");
        assert_true(
                replay(NULL,
                       "POST / HTTP/1.1\r\nHost: a.example\r\ntransfer-x:  y \r\nContent-Length: 3\r\n\r\nabc") >
                0);
        message(RECORD_REQUEST, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                "3;x\r\nabc\r\n0\r\n\r\n", 15);
        assert_true(
                replay(NULL,
                       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\n\r\n") >
                0);
        assert_true(replay("{\"path\":\"/2\"}",
                           "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc") > 0);
}

static void test_a_replay_may_be_changed(void **state _unused_) {
        post("/", "", "abc");
        assert_true(
                replay("{\"method\":\"PUT\",\"path\":\"/x\",\"headers\":[[\"Host\",\"h\"],[\"Content-Length\",\"9\"]],"
                       "\"body\":\"\\u0000\\u00e4\"}",
                       "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n") > 0);
        assert_true(replay("{\"body_base64\":\"aGk=\"}",
                           "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi") > 0);
        assert_true(replay("{\"body_base64\":\"aGkh\"}",
                           "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nhi!") > 0);
        assert_true(replay("{\"method\":\"GET\",\"body\":\"\"}",
                           "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n") > 0);
}

static void test_changes_can_not_smuggle(void **state _unused_) {
        static const char *const wrong[] = {
                "{\"method\":\"GET /x HTTP/1.1\\r\\nX: y\\r\\n\\r\\nGET\"}",
                "{\"path\":\"/ HTTP/1.1\\r\\nHost: b\\r\\n\\r\\n\"}",
                "{\"headers\":[[\"Host\",\"a\\r\\n\\r\\nGET / HTTP/1.1\\r\\nHost: b\"]]}",
                "{\"headers\":[[\"Host\",\"a\"],[\"X\\r\\nY\",\"b\\nc\"]]}",
                "{\"headers\":[[\"Host\"]]}",
                "{\"headers\":{}}",
                "{\"method\":1}",
                "{\"body\":null}",
                "{\"body_base64\":\"a\"}",
                "{\"body_base64\":\"a*==\"}",
        };

        post("/", "", "");
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                if (replay(wrong[i], "") != -EINVAL)
                        fail_msg("%s", wrong[i]);
}

static void test_of_a_body_that_was_cut_there_is_no_replay(void **state _unused_) {
        post("/", "", "abc");
        record.messages[RECORD_REQUEST].body_bytes = 9;
        assert_int_equal(replay(NULL, ""), -ENODATA);
        assert_int_equal(replay("{\"path\":\"/x\"}", ""), -ENODATA);
        assert_true(replay("{\"body\":\"x\"}",
                           "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\nx") > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_curl_says_the_same_again),
                cmocka_unit_test(test_nothing_in_a_request_has_a_meaning_for_a_shell),
                cmocka_unit_test(test_curl_gets_no_part_of_a_body),
                cmocka_unit_test(test_har_has_what_the_specification_wants),
                cmocka_unit_test(test_a_replay_is_the_same_byte_by_byte),
                cmocka_unit_test(test_a_replay_may_be_changed),
                cmocka_unit_test(test_changes_can_not_smuggle),
                cmocka_unit_test(test_of_a_body_that_was_cut_there_is_no_replay),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
