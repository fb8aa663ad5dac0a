/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/options.h"

#include <errno.h>
#include <getopt.h>

#include "base/log.h"
#include "base/nearest.h"
#include "base/str.h"

typedef enum OptionId {
        OPTION_CONFIG = 256,
        OPTION_DEV,
        OPTION_INSECURE_LOCAL,
        OPTION_INSPECT_PUBLIC,
        OPTION_JSON,
        OPTION_LOG,
        OPTION_LOG_LEVEL,
        OPTION_OUTPUT,
        OPTION_SOCKET,
        OPTION_TLS,
        OPTION_VERSION,
        OPTION_SETTING, /* and up: an index into `settings` */
} OptionId;

/* Options that set a key, with the spellings of the Go programs. */
static const struct {
        const char *name;
        const char *key;
        const char *origin;
        bool of_tunnel;
} settings[] = {
        { "server", "client.server", "--server", false },
        { "serveraddr", "client.server", "--server", false },
        { "token", "client.token", "--token", false },
        { "authtoken", "client.token", "--token", false },
        { "token-file", "client.token_file", "--token-file", false },
        { "ca-file", "client.ca_file", "--ca-file", false },
        { "pin", "client.pin", "--pin", false },
        { "certificate", "client.certificate", "--certificate", false },
        { "tlsClientCrt", "client.certificate", "--certificate", false },
        { "key", "client.key", "--key", false },
        { "tlsClientKey", "client.key", "--key", false },
        { "http-proxy", "client.http_proxy", "--http-proxy", false },
        { "transport", "client.transport", "--transport", false },
        { "inspect", "client.inspect", "--inspect", false },
        { "inspectaddr", "client.inspect", "--inspect", false },
        { "proto", "proto", "--proto", true },
        { "subdomain", "subdomain", "--subdomain", true },
        { "hostname", "hostname", "--hostname", true },
        { "remote-port", "remote_port", "--remote-port", true },
        { "http-auth", "http_auth", "--http-auth", true },
        { "httpauth", "http_auth", "--http-auth", true },
        { "host-header", "host_header", "--host-header", true },
        { "proxy-protocol", "proxy_protocol", "--proxy-protocol", true },
        { "allow", "allow", "--allow", true },
        { "deny", "deny", "--deny", true },
        { "local-ca-file", "local_ca_file", "--local-ca-file", true },
};

static const struct option own_options[] = {
        { "config", required_argument, NULL, OPTION_CONFIG },
        { "dev", no_argument, NULL, OPTION_DEV },
        { "insecure-local", no_argument, NULL, OPTION_INSECURE_LOCAL },
        { "json", no_argument, NULL, OPTION_JSON },
        { "inspectpublic", optional_argument, NULL, OPTION_INSPECT_PUBLIC },
        { "log", required_argument, NULL, OPTION_LOG },
        { "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
        { "output", required_argument, NULL, OPTION_OUTPUT },
        { "socket", required_argument, NULL, OPTION_SOCKET },
        { "tls", no_argument, NULL, OPTION_TLS },
        { "version", no_argument, NULL, OPTION_VERSION },
        { "help", no_argument, NULL, 'h' },
};

static const struct {
        const char *name;
        Command command;
        const char *proto; /* of targets */
        bool takes_arguments;
} commands[] = {
        { "http", COMMAND_TUNNEL, "http", true },
        { "https", COMMAND_TUNNEL, "https", true },
        { "tcp", COMMAND_TUNNEL, "tcp", true },
        { "tls", COMMAND_TUNNEL, "tls", true },
        { "serve", COMMAND_SERVE, NULL, true },
        { "start", COMMAND_START, NULL, true },
        { "start-all", COMMAND_START_ALL, NULL, false },
        { "run", COMMAND_RUN, NULL, false },
        { "status", COMMAND_STATUS, NULL, false },
        { "add", COMMAND_ADD, NULL, true },
        { "remove", COMMAND_REMOVE, NULL, true },
        { "reload", COMMAND_RELOAD, NULL, false },
        { "list", COMMAND_LIST, NULL, false },
        { "check", COMMAND_CHECK, NULL, false },
        { "login", COMMAND_LOGIN, NULL, true },
        { "version", COMMAND_VERSION, NULL, false },
        { "help", COMMAND_HELP, NULL, true },
};

static int usage_error(char *sentence) {
        fprintf(stderr, "pgrok: %s\nTry 'pgrok --help'.\n", sentence ? sentence : "out of memory");
        free(sentence);
        return -EINVAL;
}

static int add_setting(Options *o, bool of_tunnel, const OptionSetting *setting) {
        size_t *n = of_tunnel ? &o->n_tunnel : &o->n_client;

        if (*n >= OPTIONS_SETTINGS_MAX)
                return usage_error(strdup("too many options"));
        (of_tunnel ? o->tunnel : o->client)[(*n)++] = *setting;
        return 0;
}

static int take_output(Options *o, const char *value) {
        o->json = streq(value, "json");
        o->text = streq(value, "text");
        if (!o->json && !o->text)
                return usage_error(str_format("--output is text or json, not '%s'", value));
        return 0;
}

static int take_log_level(Options *o, const char *value) {
        if (log_level_from_string(value) < 0)
                return usage_error(
                        str_format("--log-level is error, warning, info or debug, not '%s'", value));
        o->log_level = value;
        return 0;
}

static int take_config(Options *o, const char *value) {
        if (o->n_configs >= OPTIONS_CONFIGS_MAX)
                return usage_error(strdup("--config is given too often"));
        o->configs[o->n_configs++] = value;
        return 0;
}

static int take_option(Options *o, int id, const char *value) {
        switch (id) {
        case OPTION_CONFIG:
                return take_config(o, value);
        case OPTION_INSPECT_PUBLIC:
                if (!value || !streq(value, "false"))
                        fputs("pgrok: -inspectpublic: the inspector has no password, so it stays on this "
                              "machine (--inspect ADDRESS opens it to others), ignoring\n",
                              stderr);
                return 0;
        case OPTION_DEV:
                o->dev = true;
                return 0;
        case OPTION_INSECURE_LOCAL:
                return add_setting(o, true, &(OptionSetting) { "insecure_local", "true", "--insecure-local" });
        case OPTION_JSON:
                o->json = true;
                return 0;
        case OPTION_LOG:
                o->log = value;
                return 0;
        case OPTION_LOG_LEVEL:
                return take_log_level(o, value);
        case OPTION_OUTPUT:
                return take_output(o, value);
        case OPTION_SOCKET:
                o->socket = value;
                return 0;
        case OPTION_TLS: /* of jerson/pgrok, where it is a choice */
                return 0;
        case OPTION_VERSION:
                o->command = COMMAND_VERSION;
                return 0;
        case 'h':
                o->help = true;
                return 0;
        default:
                return -EINVAL;
        }
}

static int take_setting(Options *o, size_t i, const char *value) {
        OptionSetting setting = { .key = settings[i].key, .value = value, .origin = settings[i].origin };

        return add_setting(o, settings[i].of_tunnel, &setting);
}

/* "; did you mean X?", or "". */
static const char *suggest_command(const char *word, char *ret, size_t size) {
        Nearest s = { .word = word };

        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                nearest_offer(&s, commands[i].name, strlen(commands[i].name));
        snprintf(ret, size, s.found ? "; did you mean '%s'?" : "", s.found);
        return ret;
}

/* getopt has told what is wrong with ARGUMENT. */
static int bad_option(const struct option *table, const char *argument) {
        const char *meant = nearest_option(table, argument);

        if (meant)
                fprintf(stderr, "Did you mean --%s?\n", meant);
        fputs("Try 'pgrok --help'.\n", stderr);
        return -EINVAL;
}

/* Is it meant as a command? A target has a digit, a colon or a dot. */
static bool looks_like_command(const char *s) {
        return !strpbrk(s, "0123456789:./");
}

/* The index in `commands`, or their number. */
static size_t find_command(const char *name) {
        size_t i = 0;

        while (i < ELEMENTSOF(commands) && !streq(commands[i].name, name))
                i++;
        return i;
}

/* Of targets whose command names the protocol. */
static int set_proto(Options *o, const char *proto) {
        for (size_t i = 0; i < o->n_tunnel; i++)
                if (streq(o->tunnel[i].key, "proto"))
                        return usage_error(
                                str_format("'%s' says the protocol already; --proto is too much", proto));
        return add_setting(o, true, &(OptionSetting) { "proto", proto, proto });
}

/* The first argument names the command, or is the first target. */
static int take_command(Options *o) {
        const char *first = o->n_arguments > 0 ? o->arguments[0] : NULL;
        char meant[64];
        size_t i;

        if (!first)
                return o->command == COMMAND_VERSION || o->help
                               ? 0
                               : usage_error(strdup("what shall be tunnelled?"));
        i = find_command(first);
        if (i == ELEMENTSOF(commands))
                return looks_like_command(first)
                               ? usage_error(str_format("there is no command '%s'%s", first,
                                                        suggest_command(first, meant, sizeof(meant))))
                               : 0;
        o->command_name = first;
        if (o->command != COMMAND_VERSION)
                o->command = commands[i].command;
        o->arguments++;
        o->n_arguments--;
        if (o->n_arguments > 0 && !commands[i].takes_arguments)
                return usage_error(
                        str_format("'%s' takes no arguments, but there is '%s'", first, o->arguments[0]));
        return commands[i].proto ? set_proto(o, commands[i].proto) : 0;
}

/* One name or port can't be that of several tunnels. */
static bool is_for_one(const char *key) {
        return streq(key, "subdomain") || streq(key, "hostname") || streq(key, "remote_port");
}

static int check_tunnel_settings(const Options *o, bool takes_targets) {
        for (size_t i = 0; i < o->n_tunnel; i++) {
                const OptionSetting *s = o->tunnel + i;

                if (!takes_targets)
                        return usage_error(
                                str_format("%s does not go with '%s': configured tunnels have their own",
                                           s->origin, o->command_name));
                if (o->n_arguments > 1 && is_for_one(s->key))
                        return usage_error(str_format("%s is for one tunnel, but there are %zu targets",
                                                      s->origin, o->n_arguments));
        }
        return 0;
}

/* What a command needs one or more of; NULL: nothing. */
static const char *what_is_needed(Command command) {
        switch (command) {
        case COMMAND_TUNNEL:
        case COMMAND_ADD:
                return "a target, such as 3000";
        case COMMAND_SERVE:
                return "a folder";
        case COMMAND_START:
        case COMMAND_REMOVE:
                return "the name of a tunnel";
        default:
                return NULL;
        }
}

static int check_arguments(const Options *o) {
        const char *needed = what_is_needed(o->command);

        if (o->help || o->command == COMMAND_HELP || o->command == COMMAND_VERSION)
                return 0;
        if (o->command == COMMAND_LOGIN && o->n_arguments != 1)
                return usage_error(strdup("'login' needs the token, or '-' to read it from standard input"));
        if (needed && o->n_arguments == 0)
                return usage_error(str_format("'%s' needs %s", o->command_name, needed));
        return check_tunnel_settings(o, o->command == COMMAND_TUNNEL || o->command == COMMAND_ADD ||
                                                o->command == COMMAND_SERVE);
}

int options_parse(Options *ret, int argc, char **argv) {
        struct option table[ELEMENTSOF(settings) + ELEMENTSOF(own_options) + 1] = {};
        Options o = {};
        int id, r = 0;

        for (size_t i = 0; i < ELEMENTSOF(settings); i++)
                table[i] = (struct option){ settings[i].name, required_argument, NULL,
                                            OPTION_SETTING + (int) i };
        memcpy(table + ELEMENTSOF(settings), own_options, sizeof(own_options));
        optind = 0; /* begin anew, also when called again */
        while (r >= 0 && (id = getopt_long_only(argc, argv, "h", table, NULL)) != -1)
                if (id == '?' || id == ':')
                        r = bad_option(table, argv[optind - 1]);
                else
                        r = id >= OPTION_SETTING ? take_setting(&o, (size_t) (id - OPTION_SETTING), optarg)
                                                 : take_option(&o, id, optarg);
        if (r < 0)
                return r;
        o.arguments = argv + optind;
        o.n_arguments = (size_t) (argc - optind);
        r = take_command(&o);
        if (r >= 0)
                r = check_arguments(&o);
        if (r >= 0)
                *ret = o;
        return r;
}
