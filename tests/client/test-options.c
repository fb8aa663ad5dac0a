/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

#define ARGUMENTS_MAX 16

/* Parses a line of words. Its storage and the result live until the next call. */
static int parse(const char *line, Options *ret) {
        static char storage[512];
        static char *argv[ARGUMENTS_MAX + 1];
        int argc = 0;

        assert_true(strlen(line) < sizeof(storage));
        strcpy(storage, line);
        for (char *rest = storage, *word; (word = strtok_r(rest, " ", &rest));) {
                assert_true(argc < ARGUMENTS_MAX);
                argv[argc++] = word;
        }
        argv[argc] = NULL;
        return options_parse(ret, argc, argv);
}

static const char *find(const OptionSetting *settings, size_t n, const char *key) {
        for (size_t i = 0; i < n; i++)
                if (streq(settings[i].key, key))
                        return settings[i].value;
        fail_msg("%s is not set", key);
        return NULL;
}

static void test_targets_without_a_command(void **state _unused_) {
        Options o;

        assert_int_equal(parse("pgrok --server x:1 3000 host:80 --json", &o), 0);
        assert_int_equal(o.command, COMMAND_TUNNEL);
        assert_int_equal(o.n_arguments, 2);
        assert_string_equal(o.arguments[0], "3000");
        assert_string_equal(o.arguments[1], "host:80");
        assert_string_equal(find(o.client, o.n_client, "client.server"), "x:1");
        assert_true(o.json);
        assert_int_equal(o.n_tunnel, 0);
}

static void test_a_command_says_the_protocol(void **state _unused_) {
        Options o;

        assert_int_equal(parse("pgrok tcp 22 --remote-port 20022", &o), 0);
        assert_int_equal(o.command, COMMAND_TUNNEL);
        assert_int_equal(o.n_arguments, 1);
        assert_string_equal(find(o.tunnel, o.n_tunnel, "proto"), "tcp");
        assert_string_equal(find(o.tunnel, o.n_tunnel, "remote_port"), "20022");
}

static void test_spellings_of_the_go_programs(void **state _unused_) {
        Options o;

        assert_int_equal(
                parse("pgrok -subdomain=test -hostname h.example -httpauth u:p -authtoken t -proto=http "
                      "-serveraddr s:1 -tls -log stdout -log-level=DEBUG 80",
                      &o),
                0);
        assert_string_equal(find(o.tunnel, o.n_tunnel, "subdomain"), "test");
        assert_string_equal(find(o.tunnel, o.n_tunnel, "hostname"), "h.example");
        assert_string_equal(find(o.tunnel, o.n_tunnel, "http_auth"), "u:p");
        assert_string_equal(find(o.tunnel, o.n_tunnel, "proto"), "http");
        assert_string_equal(find(o.client, o.n_client, "client.token"), "t");
        assert_string_equal(find(o.client, o.n_client, "client.server"), "s:1");
        assert_string_equal(o.log, "stdout");
        assert_string_equal(o.log_level, "DEBUG");
}

static void test_commands_with_and_without_arguments(void **state _unused_) {
        Options o;

        assert_int_equal(parse("pgrok start blog ssh", &o), 0);
        assert_int_equal(o.command, COMMAND_START);
        assert_int_equal(o.n_arguments, 2);
        assert_int_equal(parse("pgrok run --config a --config=b", &o), 0);
        assert_int_equal(o.command, COMMAND_RUN);
        assert_int_equal(o.n_configs, 2);
        assert_string_equal(o.configs[1], "b");
        assert_int_equal(parse("pgrok start-all", &o), 0);
        assert_int_equal(parse("pgrok list --output json", &o), 0);
        assert_true(o.json);
        assert_false(o.text);
        assert_int_equal(parse("pgrok --output text 80", &o), 0);
        assert_true(o.text);
        assert_int_equal(parse("pgrok 80", &o), 0);
        assert_false(o.json || o.text);
        assert_int_equal(parse("pgrok --version", &o), 0);
        assert_int_equal(o.command, COMMAND_VERSION);
        assert_int_equal(parse("pgrok help run", &o), 0);
        assert_int_equal(o.command, COMMAND_HELP);
        assert_int_equal(parse("pgrok http --help", &o), 0);
        assert_true(o.help);
        assert_string_equal(o.command_name, "http");
}

static void test_bad_usage_is_refused(void **state _unused_) {
        static const char *const lines[] = {
                "pgrok",
                "pgrok --no-such-option 80",
                "pgrok --subdomain",
                "pgrok login",
                "pgrok login a b",
                "pgrok login --subdomain x word",
                "pgrok serve",
                "pgrok http",
                "pgrok start",
                "pgrok list surplus",
                "pgrok run 80",
                "pgrok --output xml 80",
                "pgrok --log-level loud 80",
                "pgrok http --proto tcp 80",
                "pgrok start blog --subdomain x",
                "pgrok --subdomain x 80 81",
                "pgrok --hostname x 80 81",
                "pgrok tcp --remote-port 1 80 81",
        };
        Options o = { .n_arguments = 77 };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                if (parse(lines[i], &o) != -EINVAL)
                        fail_msg("taken: %s", lines[i]);
                assert_int_equal(o.n_arguments, 77);
        }
}

static void test_too_many_options_are_refused(void **state _unused_) {
        char *argv[OPTIONS_SETTINGS_MAX + 4];
        int argc = 0;
        Options o;

        argv[argc++] = (char*) "pgrok";
        while (argc <= OPTIONS_SETTINGS_MAX + 1)
                argv[argc++] = (char*) "--token=x";
        argv[argc++] = (char*) "80";
        argv[argc] = NULL;
        assert_int_equal(options_parse(&o, argc, argv), -EINVAL);
}

static void test_the_inspector_has_other_spellings(void **state _unused_) {
        Options o;

        assert_int_equal(parse("pgrok -inspectaddr=127.0.0.1:4041 -inspectpublic=false 80", &o), 0);
        assert_string_equal(find(o.client, o.n_client, "client.inspect"), "127.0.0.1:4041");
        assert_int_equal(parse("pgrok --inspect off 80", &o), 0);
        assert_string_equal(find(o.client, o.n_client, "client.inspect"), "off");
        assert_int_equal(parse("pgrok -inspectpublic 80", &o), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_targets_without_a_command),
                cmocka_unit_test(test_a_command_says_the_protocol),
                cmocka_unit_test(test_spellings_of_the_go_programs),
                cmocka_unit_test(test_commands_with_and_without_arguments),
                cmocka_unit_test(test_bad_usage_is_refused),
                cmocka_unit_test(test_too_many_options_are_refused),
                cmocka_unit_test(test_the_inspector_has_other_spellings),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
