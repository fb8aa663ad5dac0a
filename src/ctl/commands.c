/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/commands.h"

#include <errno.h>

#include "base/nearest.h"
#include "base/str.h"
#include "base/version.h"
#include "ctl/ask.h"
#include "ctl/show.h"
#include "ctl/token-command.h"

#define LABEL_LENGTH 12
#define LIST_QUERY "?limit=10000" /* all that pgrokd tells at once */

/* Asks and shows, in JSON as it came or with SHOW (NULL: there is nothing to show). */
static int ask_and_show(const CtlOptions *o, const char *method, const char *path, struct json_object *body,
                        int (*show)(struct json_object *o)) {
        LocalReply reply;
        int r = ctl_ask(o, method, path, body, &reply);

        if (r < 0)
                return EXIT_FAILURE;
        if (o->json)
                fputs(reply.text, stdout);
        else if (show)
                r = show(reply.json);
        local_reply_done(&reply);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* {"A": "…", "B": "…"}; B may be NULL. */
static struct json_object *object_of(const char *a, const char *a_value, const char *b, const char *b_value) {
        struct json_object *o = json_object_new_object();

        json_object_object_add(o, a, json_object_new_string(a_value));
        if (b)
                json_object_object_add(o, b, json_object_new_string(b_value));
        return o;
}

static int bad_usage(const char *what) {
        fprintf(stderr, "pgrokctl: %s\nTry `pgrokctl --help`.\n", what);
        return EXIT_USAGE;
}

static int bad_word(const char *word, const char *what) {
        _cleanup_free_ char *text = str_format("`%s' %s", word, what);

        return bad_usage(text ? text : what);
}

/* ---- the commands: ARGUMENTS are as many as they take ---- */

static int run_status(const CtlOptions *o, char **arguments _unused_) {
        return ask_and_show(o, "GET", "/v1/status", NULL, show_status);
}

static int run_tunnels(const CtlOptions *o, char **arguments _unused_) {
        return ask_and_show(o, "GET", "/v1/tunnels" LIST_QUERY, NULL, show_tunnels);
}

static int run_clients(const CtlOptions *o, char **arguments _unused_) {
        return ask_and_show(o, "GET", "/v1/clients" LIST_QUERY, NULL, show_clients);
}

static int run_connections(const CtlOptions *o, char **arguments _unused_) {
        return ask_and_show(o, "GET", "/v1/connections" LIST_QUERY, NULL, show_connections);
}

static int run_kick(const CtlOptions *o, char **arguments) {
        _cleanup_free_ char *path = str_format("/v1/clients/%s/kick", arguments[0]);
        const char *label = arguments[0];

        if (strspn(label, "0123456789abcdef") != strlen(label) || strlen(label) != LABEL_LENGTH)
                return bad_usage("a client is named by 12 hex digits, as `pgrokctl clients' shows them");
        return path ? ask_and_show(o, "POST", path, NULL, NULL) : EXIT_FAILURE;
}

static int run_drain(const CtlOptions *o, char **arguments _unused_) {
        return ask_and_show(o, "POST", "/v1/drain", NULL, NULL);
}

static int run_reload(const CtlOptions *o, char **arguments _unused_) {
        return ask_and_show(o, "POST", "/v1/reload", NULL, NULL);
}

static int run_upgrade(const CtlOptions *o, char **arguments _unused_) {
        return ask_and_show(o, "POST", "/v1/upgrade", NULL, NULL);
}

static int run_verify(const CtlOptions *o, char **arguments _unused_) {
        struct json_object *faults;
        LocalReply reply;
        size_t n;

        if (ctl_ask(o, "GET", "/v1/verify", NULL, &reply) < 0)
                return EXIT_FAILURE;
        faults = json_object_object_get(reply.json, "faults");
        n = json_object_is_type(faults, json_type_array) ? json_object_array_length(faults) : 0;
        if (o->json)
                fputs(reply.text, stdout);
        for (size_t i = 0; i < n && !o->json; i++)
                fprintf(stderr, "%s\n", json_object_get_string(json_object_array_get_idx(faults, i)));
        local_reply_done(&reply);
        return n > 0 ? EXIT_USAGE : EXIT_SUCCESS;
}

static int run_host(const CtlOptions *o, const char *method, char **arguments) {
        struct json_object *body = object_of("host", arguments[0], "name", arguments[1]);
        int status = ask_and_show(o, method, "/v1/hosts", body, NULL);

        json_object_put(body);
        return status;
}

static int run_host_add(const CtlOptions *o, char **arguments) {
        return run_host(o, "POST", arguments);
}

static int run_host_remove(const CtlOptions *o, char **arguments) {
        return run_host(o, "DELETE", arguments);
}

static int run_log_level(const CtlOptions *o, char **arguments) {
        struct json_object *body = object_of("level", arguments[0], NULL, NULL);
        int status = ask_and_show(o, "POST", "/v1/log-level", body, NULL);

        json_object_put(body);
        return status;
}

static int run_version(const CtlOptions *o _unused_, char **arguments _unused_) {
        printf("pgrokctl %s\n", PGROK_VERSION);
        return EXIT_SUCCESS;
}

static int run_help(const CtlOptions *o _unused_, char **arguments _unused_) {
        ctl_options_help();
        return EXIT_SUCCESS;
}

/* ---- choosing one ---- */

#define ANY_NUMBER (-1)
#define ANY_NUMBER_OR_NONE (-2)

static const struct {
        const char *word, *second; /* SECOND: NULL unless the command has two words */
        int n_arguments;           /* ANY_NUMBER: one or more, which end with NULL */
        int (*run)(const CtlOptions *o, char **arguments);
} commands[] = {
        { "status", NULL, 0, run_status },
        { "tunnels", NULL, 0, run_tunnels },
        { "clients", NULL, 0, run_clients },
        { "connections", NULL, 0, run_connections },
        { "kick", NULL, 1, run_kick },
        { "drain", NULL, 0, run_drain },
        { "reload", NULL, 0, run_reload },
        { "upgrade", NULL, 0, run_upgrade },
        { "verify", NULL, 0, run_verify },
        { "host", "add", 2, run_host_add },
        { "host", "remove", 2, run_host_remove },
        { "log-level", NULL, 1, run_log_level },
        { "token", "add", ANY_NUMBER, token_command_add },
        { "token", "list", 0, token_command_list },
        { "token", "revoke", 1, token_command_revoke },
        { "version", NULL, 0, run_version },
        { "help", NULL, ANY_NUMBER_OR_NONE, run_help },
};

static bool takes(int wanted, int n) {
        if (wanted == ANY_NUMBER_OR_NONE)
                return true;
        return wanted == ANY_NUMBER ? n > 0 : n == wanted;
}

static int bad_command(const CtlOptions *o) {
        _cleanup_free_ char *text = NULL;
        Nearest s = { .word = o->words[0] };

        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                nearest_offer(&s, commands[i].word, strlen(commands[i].word));
        if (!s.found || s.distance == 0)
                return bad_word(o->words[0], "is no command, or not the whole of one");
        text = str_format("is no command; did you mean `%s'?", s.found);
        return bad_word(o->words[0], text ? text : "is no command");
}

int command_run(const CtlOptions *o) {
        if (o->help || o->version)
                return o->help ? run_help(o, NULL) : run_version(o, NULL);
        if (o->n_words == 0)
                return bad_usage("say what to do");
        for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
                int n_words = commands[i].second ? 2 : 1, n = o->n_words - n_words;

                if (!streq(commands[i].word, o->words[0]) ||
                    (commands[i].second && (n < 0 || !streq(commands[i].second, o->words[1]))))
                        continue;
                if (!takes(commands[i].n_arguments, n))
                        return bad_word(commands[i].word, "has too few or too many arguments");
                return commands[i].run(o, o->words + n_words);
        }
        return bad_command(o);
}
