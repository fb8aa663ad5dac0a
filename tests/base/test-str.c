/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/str.h"

static void test_prefix_is_skipped(void **state) {
        const char *s = "https://x";

        (void) state;
        assert_ptr_equal(str_skip_prefix(s, "https://"), s + 8);
        assert_ptr_equal(str_skip_prefix(s, ""), s);
        assert_ptr_equal(str_skip_prefix(s, s), s + strlen(s));
        assert_null(str_skip_prefix(s, "http://"));
        assert_null(str_skip_prefix(s, "https://xy"));
        assert_null(str_skip_prefix("", "x"));
}

static void test_suffix_is_found(void **state) {
        (void) state;
        assert_true(str_has_suffix("a.conf", ".conf"));
        assert_true(str_has_suffix(".conf", ".conf"));
        assert_true(str_has_suffix("a", ""));
        assert_false(str_has_suffix("conf", ".conf"));
        assert_false(str_has_suffix("a.conf~", ".conf"));
}

static void test_case_is_ignored_and_length_is_not(void **state) {
        (void) state;
        assert_true(str_equal_nocase("HoSt: x", 4, "host"));
        assert_true(str_equal_nocase("", 0, ""));
        assert_false(str_equal_nocase("hos", 3, "host"));
        assert_false(str_equal_nocase("hosts", 5, "host"));
        assert_false(str_equal_nocase("host\0", 5, "host"));
        assert_false(str_equal_nocase("@", 1, "`")); /* 0x20 apart, but no letters */
        assert_false(str_equal_nocase("\xc4", 1, "\xe4"));
}

static void test_white_space_is_trimmed_at_both_ends(void **state) {
        static const struct {
                const char *in, *out;
        } cases[] = {
                { "", "" },           { " \t\r\n\v\f", "" }, { "a b", "a b" },
                { "  a b\n", "a b" }, { "a ", "a" },         { " a", "a" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char s[32];

                strcpy(s, cases[i].in);
                assert_string_equal(str_trim(s), cases[i].out);
        }
}

static void test_only_ascii_is_lowered(void **state) {
        char s[] = "AZ@[az09\xc3\x84";

        (void) state;
        str_lower(s);
        assert_string_equal(s, "az@[az09\xc3\x84");
}

static void test_replaced_string_is_a_copy(void **state) {
        char text[] = "one";
        char *s = NULL;

        (void) state;
        assert_int_equal(str_replace(&s, text), 0);
        text[0] = 'x';
        assert_string_equal(s, "one");
        assert_int_equal(str_replace(&s, s), 0); /* by itself */
        assert_string_equal(s, "one");
        assert_int_equal(str_replace(&s, NULL), 0);
        assert_string_equal(s, "");
        free(s);
}

static void test_null_and_empty_are_empty(void **state) {
        (void) state;
        assert_true(str_is_empty(NULL));
        assert_true(str_is_empty(""));
        assert_false(str_is_empty(" "));
}

static void test_format_allocates(void **state) {
        _cleanup_free_ char *s = str_format("%s-%d", "a", 7);

        (void) state;
        assert_string_equal(s, "a-7");
}

static void test_control_characters_are_escaped(void **state) {
        static const struct {
                const char *in;
                size_t n;
                const char *out;
        } cases[] = {
                { "", 0, "" },
                { "plain text", 10, "plain text" },
                { "a\nb\033[0m\x7f", 8, "a\\x0ab\\x1b[0m\\x7f" },
                { "a\0b", 3, "a\\x00b" },
                { "\\x0a", 4, "\\x5cx0a" },      /* an escape of the peer's is not ours */
                { "\xc3\xa4", 2, "\xc3\xa4" },   /* ä */
                { "\xc2\x9b", 2, "\\xc2\\x9b" }, /* CSI as U+009B */
                { "\xc2\xa0", 2, "\xc2\xa0" },
                { "\xc2", 1, "\xc2" },
                { "\xff\xfe", 2, "\xff\xfe" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *s = str_escape(cases[i].in, cases[i].n);

                assert_string_equal(s, cases[i].out);
        }
}

static void test_hex_goes_both_ways(void **state) {
        static const uint8_t data[] = { 0x00, 0x9f, 0xa0, 0xff };
        char hex[2 * sizeof(data) + 1];
        uint8_t back[sizeof(data)];

        (void) state;
        hex_encode(data, sizeof(data), hex);
        assert_string_equal(hex, "009fa0ff");
        assert_int_equal(hex_decode(hex, back, sizeof(back)), 0);
        assert_memory_equal(back, data, sizeof(data));
        assert_int_equal(hex_decode("009FA0FF", back, sizeof(back)), 0);
        assert_memory_equal(back, data, sizeof(data));
}

static void test_hex_of_another_length_is_refused(void **state) {
        uint8_t out[2];

        (void) state;
        assert_int_equal(hex_decode("abc", out, 2), -EINVAL);
        assert_int_equal(hex_decode("", out, 2), -EINVAL);
        assert_int_equal(hex_decode("abcde", out, 2), -EINVAL);
        assert_int_equal(hex_decode("abcdef", out, 2), -EINVAL);
        assert_int_equal(hex_decode("abcg", out, 2), -EINVAL);
        assert_int_equal(hex_decode("ab d", out, 2), -EINVAL);
        assert_int_equal(hex_decode("", out, 0), 0);
}

static void test_base64_of_rfc_4648(void **state) {
        static const struct {
                const char *in, *out;
        } cases[] = {
                { "", "" },
                { "f", "Zg==" },
                { "fo", "Zm8=" },
                { "foo", "Zm9v" },
                { "foob", "Zm9vYg==" },
                { "fooba", "Zm9vYmE=" },
                { "foobar", "Zm9vYmFy" },
                { "\xff\xef\xfe", "/+/+" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char out[BASE64_SIZE(6)];

                base64_encode((const uint8_t*) cases[i].in, strlen(cases[i].in), out);
                assert_string_equal(out, cases[i].out);
                assert_int_equal(BASE64_SIZE(strlen(cases[i].in)), strlen(out) + 1);
        }
}

static void test_random_bytes_differ_and_stay_inside(void **state) {
        uint8_t a[34] = {}, b[34] = {};

        (void) state;
        random_bytes(a + 1, 32);
        random_bytes(b + 1, 32);
        assert_memory_not_equal(a, b, sizeof(a));
        assert_int_equal(a[0] | a[33] | b[0] | b[33], 0);
}

static void test_random_numbers_reach_all_below_the_limit(void **state) {
        unsigned seen = 0;

        (void) state;
        for (unsigned i = 0; i < 1000; i++) {
                uint32_t r = random_below(5);

                assert_in_range(r, 0, 4);
                seen |= 1u << r;
        }
        assert_int_equal(seen, 31);
        assert_int_equal(random_below(1), 0);
}

static void test_secrets_compare_as_memory_does(void **state) {
        (void) state;
        assert_true(memory_equal_const_time("abc", "abd", 2));
        assert_false(memory_equal_const_time("abc", "abd", 3));
        assert_false(memory_equal_const_time("xbc", "abc", 3));
        assert_true(memory_equal_const_time("x", "y", 0));
}

static void test_base64_is_read_strictly(void **state) {
        static const char *const wrong[] = { "A",    "AA",       "AAA",  "AA=A",  "A===",
                                             "====", "AA==AAAA", "AA A", "AA\nA", "____" };
        uint8_t data[64], again[64];
        char text[BASE64_SIZE(64)];

        (void) state;
        random_bytes(data, sizeof(data));
        for (size_t n = 0; n <= sizeof(data); n++) {
                base64_encode(data, n, text);
                assert_int_equal(base64_decode(text, strlen(text), again, n), n);
                assert_memory_equal(again, data, n);
                if (n > 0)
                        assert_int_equal(base64_decode(text, strlen(text), again, n - 1), -EINVAL);
        }
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(base64_decode(wrong[i], strlen(wrong[i]), again, sizeof(again)), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_prefix_is_skipped),
                cmocka_unit_test(test_suffix_is_found),
                cmocka_unit_test(test_case_is_ignored_and_length_is_not),
                cmocka_unit_test(test_white_space_is_trimmed_at_both_ends),
                cmocka_unit_test(test_only_ascii_is_lowered),
                cmocka_unit_test(test_replaced_string_is_a_copy),
                cmocka_unit_test(test_null_and_empty_are_empty),
                cmocka_unit_test(test_format_allocates),
                cmocka_unit_test(test_control_characters_are_escaped),
                cmocka_unit_test(test_hex_goes_both_ways),
                cmocka_unit_test(test_hex_of_another_length_is_refused),
                cmocka_unit_test(test_base64_of_rfc_4648),
                cmocka_unit_test(test_random_bytes_differ_and_stay_inside),
                cmocka_unit_test(test_random_numbers_reach_all_below_the_limit),
                cmocka_unit_test(test_secrets_compare_as_memory_does),
                cmocka_unit_test(test_base64_is_read_strictly),
        };

        return cmocka_run_group_tests_name("base/str", tests, NULL, NULL);
}
