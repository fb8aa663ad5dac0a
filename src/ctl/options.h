/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* pgrokctl's command line. */

#include <stdbool.h>

typedef struct CtlOptions {     /* all borrowed from argv */
        const char *socket;     /* NULL: found out */
        const char *config;     /* of pgrokd: for tokens */
        const char *token_file; /* NULL: as the configuration says */
        bool json, help, version;
        char **words; /* the command and its arguments */
        int n_words;
} CtlOptions;

/* Returns 0, or -EINVAL when the usage is bad, which was told on stderr. */
int ctl_options_parse(int argc, char *argv[], CtlOptions *ret);
void ctl_options_help(void);
