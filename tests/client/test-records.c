/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/parse.h"
#include "base/str.h"
#include "client/records.h"

#define HEAD "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static Worker *worker;
static Records *records;
static unsigned n_changed;

static int set_up(void **state _unused_) {
        n_changed = 0;
        assert_int_equal(worker_new(&worker, 0), 0);
        return records_new(&records, worker);
}

static int tear_down(void **state _unused_) {
        worker = worker_free(worker);
        records = records_free(records);
        return 0;
}

#define records_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static uint64_t begin(uint64_t replay_of) {
        return records_begin(records, &(RecordOrigin){
                                              .name = "a",
                                              .url = "http://a",
                                              .visitor = "192.0.2.1:1",
                                              .method = "GET",
                                              .path = "/",
                                              .head = HEAD,
                                              .n_head = strlen(HEAD),
                                              .start_usec = clock_usec(),
                                              .replay_of = replay_of,
                                      });
}

static void expect_range(uint64_t first, uint64_t next) {
        uint64_t f, n;

        records_range(records, &f, &n);
        assert_int_equal(f, first);
        assert_int_equal(n, next);
}

static void test_an_exchange_is_kept_as_it_came(void **state _unused_) {
        uint64_t id = begin(0);
        Record *copy;

        assert_false(records_is_settled(records, id));
        records_answer(records, id, 404, "HTTP/1.1 404 No\r\n\r\n", 19, false);
        records_body(records, id, RECORD_RESPONSE, "one ", 4);
        records_body(records, id, RECORD_RESPONSE, "two", 3);
        records_end(records, id, "why");
        assert_true(records_is_settled(records, id));
        copy = records_copy(records, id, true);
        assert_string_equal(copy->method, "GET");
        assert_string_equal(copy->error, "why");
        assert_int_equal(copy->status, 404);
        assert_true(copy->is_done);
        assert_memory_equal(copy->messages[RECORD_REQUEST].head, HEAD, strlen(HEAD));
        assert_int_equal(copy->messages[RECORD_RESPONSE].n_body, 7);
        assert_memory_equal(copy->messages[RECORD_RESPONSE].body, "one two", 7);
        record_free(copy);
        copy = records_copy(records, id, false);
        assert_null(copy->messages[RECORD_RESPONSE].body);
        assert_int_equal(copy->messages[RECORD_RESPONSE].body_bytes, 7);
        record_free(copy);
        assert_null(records_copy(records, id + 1, true));
}

static void test_the_oldest_goes_first(void **state _unused_) {
        for (int i = 0; i < RECORDS_MAX + 3; i++)
                assert_int_equal(begin(0), i + 1);
        expect_range(4, RECORDS_MAX + 4);
        assert_null(records_copy(records, 3, false));
        records_body(records, 3, RECORD_REQUEST, "late", 4); /* forgotten */
        records_end(records, 3, NULL);
        records_clear(records);
        expect_range(RECORDS_MAX + 4, RECORDS_MAX + 4);
        assert_int_equal(records_bytes(records), 0);
}

static void test_of_a_body_the_beginning_is_kept(void **state _unused_) {
        _cleanup_free_ char *data = calloc(1, 200000);
        uint64_t id = begin(0);
        Record *copy;

        for (int i = 0; i < 10; i++)
                records_body(records, id, RECORD_RESPONSE, data, 20000 - 3 * i);
        copy = records_copy(records, id, true);
        assert_int_equal(copy->messages[RECORD_RESPONSE].n_body, RECORD_BODY_MAX);
        assert_int_equal(copy->messages[RECORD_RESPONSE].body_bytes, 200000 - 135);
        record_free(copy);
        assert_true(records_bytes(records) < RECORD_BODY_MAX + 2000);
}

static void test_all_together_have_a_limit(void **state _unused_) {
        static char data[RECORD_BODY_MAX];
        uint64_t first, next;

        for (int i = 0; i < RECORDS_MAX; i++) {
                uint64_t id = begin(0);

                records_body(records, id, RECORD_REQUEST, data, sizeof(data));
                records_body(records, id, RECORD_RESPONSE, data, sizeof(data));
                assert_true(records_bytes(records) <= RECORDS_BYTES_MAX);
        }
        records_range(records, &first, &next);
        assert_int_equal(next, RECORDS_MAX + 1);
        assert_true(next - first > 200 && next - first < 256);
}

static void test_of_frames_the_last_are_kept(void **state _unused_) {
        uint64_t id = begin(0);
        Record *copy;

        for (unsigned i = 0; i < RECORD_FRAMES_MAX + 5; i++)
                records_frame(records, id, RECORD_REQUEST, &(WebsocketFrame){ .opcode = 1, .length = i });
        copy = records_copy(records, id, true);
        assert_int_equal(copy->n_frames, RECORD_FRAMES_MAX + 5);
        assert_int_equal(record_frame(copy, 0)->frame.length, 5);
        assert_int_equal(record_frame(copy, RECORD_FRAMES_MAX - 1)->frame.length, RECORD_FRAMES_MAX + 4);
        assert_null(record_frame(copy, RECORD_FRAMES_MAX));
        record_free(copy);
}

static void test_a_pause_lets_only_replays_in(void **state _unused_) {
        uint64_t id = begin(0);

        records_pause(records, true);
        assert_int_equal(begin(0), 0);
        assert_int_equal(begin(id), id + 1);
        records_end(records, id, NULL); /* what was begun goes on */
        assert_true(records_is_settled(records, id));
        records_pause(records, false);
        assert_int_equal(begin(0), id + 2);
}

static void on_changed(void *userdata) {
        assert_ptr_equal(userdata, &n_changed);
        n_changed++;
}

static void test_changes_are_told_once_until_they_are_looked_at(void **state _unused_) {
        uint64_t id = begin(0), seen;
        Record *copy;

        worker_turn(worker, false);
        assert_int_equal(n_changed, 0);
        records_watch(records, on_changed, &n_changed);
        seen = records_changes(records);
        begin(0);
        begin(0);
        worker_turn(worker, false);
        assert_int_equal(n_changed, 1);
        copy = records_copy_changed(records, 0, seen);
        assert_int_equal(copy->id, id + 1);
        record_free(copy);
        records_end(records, id, NULL);
        worker_turn(worker, false);
        assert_int_equal(n_changed, 1);
        seen = records_changes(records);
        assert_null(records_copy_changed(records, 0, seen));
        records_end(records, id + 1, NULL);
        worker_turn(worker, false);
        assert_int_equal(n_changed, 2);
        records_watch(records, NULL, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                records_test(test_an_exchange_is_kept_as_it_came),
                records_test(test_the_oldest_goes_first),
                records_test(test_of_a_body_the_beginning_is_kept),
                records_test(test_all_together_have_a_limit),
                records_test(test_of_frames_the_last_are_kept),
                records_test(test_a_pause_lets_only_replays_in),
                records_test(test_changes_are_told_once_until_they_are_looked_at),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
