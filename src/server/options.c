/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/nearest.h"
#include "base/str.h"

enum {
        OPTION_CONFIG = 1000,
        OPTION_DEV,
        OPTION_CHECK,
        OPTION_LOG,
        OPTION_LOG_LEVEL,
        OPTION_HELP,
        OPTION_VERSION,
        OPTION_SETTING, /* from here on: an index into setting_options */
};

/* Options that are keys of the configuration; the ones behind the gap are spelled as ngrok 1.x and
 * jerson/pgrok do. */
static const struct {
        const char *name, *key;
} setting_options[] = {
        { "domain", "server.domain" },
        { "http-listen", "server.http_listen" },
        { "https-listen", "server.https_listen" },
        { "tunnel-listen", "server.tunnel_listen" },
        { "tcp-ports", "server.tcp_ports" },
        { "tls-certificate", "server.tls.certificate" },
        { "tls-key", "server.tls.key" },
        { "auth", "server.auth.method" },
        { "token-file", "server.auth.token_file" },

        { "httpAddr", "server.http_listen" },
        { "httpsAddr", "server.https_listen" },
        { "tunnelAddr", "server.tunnel_listen" },
        { "tlsCrt", "server.tls.certificate" },
        { "tlsKey", "server.tls.key" },
        { "tlsClientCA", "server.tls.visitor_ca" },
        { "tunnelTLSClientCA", "server.tls.client_ca" },
};

static const struct option plain_options[] = {
        { "config", required_argument, NULL, OPTION_CONFIG },
        { "dev", no_argument, NULL, OPTION_DEV },
        { "check", no_argument, NULL, OPTION_CHECK },
        { "log", required_argument, NULL, OPTION_LOG },
        { "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
        { "help", no_argument, NULL, OPTION_HELP },
        { "version", no_argument, NULL, OPTION_VERSION },
};

void server_options_help(void) {
        fputs("Usage: pgrokd [OPTION]...\n"
              "Serve tunnels: accept pgrok clients, and lead visitors to them.\n"
              "\n"
              "  --config PATH           read this file or folder (repeatable; default " PGROK_CONFIG_DIR
              ")\n"
              "  --dev                   try it out: loopback only, no authentication, a certificate of its own;\n"
              "                          domain localhost, http 8080, https 8443, clients 4443, tcp 20000-20099\n"
              "  --check                 read the configuration, tell what is wrong with it, and end\n"
              "  --domain NAME           names of tunnels are below this one\n"
              "  --http-listen ADDRESS   where http visitors come in, as ADDR:PORT (repeatable; \"\": nowhere)\n"
              "  --https-listen ADDRESS  where https visitors come in\n"
              "  --tunnel-listen ADDRESS where clients come in\n"
              "  --tcp-ports LOW-HIGH    ports of tcp tunnels\n"
              "  --tls-certificate FILE  certificate chain (PEM)\n"
              "  --tls-key FILE          its key (PEM)\n"
              "  --auth METHOD           token-file, webhook, or none (on loopback only)\n"
              "  --token-file FILE       who may connect: a line `NAME sha256:HEX` a user\n"
              "  --log TARGET            stdout, none or a file; default: the journal, else stderr\n"
              "  --log-level LEVEL       error, warning, info or debug\n"
              "  --help, --version       print this, or the version, and end\n"
              "\n"
              "The options of ngrok 1.x (-domain, -httpAddr, -tlsCrt, ...) are understood too.\n"
              "Exit status: 0 stopped, 1 failure, 2 bad usage or configuration.\n",
              stdout);
}

static int add_setting(ServerOptions *o, size_t option, const char *value) {
        if (o->n_settings == SERVER_SETTINGS_MAX) {
                fprintf(stderr, "pgrokd: there are too many options\n");
                return -EINVAL;
        }
        o->settings[o->n_settings++] = (ServerSetting) {
                .key = setting_options[option].key,
                .value = value,
                .origin = setting_options[option].name,
        };
        return 0;
}

static int set_option(ServerOptions *o, int option, const char *value) {
        switch (option) {
        case OPTION_CONFIG:
                return config_list_add(&o->paths, value);
        case OPTION_DEV:
                o->dev = true;
                return 0;
        case OPTION_CHECK:
                o->check = true;
                return 0;
        case OPTION_LOG:
                o->log_target = value;
                return 0;
        case OPTION_LOG_LEVEL:
                if (log_level_from_string(value) < 0) {
                        fprintf(stderr, "pgrokd: --log-level is error, warning, info or debug\n");
                        return -EINVAL;
                }
                o->log_level = value;
                return 0;
        case OPTION_HELP:
                o->help = true;
                return 0;
        case OPTION_VERSION:
                o->version = true;
                return 0;
        default:
                return add_setting(o, (size_t) (option - OPTION_SETTING), value);
        }
}

static char *find_program(void) {
        char path[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path));

        return n > 0 && n < (ssize_t) sizeof(path) ? strndup(path, (size_t) n) : NULL;
}

static void suggest_option(const struct option *options, const char *argument) {
        const char *meant = nearest_option(options, argument);

        if (meant)
                fprintf(stderr, "Did you mean --%s?\n", meant);
}

int server_options_parse(int argc, char *argv[], ServerOptions *ret) {
        struct option options[ELEMENTSOF(plain_options) + ELEMENTSOF(setting_options) + 1] = {};
        int option, r;

        memcpy(options, plain_options, sizeof(plain_options));
        for (size_t i = 0; i < ELEMENTSOF(setting_options); i++)
                options[ELEMENTSOF(plain_options) + i] = (struct option){
                        .name = setting_options[i].name,
                        .has_arg = required_argument,
                        .val = OPTION_SETTING + (int) i,
                };
        *ret = (ServerOptions) { .argv = argv, .program = find_program() };
        while ((option = getopt_long_only(argc, argv, "", options, NULL)) >= 0) {
                r = option == '?' ? -EINVAL : set_option(ret, option, optarg);
                if (option == '?')
                        suggest_option(options, argv[optind - 1]);
                if (r < 0)
                        goto bad_usage;
        }
        if (optind < argc) {
                fprintf(stderr, "pgrokd: unexpected argument: %s\n", argv[optind]);
                r = -EINVAL;
                goto bad_usage;
        }
        if (ret->paths.n == 0 && !ret->dev && (ret->n_settings == 0 || access(PGROK_CONFIG_DIR, F_OK) >= 0))
                return config_list_add(&ret->paths, PGROK_CONFIG_DIR);
        return 0;

bad_usage:
        fprintf(stderr, "Try `pgrokd --help`.\n");
        return r;
}

int server_options_load(const ServerOptions *o, ServerConfig *c, ConfigList *ret_faults) {
        int r = server_config_load(c, &o->paths, o->settings, o->n_settings, o->dev, ret_faults);

        return r < 0 ? r : server_config_check_files(c, ret_faults);
}

void server_options_done(ServerOptions *o) {
        config_list_done(&o->paths);
        free(o->program);
}
