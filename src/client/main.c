/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pgrok: exposes local services through a pgrokd. */

#include <config.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/str.h"
#include "client/client.h"
#include "client/help.h"
#include "client/list.h"
#include "client/login.h"
#include "client/remote.h"

/* Each visitor needs two descriptors, and the soft limit is made for select(). */
static void raise_descriptor_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

static int print_help(const Options *o) {
        const char *about =
                o->command == COMMAND_HELP && o->n_arguments > 0 ? o->arguments[0] : o->command_name;

        if (help_print(about) >= 0)
                return EXIT_SUCCESS;
        fprintf(stderr, "pgrok: there is no command '%s'\n", about);
        return CLIENT_EXIT_USAGE;
}

static int open_log(const Options *o) {
        int r = log_open("pgrok", o->log);

        if (r < 0) {
                fprintf(stderr, "pgrok: can't write the log %s: %s\n", o->log, strerror(-r));
                return r;
        }
        if (o->log_level)
                log_set_level(log_level_from_string(o->log_level));
        return 0;
}

/* Returns the exit status. */
static int print_check(const ClientConfig *c, bool json) {
        if (json)
                check_print_json(c, &(ConfigList){});
        else
                printf("The configuration in %s is right: %zu tunnels\n", c->folder, c->n_tunnels);
        return EXIT_SUCCESS;
}

/* Whoever asks for lines, or for a log among them, gets lines. */
static ReportMode choose_output(const Options *o, bool daemon) {
        bool has_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);

        if (o->json)
                return REPORT_JSON;
        if (daemon)
                return REPORT_LOG;
        return o->text || str_equal(o->log, "stdout") || !has_terminal ? REPORT_TEXT : REPORT_SCREEN;
}

/* Owns C. */
static int run_command(ClientConfig *config, const Options *o) {
        _cleanup_(client_config_freep) ClientConfig *c = config;
        bool daemon = o->command == COMMAND_RUN;

        switch (o->command) {
        case COMMAND_LIST:
                list_print(c, o->json);
                return EXIT_SUCCESS;
        case COMMAND_CHECK:
                return print_check(c, o->json);
        default:
                signal(SIGPIPE, SIG_IGN); /* a reader of our output that goes away ends nothing */
                raise_descriptor_limit();
                return client_run(TAKE_PTR(c), o, daemon, choose_output(o, daemon));
        }
}

static void print_faults(const ConfigList *faults, bool json) {
        if (json && faults->n > 0)
                check_print_json(NULL, faults);
        for (size_t i = 0; i < faults->n && !json; i++)
                fprintf(stderr, "%s\n", faults->items[i]);
}

int main(int argc, char *argv[]) {
        _cleanup_(config_list_done) ConfigList faults = {};
        _cleanup_(client_config_freep) ClientConfig *config = NULL;
        Options options;
        int r = options_parse(&options, argc, argv);

        if (r < 0)
                return CLIENT_EXIT_USAGE;
        if (options.help || options.command == COMMAND_HELP)
                return print_help(&options);
        if (options.command == COMMAND_VERSION) {
                puts("pgrok " PACKAGE_VERSION);
                return EXIT_SUCCESS;
        }
        if (open_log(&options) < 0)
                return CLIENT_EXIT_FAILURE;
        if (options.command >= COMMAND_STATUS && options.command <= COMMAND_RELOAD)
                return remote_run(&options);
        if (options.command == COMMAND_LOGIN)
                return login_run(&options);
        r = client_config_load(&config, &options, &(Changes){}, &faults);
        print_faults(&faults, options.json && options.command == COMMAND_CHECK);
        if (r == -EINVAL)
                return CLIENT_EXIT_USAGE;
        if (r < 0) {
                fprintf(stderr, "pgrok: %s\n", strerror(-r));
                return CLIENT_EXIT_FAILURE;
        }
        r = run_command(TAKE_PTR(config), &options);
        log_close();
        return r;
}
