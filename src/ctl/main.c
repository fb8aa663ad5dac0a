/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/commands.h"

int main(int argc, char *argv[]) {
        CtlOptions options;
        int status = ctl_options_parse(argc, argv, &options) < 0 ? EXIT_USAGE : command_run(&options);

        return fflush(stdout) == 0 || status != EXIT_SUCCESS ? status : EXIT_FAILURE;
}
