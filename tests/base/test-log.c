/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/log.h"

/* Each test begins with a file of its own that takes a descriptor's place, and the default level. */
static char path[] = "/tmp/test-log-XXXXXX";
static int saved_stderr = -1;

static int set_up(void **state) {
        int fd;

        (void) state;
        strcpy(path + strlen(path) - 6, "XXXXXX");
        fd = mkstemp(path);
        saved_stderr = dup(STDERR_FILENO);
        if (fd < 0 || saved_stderr < 0)
                return -1;
        dup2(fd, STDERR_FILENO);
        close(fd);
        log_set_level(LOG_INFO);
        return 0;
}

static int tear_down(void **state) {
        (void) state;
        log_close();
        unsetenv("JOURNAL_STREAM");
        dup2(saved_stderr, STDERR_FILENO);
        close(saved_stderr);
        return unlink(path);
}

static const char *logged(void) {
        static char text[8192];
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, text, sizeof(text) - 1);

        assert_true(n >= 0);
        text[n] = '\0';
        return text;
}

static void test_stderr_has_the_priority_and_the_name(void **state) {
        (void) state;
        assert_int_equal(log_open("prog", NULL), 0);
        log_warning("a %s", "message");
        log_error("another");
        assert_string_equal(logged(), "<4>prog: a message\n<3>prog: another\n");
}

static void test_messages_above_the_level_are_dropped(void **state) {
        (void) state;
        assert_int_equal(log_open("prog", NULL), 0);
        log_debug("below the default");
        log_info("shown");
        log_set_level(LOG_ERR);
        log_warning("dropped");
        log_struct(LOG_WARNING, NULL, "dropped");
        log_set_level(LOG_DEBUG);
        log_debug("shown too");
        assert_true(log_is_on(LOG_DEBUG));
        assert_string_equal(logged(), "<6>prog: shown\n<7>prog: shown too\n");
}

static void test_a_peer_cannot_forge_a_line(void **state) {
        (void) state;
        assert_int_equal(log_open("prog", NULL), 0);
        log_info("visitor %s", "x\n<0>prog: boom\033[2J");
        assert_string_equal(logged(), "<6>prog: visitor x\\x0a<0>prog: boom\\x1b[2J\n");
}

static void test_a_long_message_is_cut_to_one_line(void **state) {
        char long_text[8000];
        const char *text;

        (void) state;
        memset(long_text, 'x', sizeof(long_text) - 1);
        long_text[sizeof(long_text) - 1] = '\0';
        assert_int_equal(log_open("prog", NULL), 0);
        log_info("%s", long_text);
        text = logged();
        assert_in_range(strlen(text), 1000, sizeof(long_text) - 1);
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void test_fields_do_not_disturb_a_text_log(void **state) {
        (void) state;
        assert_int_equal(log_open("prog", NULL), 0);
        log_struct(LOG_INFO, LOG_FIELDS({ "PGROK_TUNNEL", "http://x" }, { "PGROK_USER", NULL }), "open");
        assert_string_equal(logged(), "<6>prog: open\n");
}

static void test_another_programs_journal_stream_is_not_ours(void **state) {
        (void) state;
        setenv("JOURNAL_STREAM", "1:2", 1);
        assert_int_equal(log_open("prog", NULL), 0);
        log_info("to stderr");
        assert_string_equal(logged(), "<6>prog: to stderr\n");
}

static void test_a_file_is_appended_to_with_the_time(void **state) {
        (void) state;
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(log_open("prog", path), 0);
                log_info("line");
                log_close();
        }
        assert_int_equal(strlen(logged()), 2 * strlen("2027-01-31T00:00:00Z prog: line\n"));
        assert_int_equal(logged()[19], 'Z');
        assert_non_null(strstr(logged(), "Z prog: line\n2"));
}

static void test_a_new_log_file_is_not_for_everybody(void **state) {
        _cleanup_free_ char *file = malloc(strlen(path) + 5);
        struct stat st;

        (void) state;
        sprintf(file, "%s.new", path);
        assert_int_equal(log_open("prog", file), 0);
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(st.st_mode & 0137, 0);
        unlink(file);
}

static void test_a_file_that_cannot_be_opened_leaves_the_log_as_it_was(void **state) {
        (void) state;
        assert_int_equal(log_open("prog", NULL), 0);
        assert_int_equal(log_open("other", "/nonexistent/log"), -ENOENT);
        log_info("still here");
        assert_string_equal(logged(), "<6>prog: still here\n");
}

static void test_none_is_silent(void **state) {
        (void) state;
        assert_int_equal(log_open("prog", "none"), 0);
        log_error("nobody hears");
        assert_string_equal(logged(), "");
}

static void test_levels_have_names(void **state) {
        (void) state;
        assert_int_equal(log_level_from_string("error"), LOG_ERR);
        assert_int_equal(log_level_from_string("WARNING"), LOG_WARNING);
        assert_int_equal(log_level_from_string("Info"), LOG_INFO);
        assert_int_equal(log_level_from_string("debug"), LOG_DEBUG);
        assert_int_equal(log_level_from_string("debu"), -EINVAL);
        assert_int_equal(log_level_from_string(""), -EINVAL);
}

static char told[64];

static void on_log(int level, const char *message, void *userdata) {
        assert_ptr_equal(userdata, path);
        snprintf(told, sizeof(told), "%i %s", level, message);
}

static void test_somebody_else_may_be_told_as_well(void **state) {
        (void) state;
        assert_int_equal(log_open("prog", NULL), 0);
        log_divert(on_log, path);
        log_warning("one\n");
        log_debug("below the level");
        assert_string_equal(told, "4 one\\x0a");
        log_divert(NULL, NULL);
        log_warning("two");
        assert_string_equal(told, "4 one\\x0a");
        assert_string_equal(logged(), "<4>prog: one\\x0a\n<4>prog: two\n"); /* it's no terminal */
}

#define logging_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                logging_test(test_stderr_has_the_priority_and_the_name),
                logging_test(test_messages_above_the_level_are_dropped),
                logging_test(test_a_peer_cannot_forge_a_line),
                logging_test(test_a_long_message_is_cut_to_one_line),
                logging_test(test_fields_do_not_disturb_a_text_log),
                logging_test(test_another_programs_journal_stream_is_not_ours),
                logging_test(test_a_file_is_appended_to_with_the_time),
                logging_test(test_a_new_log_file_is_not_for_everybody),
                logging_test(test_a_file_that_cannot_be_opened_leaves_the_log_as_it_was),
                logging_test(test_none_is_silent),
                logging_test(test_somebody_else_may_be_told_as_well),
                cmocka_unit_test(test_levels_have_names),
        };

        return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
