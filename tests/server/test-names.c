/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <uthash.h>

#include <cmocka.h>

#include "base/str.h"

#define DRAWS 20000
#define DISTINCT_MIN 5000 /* of so many draws, if there are thousands */

typedef struct Drawn {
        char name[RANDOM_NAME_MAX];
        UT_hash_handle hh;
} Drawn;

static void test_there_are_thousands_of_names_of_two_words(void **state _unused_) {
        Drawn *drawn = NULL, *d, *next;
        unsigned n;

        for (unsigned i = 0; i < DRAWS; i++) {
                char name[RANDOM_NAME_MAX];

                random_name(0, name);
                assert_true(host_label_is_valid(name));
                assert_non_null(strchr(name, '-'));
                assert_ptr_equal(strchr(name, '-'), strrchr(name, '-'));
                assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
                HASH_FIND_STR(drawn, name, d);
                if (d)
                        continue;
                d = new0(Drawn, 1);
                strcpy(d->name, name);
                HASH_ADD_STR(drawn, name, d);
        }
        n = HASH_COUNT(drawn);
        HASH_ITER(hh, drawn, d, next) {
                HASH_DEL(drawn, d);
                free(d);
        }
        assert_true(n >= DISTINCT_MIN);
}

static void test_where_words_are_taken_a_number_helps(void **state _unused_) {
        char name[RANDOM_NAME_MAX];

        for (unsigned i = 0; i < 1000; i++) {
                random_name(RANDOM_NAME_PLAIN, name);
                assert_true(host_label_is_valid(name));
                assert_true(char_is_digit(name[strlen(name) - 1]));
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_are_thousands_of_names_of_two_words),
                cmocka_unit_test(test_where_words_are_taken_a_number_helps),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
