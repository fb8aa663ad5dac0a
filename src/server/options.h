/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* pgrokd's command line. */

#include "server/config.h"

typedef struct ServerOptions {
        ConfigList paths; /* of the configuration */
        ServerSetting settings[SERVER_SETTINGS_MAX];
        size_t n_settings;
        const char *log_target; /* borrowed from argv, as are the settings; NULL: found out */
        const char *log_level;
        char **argv;   /* borrowed: as we were started */
        char *program; /* owned: where this program was found, also if there is another one by now; or NULL */
        bool dev, check, help, version;
} ServerOptions;

/* Returns 0, or -EINVAL when the usage is bad, which was told on stderr. *RET is to be done in any case. */
int server_options_parse(int argc, char *argv[], ServerOptions *ret);
/* Reads the configuration that O points to, and the files that it names. As server_config_load(). */
int server_options_load(const ServerOptions *o, ServerConfig *c, ConfigList *ret_faults);
void server_options_done(ServerOptions *o);
void server_options_help(void);
