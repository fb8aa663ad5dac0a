/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/help.h"

#include <errno.h>

#include "base/str.h"

#define SERVER_OPTIONS                                                                            \
        "Server:\n"                                                                               \
        "  --server HOST[:PORT]   the server's tunnel port (default port: 4443)\n"                \
        "  --token T              who you are; shows in ps, so rather PGROK_TOKEN\n"              \
        "                         in the environment, or\n"                                       \
        "  --token-file F         a file that holds the token\n"                                  \
        "  --ca-file F            trust these certificates (PEM) instead of the system's\n"       \
        "  --pin sha256:HEX       trust the server that has this key, whatever its certificate\n" \
        "  --certificate F, --key F\n"                                                            \
        "                         what to show to a server that asks for a certificate\n"         \
        "  --http-proxy URL       http://[USER:PASSWORD@]HOST[:PORT]; empty: none. Default:\n"    \
        "                         https_proxy or http_proxy in the environment\n"                 \
        "  --transport T          auto, mux or classic\n"                                         \
        "  --inspect ADDRESS|off  where the inspector is (default: 127.0.0.1:4040, or the next\n" \
        "                         free port; run: off)\n"                                         \
        "  --dev                  a 'pgrokd --dev' on this machine; no configuration is read\n"

#define TUNNEL_OPTIONS                                                                   \
        "Tunnel:\n"                                                                      \
        "  --subdomain S          the name below the server's domain (default: any)\n"   \
        "  --hostname H           a whole host name, or *.NAME for all below it\n"       \
        "  --http-auth USER:PASSWORD|USER:HASH\n"                                        \
        "                         visitors must log in; may be repeated\n"               \
        "  --allow CIDR, --deny CIDR\n"                                                  \
        "                         where visitors may come from, and where not; may be\n" \
        "                         repeated\n"                                            \
        "  --host-header rewrite|HOST\n"                                                 \
        "                         what the service sees as Host: its own, or HOST\n"     \
        "  --proxy-protocol v1|v2 the service is told who the visitor is, in front of\n" \
        "                         all else\n"                                            \
        "  --remote-port N        the server's port of a tcp tunnel (default: any)\n"    \
        "  --local-ca-file F      of an https:// target: trust these instead of the\n"   \
        "                         system's certificates\n"                               \
        "  --insecure-local       or any: whoever is in between can read and change all\n"

#define COMMON_OPTIONS                                                                            \
        "Common:\n"                                                                               \
        "  --config PATH          a file, or a folder with *.conf; may be repeated. Default:\n"   \
        "                         $XDG_CONFIG_HOME/pgrok, ~/.config/pgrok; for the user\n"        \
        "                         pgrok, and for root without XDG_CONFIG_HOME, /etc/pgrok\n"      \
        "  --output text|json     what happens, on stdout: a line, or a JSON object, an event.\n" \
        "                         Without it a terminal shows a live screen\n"                    \
        "  --json                 the same as --output json\n"                                    \
        "  --socket PATH          for status, add, remove, reload: where that pgrok listens\n"    \
        "  --log F                the log: stdout, none, or a file (default: stderr)\n"           \
        "  --log-level L          error, warning, info or debug\n"                                \
        "  --help, --version\n"

#define EXIT_STATUS                                                                             \
        "Exit status: 0 asked to stop, 1 failure, 2 bad usage or configuration, 3 refused by\n" \
        "the server before it was ever online.\n"

#define TARGETS                                                                                   \
        "A TARGET is where the service listens: PORT (on this machine: 127.0.0.1, then ::1),\n"   \
        "HOST:PORT, unix:/PATH, https://HOST:PORT, or file:///FOLDER, whose files pgrok serves\n" \
        "itself. Several targets make several tunnels.\n"

static const char overview[] =
        "pgrok [OPTIONS] TARGET…            the same as http and https together\n"
        "pgrok http|https|tcp|tls TARGET…   makes local services reachable from the internet\n"
        "pgrok serve FOLDER…                the files in a folder\n"
        "pgrok start NAME…                  starts tunnels of the configuration\n"
        "pgrok start-all                    starts all of them\n"
        "pgrok run                          the daemon: all of them, and never gives up\n"
        "pgrok status                       shows what a running pgrok does\n"
        "pgrok add TARGET…|NAME…            a running pgrok gets tunnels more: targets, with options\n"
        "                                   like those below, or tunnels of its configuration\n"
        "pgrok remove NAME…                 and less\n"
        "pgrok reload                       makes it read its configuration again\n"
        "pgrok list                         shows the configured tunnels\n"
        "pgrok check                        reads the configuration and tells its faults\n"
        "pgrok login [--server HOST:PORT] [--pin PIN] TOKEN|-\n"
        "                                   keeps them for all that follow; -: the token from stdin\n"
        "pgrok version\n"
        "pgrok help [COMMAND]\n"
        "\n" TARGETS "\n"
        "Example: pgrok --server tunnel.example.com 3000\n"
        "\n" SERVER_OPTIONS "\n" TUNNEL_OPTIONS
        "  --proto P[+P]          http, https, tcp, tls (default: http+https)\n"
        "\n" COMMON_OPTIONS "\n" EXIT_STATUS;

static const char targets_help[] =
        "pgrok http|https|tcp|tls TARGET… [OPTIONS]\n"
        "\n"
        "Makes local services reachable from the internet: http through http://NAME.DOMAIN,\n"
        "https through https://NAME.DOMAIN (TLS ends at the server), tcp through a port of the\n"
        "server, tls through NAME.DOMAIN too (TLS ends at the service, whose certificate is seen).\n"
        "Runs until it is interrupted, and reconnects by itself.\n"
        "\n" TARGETS "\n" TUNNEL_OPTIONS "\n" SERVER_OPTIONS "\n" COMMON_OPTIONS "\n" EXIT_STATUS;

static const char serve_help[] =
        "pgrok serve FOLDER… [OPTIONS]\n"
        "\n"
        "Shows the files in a folder, as http and https: index.html or a list of what is there.\n"
        "Hidden files, and links that lead out of the folder, are not served.\n"
        "\n" TUNNEL_OPTIONS "\n" SERVER_OPTIONS "\n" COMMON_OPTIONS "\n" EXIT_STATUS;

static const char start_help[] =
        "pgrok start NAME… [OPTIONS]\n"
        "pgrok start-all [OPTIONS]\n"
        "\n"
        "Starts tunnels that the configuration describes:\n"
        "\n"
        "  client: { server = \"tunnel.example.com:4443\"; token_file = \"…\"; };\n"
        "  tunnels: {\n"
        "    blog: { proto = \"http+https\"; local = \"127.0.0.1:8080\"; http_auth = \"user:secret\"; };\n"
        "    api:  { proto = \"https\"; local = \"8000\"; hostname = \"api.example.org\"; };\n"
        "    ssh:  { proto = \"tcp\"; local = \"22\"; remote_port = 20022; };\n"
        "  };\n"
        "\n"
        "A tunnel's name is its subdomain unless subdomain or hostname is set.\n"
        "\n" SERVER_OPTIONS "\n" COMMON_OPTIONS "\n" EXIT_STATUS;

static const char run_help[] =
        "pgrok run [OPTIONS]\n"
        "\n"
        "The daemon: starts all tunnels of the configuration and keeps them up. It never gives\n"
        "up: when the server refuses it, it tries again every 5 minutes. What happens goes to the\n"
        "log, or with --json to stdout. systemd is told READY after the first attempt.\n"
        "\n" SERVER_OPTIONS "\n" COMMON_OPTIONS;

static const char list_help[] =
        "pgrok list [--json] [--config PATH]\n"
        "\n"
        "Shows the tunnels of the configuration: a table, or with --json an object a line.\n"
        "\n" COMMON_OPTIONS;

static const char check_help[] =
        "pgrok check [--json] [--config PATH]\n"
        "\n"
        "Reads the configuration and prints FILE:LINE: REASON for each fault. Exit status: 0, or 2\n"
        "when there are faults.\n"
        "\n" COMMON_OPTIONS;

static const char login_help[] =
        "pgrok login [--server HOST[:PORT]] [--pin sha256:HEX] [--ca-file F] [--config FOLDER] TOKEN|-\n"
        "\n"
        "Writes login.conf and the token into the folder of the configuration, for nobody else to\n"
        "read, so that 'pgrok 3000' is enough from then on. What other files say there stays.\n"
        "'pgrokctl token add NAME' on the server prints the line that is to be typed here. With -\n"
        "the token is read from standard input, since arguments show in ps.\n"
        "\n"
        "A pin is SHA-256 of the server's public key: it stands for a CA where the certificate\n"
        "signs itself, and stays when that is renewed with the same key.\n"
        "\n" COMMON_OPTIONS;

int help_print(const char *command) {
        static const struct {
                const char *name;
                const char *text;
        } texts[] = {
                { "http", targets_help },    { "https", targets_help }, { "tcp", targets_help },
                { "tls", targets_help },     { "serve", serve_help },   { "start", start_help },
                { "start-all", start_help }, { "run", run_help },       { "status", overview },
                { "add", overview },         { "remove", overview },    { "reload", overview },
                { "list", list_help },       { "check", check_help },   { "login", login_help },
                { "version", overview },     { "help", overview },
        };

        if (!command) {
                fputs(overview, stdout);
                return 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (streq(texts[i].name, command)) {
                        fputs(texts[i].text, stdout);
                        return 0;
                }
        return -ENOENT;
}
