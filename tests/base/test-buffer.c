/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/buffer.h"

static void test_a_new_buffer_is_empty(void **state) {
        BufferPool pool = {};
        Buffer *b = buffer_get(&pool);

        (void) state;
        assert_int_equal(buffer_length(b), 0);
        assert_int_equal(buffer_room(b), BUFFER_BYTES);
        assert_int_equal(buffer_length(NULL), 0);
        assert_null(buffer_put(NULL, b));
}

static void test_what_goes_in_comes_out_in_order(void **state) {
        Buffer *b = buffer_get(NULL);

        (void) state;
        assert_int_equal(buffer_append(b, "abc", 3), 0);
        buffer_consume(b, 1);
        assert_int_equal(buffer_append(b, "def", 3), 0);
        assert_int_equal(buffer_length(b), 5);
        assert_memory_equal(buffer_head(b), "bcdef", 5);
        buffer_put(NULL, b);
}

static void test_an_emptied_buffer_has_all_its_room(void **state) {
        Buffer *b = buffer_get(NULL);

        (void) state;
        assert_int_equal(buffer_append(b, "abc", 3), 0);
        buffer_consume(b, 3);
        assert_int_equal(buffer_length(b), 0);
        assert_int_equal(buffer_room(b), BUFFER_BYTES);
        buffer_put(NULL, b);
}

static void test_compacting_moves_the_bytes_to_the_front(void **state) {
        Buffer *b = buffer_get(NULL);

        (void) state;
        assert_int_equal(buffer_append(b, "abcdef", 6), 0);
        buffer_consume(b, 4);
        buffer_compact(b);
        assert_int_equal(buffer_room(b), BUFFER_BYTES - 2);
        assert_int_equal(buffer_length(b), 2);
        assert_memory_equal(buffer_head(b), "ef", 2);
        buffer_put(NULL, b);
}

static void test_append_uses_the_room_in_front(void **state) {
        Buffer *b = buffer_get(NULL);

        (void) state;
        memset(buffer_tail(b), 'x', BUFFER_BYTES);
        buffer_produce(b, BUFFER_BYTES);
        buffer_consume(b, 3);
        assert_int_equal(buffer_room(b), 0);
        assert_int_equal(buffer_append(b, "abc", 3), 0);
        assert_int_equal(buffer_length(b), BUFFER_BYTES);
        assert_memory_equal(buffer_head(b) + BUFFER_BYTES - 3, "abc", 3);
        buffer_put(NULL, b);
}

static void test_what_does_not_fit_is_not_appended(void **state) {
        Buffer *b = buffer_get(NULL);

        (void) state;
        buffer_produce(b, BUFFER_BYTES - 2);
        assert_int_equal(buffer_append(b, "abc", 3), -ENOBUFS);
        assert_int_equal(buffer_length(b), BUFFER_BYTES - 2);
        assert_int_equal(buffer_append(b, "ab", 2), 0);
        assert_int_equal(buffer_append(b, "", 0), 0);
        assert_int_equal(buffer_append(b, "a", 1), -ENOBUFS);
        buffer_put(NULL, b);
}

static void test_a_buffer_put_back_is_taken_again_and_empty(void **state) {
        BufferPool pool = {};
        Buffer *b = buffer_get(&pool), *again;

        (void) state;
        assert_int_equal(buffer_append(b, "abc", 3), 0);
        assert_null(buffer_put(&pool, b));
        assert_int_equal(pool.n_idle, 1);
        again = buffer_get(&pool);
        assert_ptr_equal(again, b);
        assert_int_equal(buffer_length(again), 0);
        assert_int_equal(pool.n_idle, 0);
        buffer_put(&pool, again);
        buffer_pool_done(&pool);
        assert_int_equal(pool.n_idle, 0);
        assert_null(pool.idle);
}

static void test_the_pool_keeps_a_limited_number(void **state) {
        Buffer *buffers[BUFFER_POOL_KEEP_MAX + 3];
        BufferPool pool = {};

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(buffers); i++)
                buffers[i] = buffer_get(&pool);
        for (size_t i = 0; i < ELEMENTSOF(buffers); i++)
                buffer_put(&pool, buffers[i]);
        assert_int_equal(pool.n_idle, BUFFER_POOL_KEEP_MAX);
        assert_null(buffer_put(&pool, NULL));
        assert_int_equal(pool.n_idle, BUFFER_POOL_KEEP_MAX);
        buffer_pool_done(&pool);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_new_buffer_is_empty),
                cmocka_unit_test(test_what_goes_in_comes_out_in_order),
                cmocka_unit_test(test_an_emptied_buffer_has_all_its_room),
                cmocka_unit_test(test_compacting_moves_the_bytes_to_the_front),
                cmocka_unit_test(test_append_uses_the_room_in_front),
                cmocka_unit_test(test_what_does_not_fit_is_not_appended),
                cmocka_unit_test(test_a_buffer_put_back_is_taken_again_and_empty),
                cmocka_unit_test(test_the_pool_keeps_a_limited_number),
        };

        return cmocka_run_group_tests_name("base/buffer", tests, NULL, NULL);
}
