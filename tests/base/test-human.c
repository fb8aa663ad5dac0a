/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/human.h"
#include "base/table.h"

static void test_bytes_have_the_unit_that_reads_best(void **state _unused_) {
        static const struct {
                uint64_t bytes;
                const char *text;
        } cases[] = {
                { 0, "0 B" },
                { 1023, "1023 B" },
                { 1024, "1.0 KiB" },
                { 1258291, "1.2 MiB" },
                { 1048575, "1.0 MiB" },
                { 1073741824, "1.0 GiB" },
                { UINT64_MAX, "16.0 EiB" },
        };
        char text[HUMAN_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(human_bytes(cases[i].bytes, text), cases[i].text);
}

static void test_durations_have_their_two_largest_units(void **state _unused_) {
        static const struct {
                uint64_t seconds;
                const char *text;
        } cases[] = {
                { 0, "0s" },          { 59, "59s" },
                { 60, "1min" },       { 61, "1min 1s" },
                { 3600, "1h" },       { 3605, "1h" },
                { 11100, "3h 5min" }, { 86400, "1d" },
                { 176400, "2d 1h" },  { 86400 + 59 * 60, "1d" },
        };
        char text[HUMAN_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(human_duration(cases[i].seconds, text), cases[i].text);
}

static void test_columns_fit_their_widest_cell(void **state _unused_) {
        static const TableColumn columns[] = { { "NAME", false }, { "N", true }, { "URL", false }, {} };
        static const char *const cells[] = { "ä", "1", "x", "longer\033[2J", "1000", NULL };
        _cleanup_(table_freep) Table *t = NULL;
        char text[512];
        FILE *f = fmemopen(text, sizeof(text), "w");

        assert_int_equal(table_new(&t, columns), 0);
        for (size_t i = 0; i < ELEMENTSOF(cells); i++)
                assert_int_equal(table_add(t, cells[i]), 0);
        table_print(t, f);
        fclose(f);
        assert_string_equal(text, "NAME              N  URL\n"
                                  "ä                 1  x\n"
                                  "longer\\x1b[2J  1000  -\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bytes_have_the_unit_that_reads_best),
                cmocka_unit_test(test_durations_have_their_two_largest_units),
                cmocka_unit_test(test_columns_fit_their_widest_cell),
        };

        return cmocka_run_group_tests_name("human", tests, NULL, NULL);
}
