/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of pgrok: GNU long options, and the spellings of ngrok 1.x and jerson/pgrok. */

#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_SETTINGS_MAX 64
#define OPTIONS_CONFIGS_MAX 16

typedef enum Command {
        COMMAND_TUNNEL, /* pgrok [http|https|tcp] TARGET… */
        COMMAND_SERVE,  /* serve FOLDER… */
        COMMAND_START,  /* start NAME… */
        COMMAND_START_ALL,
        COMMAND_RUN,
        COMMAND_LIST,
        COMMAND_CHECK,
        COMMAND_STATUS, /* the rest asks a running client */
        COMMAND_ADD,    /* add TARGET…|NAME… */
        COMMAND_REMOVE, /* remove NAME… */
        COMMAND_RELOAD,
        COMMAND_LOGIN, /* login TOKEN|- */
        COMMAND_VERSION,
        COMMAND_HELP, /* help [COMMAND] */
} Command;

/* An option that sets a key of the configuration. */
typedef struct OptionSetting {
        const char *key;    /* borrowed: "client.server"; of a tunnel just "subdomain" */
        const char *value;  /* borrowed from the command line */
        const char *origin; /* borrowed: the option's spelling */
} OptionSetting;

/* All strings are borrowed: from the command line, or constants. */
typedef struct Options {
        Command command;
        const char *command_name; /* as typed, or NULL */
        char **arguments;         /* TARGET…, NAME… or COMMAND */
        size_t n_arguments;
        OptionSetting client[OPTIONS_SETTINGS_MAX]; /* keys with their section */
        size_t n_client;
        OptionSetting tunnel[OPTIONS_SETTINGS_MAX]; /* keys of the tunnels on the command line */
        size_t n_tunnel;
        const char *configs[OPTIONS_CONFIGS_MAX];
        size_t n_configs;
        const char *socket;    /* of a running client, or NULL */
        const char *log;       /* or NULL */
        const char *log_level; /* or NULL */
        bool dev;
        bool json;
        bool text; /* --output text: no screen */
        bool help;
} Options;

/* Parses; ARGV is reordered. Returns 0, or -EINVAL with a sentence printed to stderr. */
int options_parse(Options *ret, int argc, char **argv);
