/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "base/log.h"
#include "base/version.h"
#include "server/options.h"
#include "server/predecessor.h"
#include "server/server.h"

#define EXIT_USAGE 2

/* Returns the exit status. */
static int configure_and_run(const ServerOptions *o, Inherited *inherited) {
        ServerConfig config = {};
        ConfigList faults = {};
        int status = EXIT_SUCCESS;
        int r = server_options_load(o, &config, &faults);

        for (size_t i = 0; i < faults.n; i++)
                fprintf(stderr, "%s\n", faults.items[i]);
        if (r < 0) {
                predecessor_refuse(inherited, faults.n > 0 ? faults.items[0] : strerror(-r));
                if (!o->check)
                        log_struct(LOG_ERR, LOG_FIELDS({ "PGROK_EVENT", "faulty" }),
                                   "The configuration is faulty: see above");
                status = r == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
        } else if (!o->check)
                status = server_run(&config, o, inherited);
        config_list_done(&faults);
        server_config_done(&config);
        return status;
}

static int take_and_run(const ServerOptions *o) {
        Inherited inherited;
        int r = inherited_take(&inherited), status = EXIT_FAILURE;

        if (r < 0)
                log_error("Can't take the sockets that systemd has passed: %s", strerror(-r));
        else
                status = configure_and_run(o, &inherited);
        inherited_done(&inherited);
        return status;
}

static int run(const ServerOptions *o) {
        int r;

        if (o->help) {
                server_options_help();
                return EXIT_SUCCESS;
        }
        if (o->version) {
                printf("pgrokd %s\n", PGROK_VERSION);
                return EXIT_SUCCESS;
        }
        r = log_open("pgrokd", o->log_target);
        if (r < 0) {
                fprintf(stderr, "pgrokd: can't write the log %s: %s\n", o->log_target, strerror(-r));
                return EXIT_FAILURE;
        }
        if (o->log_level)
                log_set_level(log_level_from_string(o->log_level));
        return take_and_run(o);
}

int main(int argc, char *argv[]) {
        ServerOptions options;
        int status = server_options_parse(argc, argv, &options) < 0 ? EXIT_USAGE : run(&options);

        server_options_done(&options);
        log_close();
        return status;
}
