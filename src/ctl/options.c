/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "base/nearest.h"

enum {
        OPTION_SOCKET = 1000,
        OPTION_CONFIG,
        OPTION_TOKEN_FILE,
        OPTION_JSON,
        OPTION_HELP,
        OPTION_VERSION,
};

static const struct option options[] = {
        { "socket", required_argument, NULL, OPTION_SOCKET },
        { "config", required_argument, NULL, OPTION_CONFIG },
        { "token-file", required_argument, NULL, OPTION_TOKEN_FILE },
        { "json", no_argument, NULL, OPTION_JSON },
        { "help", no_argument, NULL, OPTION_HELP },
        { "version", no_argument, NULL, OPTION_VERSION },
        {},
};

void ctl_options_help(void) {
        fputs("Usage: pgrokctl [OPTION]... COMMAND\n"
              "Administer a running pgrokd, and its tokens.\n"
              "\n"
              "  status                    how it is\n"
              "  tunnels                   which names and ports lead to which client\n"
              "  clients                   who is connected\n"
              "  connections               visitors, and how much they have moved\n"
              "  kick CLIENT               end a client's sessions and connections; it may come back\n"
              "  drain                     take nobody any more, and end with the last visitor\n"
              "  reload                    read the configuration again\n"
              "  upgrade                   hand over to the program on disk; nobody is disconnected\n"
              "  verify                    check the configuration without using it\n"
              "  host add HOST NAME        give a host name to the user NAME\n"
              "  host remove HOST NAME     take it back\n"
              "  log-level LEVEL           error, warning, info or debug\n"
              "  token add NAME [KEY=VALUE]...\n"
              "                            a new user, and a token for the client\n"
              "  token list                users, and what they may do\n"
              "  token revoke NAME         a user less\n"
              "  version, help\n"
              "\n"
              "  --socket PATH             where pgrokd listens for administrators\n"
              "  --json                    what pgrokd answers, unchanged\n"
              "  --config PATH             pgrokd's configuration, a file or folder (default " PGROK_CONFIG_DIR
              "): for tokens\n"
              "  --token-file FILE         the token file, else the one of the configuration\n"
              "  --help, --version         print this, or the version, and end\n"
              "\n"
              "Exit status: 0 done, 1 failure, 2 bad usage or configuration.\n",
              stdout);
}

static void set_option(CtlOptions *o, int option, char *value) {
        switch (option) {
        case OPTION_SOCKET:
                o->socket = value;
                break;
        case OPTION_CONFIG:
                o->config = value;
                break;
        case OPTION_TOKEN_FILE:
                o->token_file = value;
                break;
        case OPTION_JSON:
                o->json = true;
                break;
        case OPTION_HELP:
                o->help = true;
                break;
        default:
                o->version = true;
        }
}

int ctl_options_parse(int argc, char *argv[], CtlOptions *ret) {
        int option;

        *ret = (CtlOptions) { .config = PGROK_CONFIG_DIR };
        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (option == '?') {
                        const char *meant = nearest_option(options, argv[optind - 1]);

                        if (meant)
                                fprintf(stderr, "Did you mean --%s?\n", meant);
                        fprintf(stderr, "Try `pgrokctl --help`.\n");
                        return -EINVAL;
                }
                set_option(ret, option, optarg);
        }
        ret->words = argv + optind;
        ret->n_words = argc - optind;
        return 0;
}
