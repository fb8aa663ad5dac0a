/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/config-file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/parse.h"
#include "base/str.h"

typedef struct Cottage {
        char *colour;
        uint64_t rooms;
} Cottage;

typedef struct Village {
        char *name;
        char *crest;
        bool open;
        uint64_t people;
        uint64_t walk_usec;
        uint64_t pond_bytes;
        ConfigList streets;
        ConfigList shops;
        Cottage cottages[8];
        char *cottage_names[8];
        size_t n_cottages;
} Village;

static const char *check_colour(const char *value) {
        return streq(value, "red") || streq(value, "blue") ? NULL : "must be red or blue";
}

static const ConfigKey village_keys[] = {
        CONFIG_KEY("village.name", CONFIG_STRING, Village, name, .fallback = "Nowhere"),
        CONFIG_KEY("village.arms.crest", CONFIG_STRING, Village, crest, .check = check_colour),
        CONFIG_KEY("village.open", CONFIG_BOOL, Village, open, .fallback = "true"),
        CONFIG_KEY("village.people", CONFIG_UINT, Village, people, .min = 1, .max = 500, .fallback = "7"),
        CONFIG_KEY("village.walk", CONFIG_TIME, Village, walk_usec, .min = USEC_PER_SEC,
                   .max = 600 * USEC_PER_SEC, .fallback = "1min"),
        CONFIG_KEY("village.pond", CONFIG_SIZE, Village, pond_bytes, .max = 1 << 20),
        CONFIG_KEY("village.shops", CONFIG_STRING_LIST, Village, shops, .takes_one = true),
        CONFIG_KEY("village.streets", CONFIG_STRING_LIST, Village, streets, .fallback = "High Street"),
        {},
};

static const ConfigKey cottage_keys[] = {
        CONFIG_KEY("colour", CONFIG_STRING, Cottage, colour, .check = check_colour, .fallback = "red"),
        CONFIG_KEY("rooms", CONFIG_UINT, Cottage, rooms, .min = 1, .max = 9, .required = true),
        {},
};

static void *add_cottage(void *target, const char *name, const char *origin) {
        Village *v = target;

        assert_non_null(strchr(origin, ':'));
        assert_true(v->n_cottages < ELEMENTSOF(v->cottages));
        v->cottage_names[v->n_cottages] = strdup(name);
        return v->cottages + v->n_cottages++;
}

static const ConfigGroups cottages = { .section = "cottages", .keys = cottage_keys, .add = add_cottage };
static const char *const foreign[] = { "castle", NULL };
static const ConfigSchema schema = { .keys = village_keys, .groups = &cottages, .foreign = foreign };

typedef struct Fixture {
        char folder[64];
        ConfigFile *config;
        Village village;
} Fixture;

static int setup(void **state) {
        Fixture *f = new0(Fixture, 1);

        strcpy(f->folder, "/tmp/test-config-XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        assert_int_equal(config_file_new(&f->config, &schema, &f->village), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *command = str_format("rm -rf %s", f->folder);

        config_file_free(f->config);
        config_keys_done(village_keys, &f->village);
        for (size_t i = 0; i < f->village.n_cottages; i++) {
                config_keys_done(cottage_keys, f->village.cottages + i);
                free(f->village.cottage_names[i]);
        }
        assert_int_equal(system(command), 0);
        free(f);
        return 0;
}

static void write_file(Fixture *f, const char *name, const char *text) {
        _cleanup_free_ char *path = str_format("%s/%s", f->folder, name);
        _cleanup_fclose_ FILE *file = fopen(path, "we");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
}

static void read_file(Fixture *f, const char *name) {
        _cleanup_free_ char *path = str_format("%s/%s", f->folder, name);

        assert_int_equal(config_file_read(f->config, path), 0);
}

/* Compares fault I, without the folder. */
static void assert_fault(Fixture *f, size_t i, const char *expected) {
        const ConfigList *faults = config_file_faults(f->config);
        const char *fault;

        assert_true(i < faults->n);
        fault = str_skip_prefix(faults->items[i], f->folder);
        assert_string_equal(fault ? fault + 1 : faults->items[i], expected);
}

static void assert_no_fault(Fixture *f) {
        if (config_file_faults(f->config)->n > 0)
                fail_msg("unexpected: %s", config_file_faults(f->config)->items[0]);
}

/* TEXT as the only file has one fault, EXPECTED. */
static void assert_refused(void **state, const char *text, const char *expected) {
        Fixture *f = *state;

        write_file(f, "a.conf", text);
        read_file(f, "a.conf");
        assert_fault(f, 0, expected);
        assert_int_equal(config_file_faults(f->config)->n, 1);
}

static void test_fallbacks_are_in_place_at_first(void **state) {
        Fixture *f = *state;

        assert_string_equal(f->village.name, "Nowhere");
        assert_null(f->village.crest);
        assert_true(f->village.open);
        assert_int_equal(f->village.people, 7);
        assert_int_equal(f->village.walk_usec, 60 * USEC_PER_SEC);
        assert_int_equal(f->village.streets.n, 1);
        assert_null(config_file_origin(f->config, "village.name"));
}

static void test_every_type_is_read(void **state) {
        Fixture *f = *state;

        write_file(
                f, "a.conf",
                "village: { name = \"Ham\"; arms: { crest = \"blue\"; }; open = false; people = 12;\n"
                "  walk = \"2min\"; pond = \"64K\"; streets = [ \"Low\", \"Mill\" ]; shops = \"Baker\"; };\n"
                "cottages: { rose: { rooms = 3; }; ivy: { colour = \"blue\"; rooms = 9; }; };\n"
                "castle: { anything = 1.5; };\n");
        read_file(f, "a.conf");
        assert_no_fault(f);
        assert_string_equal(f->village.name, "Ham");
        assert_string_equal(f->village.crest, "blue");
        assert_false(f->village.open);
        assert_int_equal(f->village.people, 12);
        assert_int_equal(f->village.walk_usec, 120 * USEC_PER_SEC);
        assert_int_equal(f->village.pond_bytes, 64 * 1024);
        assert_int_equal(f->village.streets.n, 2);
        assert_string_equal(f->village.streets.items[1], "Mill");
        assert_int_equal(f->village.shops.n, 1);
        assert_string_equal(f->village.shops.items[0], "Baker");
        assert_int_equal(f->village.n_cottages, 2);
        assert_string_equal(f->village.cottage_names[1], "ivy");
        assert_string_equal(f->village.cottages[0].colour, "red");
        assert_int_equal(f->village.cottages[1].rooms, 9);
}

static void test_sections_merge_across_files_in_name_order(void **state) {
        Fixture *f = *state;

        write_file(f, "20.conf", "village: { people = 20; }; cottages: { second: { rooms = 1; }; };");
        write_file(f, "10.conf", "village: { name = \"Ham\"; }; cottages: { first: { rooms = 1; }; };");
        write_file(f, ".30.conf", "syntax error");
        write_file(f, "readme", "syntax error");
        assert_int_equal(config_file_read(f->config, f->folder), 0);
        assert_no_fault(f);
        assert_string_equal(f->village.name, "Ham");
        assert_int_equal(f->village.people, 20);
        assert_string_equal(f->village.cottage_names[0], "first");
}

static void test_a_key_in_two_files_names_both(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *expected =
                str_format("b.conf:2: village.people is set a second time, first at %s/a.conf:1", f->folder);

        write_file(f, "a.conf", "village: { people = 1; };");
        write_file(f, "b.conf", "village: {\n people = 2; };");
        assert_int_equal(config_file_read(f->config, f->folder), 0);
        assert_fault(f, 0, expected);
        assert_int_equal(f->village.people, 1);
}

static void test_a_group_in_two_files_names_both(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *expected =
                str_format("b.conf:1: cottages.ivy is set a second time, first at %s/a.conf:2", f->folder);

        write_file(f, "a.conf", "cottages: {\n ivy: { rooms = 1; }; };");
        write_file(f, "b.conf", "cottages: { ivy: { rooms = 1; }; };");
        assert_int_equal(config_file_read(f->config, f->folder), 0);
        assert_fault(f, 0, expected);
        assert_int_equal(f->village.n_cottages, 1);
}

static void test_a_key_twice_in_one_file_names_both(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *expected =
                str_format("a.conf:4: people is set a second time, first at %s/a.conf:2", f->folder);

        assert_refused(state, "village: {\n people = 1;\n open = true;\n people = 2;\n};\n", expected);
}

static void test_a_group_twice_in_one_file_names_both(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *expected =
                str_format("a.conf:3: ivy is set a second time, first at %s/a.conf:2", f->folder);

        assert_refused(state, "cottages: {\n ivy: { rooms = 1; };\n ivy: { rooms = 1; };\n};\n", expected);
}

static void test_a_key_twice_in_one_line_names_it(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *expected =
                str_format("a.conf:2: rooms is set a second time, first at %s/a.conf:2", f->folder);

        assert_refused(state, "cottages: {\n ivy: { bedrooms = 1; rooms = 1; rooms = 2; };\n};\n", expected);
}

static void test_all_faults_are_collected(void **state) {
        Fixture *f = *state;

        write_file(f, "a.conf",
                   "village: {\n people = 0;\n walk = 10;\n mayor = \"Ann\";\n pond = \"2M\";\n"
                   " arms: { crest = \"green\"; motto = \"\"; };\n open = 1;\n streets = [ 1 ];\n};\n"
                   "hamlet: { };\ncottages: { ivy: { rooms = \"2\"; }; oak = 1; };\nname = \"Ham\";\n");
        read_file(f, "a.conf");
        assert_fault(f, 0, "a.conf:2: village.people must be from 1 to 500");
        assert_fault(f, 1,
                     "a.conf:3: village.walk must be a time in double quotes, such as \"10s\" or \"5min\"");
        assert_fault(f, 2, "a.conf:4: village.mayor is not a key that exists");
        assert_fault(f, 3, "a.conf:5: village.pond must be from 0 to 1M");
        assert_fault(f, 4, "a.conf:6: village.arms.crest must be red or blue");
        assert_fault(f, 5, "a.conf:6: village.arms.motto is not a key that exists");
        assert_fault(f, 6, "a.conf:7: village.open must be true or false");
        assert_fault(f, 7, "a.conf:8: village.streets must be a list of strings, such as [ \"a\", \"b\" ]");
        assert_fault(f, 8, "a.conf:10: hamlet is not a section that exists");
        assert_fault(f, 9, "a.conf:11: rooms must be a whole number, without quotes");
        assert_fault(f, 10, "a.conf:11: cottages.oak must be a group: oak: { … };");
        assert_fault(f, 11, "a.conf:12: name is not a section that exists");
        assert_int_equal(config_file_faults(f->config)->n, 12);
}

static void test_a_syntax_error_has_its_line(void **state) {
        assert_refused(state, "village: {\n people = ;\n};\n",
                       "a.conf:2: syntax error (perhaps a ';', quote or brace is missing before)");
}

static void test_a_time_out_of_range_says_the_range(void **state) {
        assert_refused(state, "village: { walk = \"1h\"; };",
                       "a.conf:1: village.walk must be from 1s to 10min");
}

static void test_a_number_that_would_wrap_is_refused(void **state) {
        assert_refused(state, "/* 99999999999 */ village: {\n people = 4294967297;\n};\n",
                       "a.conf:2: this number is too large; sizes and times are strings, "
                       "such as \"10M\" or \"5min\"");
}

static void test_include_is_refused(void **state) {
        assert_refused(state, "# @include\n@include \"x\"\n",
                       "a.conf:2: @include is not supported; in a folder every *.conf is read");
}

static void test_yaml_is_refused_with_a_pointer(void **state) {
        assert_refused(state, "server_addr: example.com:4443\n",
                       "a.conf: this is a YAML file of ngrok 1.x or jerson/pgrok; "
                       "pgrok-migration(7) says how it reads here");
}

static void test_a_required_key_of_a_group_is_missed(void **state) {
        assert_refused(state, "cottages: {\n ivy: { colour = \"red\"; };\n};\n",
                       "a.conf:2: cottages.ivy: rooms is missing");
}

static void test_a_control_character_is_refused(void **state) {
        assert_refused(state, "village: { name = \"a\\nb\"; };",
                       "a.conf:1: village.name contains a control character");
}

static void test_a_group_name_with_an_asterisk_is_refused(void **state) {
        assert_refused(state, "cottages: { a*: { }; };",
                       "a.conf:1: cottages.a*: a name is a letter, then letters, digits, '_' and '-'");
}

static void test_a_missing_file_is_a_fault(void **state) {
        Fixture *f = *state;

        read_file(f, "none.conf");
        assert_fault(f, 0, "none.conf: there is no such file or folder; --config names one that exists");
}

static void test_numbers_in_strings_and_names_are_left_alone(void **state) {
        Fixture *f = *state;

        write_file(f, "a.conf",
                   "village: { name = \"\\\"99999999999 @include\"; }; // 99999999999\n"
                   "cottages: { a99999999999: { rooms = 1; }; };");
        read_file(f, "a.conf");
        assert_no_fault(f);
        assert_string_equal(f->village.name, "\"99999999999 @include");
}

static void test_options_replace_files_and_go_through_the_same_checks(void **state) {
        Fixture *f = *state;

        write_file(f, "a.conf", "village: { people = 5; open = true; streets = [ \"Low\" ]; };");
        read_file(f, "a.conf");
        assert_int_equal(config_file_set(f->config, "village.people", "6", "--people"), 0);
        assert_int_equal(config_file_set(f->config, "village.people", "8", "--people"), 0);
        assert_int_equal(config_file_set(f->config, "village.open", "no", "--open"), 0);
        assert_int_equal(config_file_set(f->config, "village.streets", "A", "--street"), 0);
        assert_int_equal(config_file_set(f->config, "village.streets", "B", "--street"), 0);
        assert_no_fault(f);
        assert_int_equal(f->village.people, 8);
        assert_false(f->village.open);
        assert_int_equal(f->village.streets.n, 2);
        assert_string_equal(f->village.streets.items[0], "A");
        assert_string_equal(config_file_origin(f->config, "village.people"), "--people");
        assert_int_equal(config_file_set(f->config, "village.streets", "", "--street"), 0);
        assert_int_equal(f->village.streets.n, 0);
        assert_int_equal(config_file_set(f->config, "village.people", "501", "--people"), 0);
        assert_fault(f, 0, "--people: village.people must be from 1 to 500");
        assert_int_equal(config_file_set(f->config, "village.mayor", "Ann", "--mayor"), -ENOENT);
}

static void test_an_option_can_add_a_group(void **state) {
        Fixture *f = *state;
        void *group = NULL;

        assert_int_equal(config_file_add_group(f->config, "rose", "argument: 1", &group), 0);
        assert_int_equal(config_file_set_in_group(f->config, group, "rooms", "4", "--rooms"), 0);
        assert_int_equal(config_file_set_in_group(f->config, group, "colour", "pink", "--colour"), 0);
        assert_fault(f, 0, "--colour: colour must be red or blue");
        assert_string_equal(f->village.cottages[0].colour, "red");
        assert_int_equal(f->village.cottages[0].rooms, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_fallbacks_are_in_place_at_first),
                TEST(test_every_type_is_read),
                TEST(test_sections_merge_across_files_in_name_order),
                TEST(test_a_key_in_two_files_names_both),
                TEST(test_a_group_in_two_files_names_both),
                TEST(test_a_key_twice_in_one_file_names_both),
                TEST(test_a_group_twice_in_one_file_names_both),
                TEST(test_a_key_twice_in_one_line_names_it),
                TEST(test_all_faults_are_collected),
                TEST(test_a_syntax_error_has_its_line),
                TEST(test_a_time_out_of_range_says_the_range),
                TEST(test_a_number_that_would_wrap_is_refused),
                TEST(test_include_is_refused),
                TEST(test_yaml_is_refused_with_a_pointer),
                TEST(test_a_required_key_of_a_group_is_missed),
                TEST(test_a_control_character_is_refused),
                TEST(test_a_group_name_with_an_asterisk_is_refused),
                TEST(test_a_missing_file_is_a_fault),
                TEST(test_numbers_in_strings_and_names_are_left_alone),
                TEST(test_options_replace_files_and_go_through_the_same_checks),
                TEST(test_an_option_can_add_a_group),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
