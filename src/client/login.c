/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/login.h"

#include <errno.h>
#include <grp.h>
#include <sys/stat.h>

#include "base/config-file.h"
#include "base/files.h"
#include "base/str.h"
#include "client/client.h"
#include "client/config.h"
#include "client/token.h"
#include "net/pin.h"

/* Two files in the folder of the configuration: login.conf, which is login's alone and written anew each
 * time, and the token. What other files of the folder say stays, and counts: a key that they have is not
 * written a second time, and one that they have otherwise is to be changed there. */

#define LOGIN_FILE "login.conf"
#define LOGIN_HEAD                                                                                          \
        "# Written by `pgrok login', whose next run replaces it. Other keys go into other files, such as\n" \
        "# client.conf.\n"
#define SERVICE_GROUP "pgrok"

typedef struct LoginKeys { /* all owned, or NULL */
        char *server, *pin, *ca_file, *token_file, *token;
} LoginKeys;

static const ConfigKey login_keys[] = {
        CONFIG_KEY("client.server", CONFIG_STRING, LoginKeys, server, .check = client_config_check_server),
        CONFIG_KEY("client.pin", CONFIG_STRING, LoginKeys, pin, .check = pin_check),
        CONFIG_KEY("client.ca_file", CONFIG_STRING, LoginKeys, ca_file),
        CONFIG_KEY("client.token_file", CONFIG_STRING, LoginKeys, token_file),
        CONFIG_KEY("client.token", CONFIG_STRING, LoginKeys, token, .check = token_check),
        {},
};
static const ConfigSchema login_schema = { .keys = login_keys };

static const char *const kept_options[] = { "client.server", "client.pin", "client.ca_file" };

typedef struct Login {
        const Options *options; /* borrowed */
        char *folder;           /* owned, as all */
        char *path;             /* of login.conf */
        LoginKeys given;        /* by options */
        LoginKeys found;        /* in the folder */
        ConfigFile *files;      /* which say where */
        char *text;             /* of the new login.conf */
} Login;

static void login_done(Login *l) {
        free(l->folder);
        free(l->path);
        config_keys_done(login_keys, &l->given);
        config_keys_done(login_keys, &l->found);
        config_file_free(l->files);
        free(l->text);
}

/* Owns WHY; NULL: memory is out. */
static int complain(char *why, int status) {
        fprintf(stderr, "pgrok: %s\n", why ? why : "out of memory");
        free(why);
        return status;
}

static int print_faults(const ConfigFile *f) {
        const ConfigList *faults = config_file_faults(f);

        for (size_t i = 0; i < faults->n; i++)
                fprintf(stderr, "%s\n", faults->items[i]);
        return faults->n > 0 ? CLIENT_EXIT_USAGE : EXIT_SUCCESS;
}

/* ---- what is given ---- */

/* "-": from standard input, where ps doesn't see it. */
static int read_token(Login *l) {
        const char *word = l->options->arguments[0];
        char line[TOKEN_BYTES_MAX + sizeof("\r\n")] = "";
        int r;

        if (streq(word, "-"))
                word = fgets(line, sizeof(line), stdin) ? str_trim(line) : "";
        r = token_check(word) ? -EINVAL : str_replace(&l->given.token, word);
        explicit_bzero(line, sizeof(line));
        return r;
}

static bool is_kept(const char *key) {
        for (size_t i = 0; i < ELEMENTSOF(kept_options); i++)
                if (streq(kept_options[i], key))
                        return true;
        return false;
}

/* It may be used from any folder. */
static int make_absolute(char **path) {
        char *absolute = realpath(*path, NULL);

        if (!absolute)
                return complain(str_format("%s: %s", *path, strerror(errno)), CLIENT_EXIT_USAGE);
        free(*path);
        *path = absolute;
        return EXIT_SUCCESS;
}

static int read_options(Login *l) {
        _cleanup_(config_file_freep) ConfigFile *f = NULL;
        const Options *o = l->options;
        int r = config_file_new(&f, &login_schema, &l->given);

        for (size_t i = 0; i < o->n_client && r >= 0; i++) {
                if (!is_kept(o->client[i].key))
                        return complain(str_format("%s does not go with login; configure it in client.conf",
                                                   o->client[i].origin),
                                        CLIENT_EXIT_USAGE);
                r = config_file_set(f, o->client[i].key, o->client[i].value, o->client[i].origin);
        }
        if (r < 0)
                return complain(NULL, CLIENT_EXIT_FAILURE);
        if (print_faults(f) != EXIT_SUCCESS)
                return CLIENT_EXIT_USAGE;
        return str_is_empty(l->given.ca_file) ? EXIT_SUCCESS : make_absolute(&l->given.ca_file);
}

/* ---- what is there ---- */

static int check_own_file(const Login *l) {
        _cleanup_(config_file_freep) ConfigFile *f = NULL;
        LoginKeys keys = {};
        int r, status;

        if (access(l->path, F_OK) < 0)
                return EXIT_SUCCESS;
        r = config_file_new(&f, &login_schema, &keys);
        if (r >= 0)
                r = config_file_read(f, l->path);
        status = r < 0 ? complain(NULL, CLIENT_EXIT_FAILURE) : print_faults(f);
        if (status == CLIENT_EXIT_USAGE)
                fprintf(stderr,
                        "pgrok: %s would be replaced; put what login doesn't write into another file\n",
                        l->path);
        config_keys_done(login_keys, &keys);
        return status;
}

/* Faults, and keys that login doesn't know, are not its business in the files of others. */
static int read_folder(Login *l) {
        struct stat st;
        int r;

        l->folder = client_config_folder(l->options);
        if (l->folder && strlen(l->folder) > 1 && str_has_suffix(l->folder, "/"))
                l->folder[strlen(l->folder) - 1] = '\0';
        l->path = l->folder ? str_format("%s/" LOGIN_FILE, l->folder) : NULL;
        if (!l->path || config_file_new(&l->files, &login_schema, &l->found) < 0)
                return complain(NULL, CLIENT_EXIT_FAILURE);
        if (stat(l->folder, &st) < 0)
                return EXIT_SUCCESS; /* it will be made */
        if (!S_ISDIR(st.st_mode))
                return complain(
                        str_format("%s is no folder: login writes " LOGIN_FILE " into one", l->folder),
                        CLIENT_EXIT_USAGE);
        r = config_file_read(l->files, l->folder);
        return r < 0 ? complain(NULL, CLIENT_EXIT_FAILURE) : check_own_file(l);
}

/* Where another file than ours sets KEY, or NULL. */
static const char *login_elsewhere(const Login *l, const char *key) {
        const char *origin = config_file_origin(l->files, key);
        const char *rest = origin ? str_skip_prefix(origin, l->path) : NULL;

        return rest && *rest == ':' ? NULL : origin;
}

/* ---- what is to be ---- */

/* A string of libconfig. */
static void put_value(FILE *f, const char *key, const char *value) {
        fprintf(f, "        %s = \"", key);
        for (; *value; value++)
                if ((unsigned char) *value < ' ')
                        fprintf(f, "\\x%02x", (unsigned char) *value);
                else
                        fprintf(f, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
        fputs("\";\n", f);
}

/* What is given counts, else what we wrote before if KEEP. */
static int put_key(const Login *l, FILE *f, const char *key, const char *given, const char *found,
                   bool keep) {
        const char *elsewhere = login_elsewhere(l, key), *value = given ? given : keep ? found : NULL;

        if (elsewhere && given && !streq(given, found))
                return complain(
                        str_format("%s: %s is \"%s\" there; change it, or take it out, and log in again",
                                   elsewhere, key, found),
                        CLIENT_EXIT_USAGE);
        if (!elsewhere && !str_is_empty(value))
                put_value(f, strchr(key, '.') + 1, value);
        return EXIT_SUCCESS;
}

static int put_keys(const Login *l, FILE *f) {
        const LoginKeys *given = &l->given, *found = &l->found;
        bool same = !given->server || str_equal(given->server, found->server); /* else its pin is another */
        int status = put_key(l, f, "client.server", given->server, found->server, true);

        if (status == EXIT_SUCCESS)
                status = put_key(l, f, "client.pin", given->pin, found->pin, same);
        if (status == EXIT_SUCCESS)
                status = put_key(l, f, "client.ca_file", given->ca_file, found->ca_file, same);
        return status == EXIT_SUCCESS ? put_key(l, f, "client.token_file", NULL, found->token_file, true)
                                      : status;
}

static int check_keys(Login *l) {
        const char *elsewhere = login_elsewhere(l, "client.token");

        if (elsewhere)
                return complain(
                        str_format("%s: client.token is set there; take it out, and log in again", elsewhere),
                        CLIENT_EXIT_USAGE);
        if (!l->given.server && !l->found.server)
                return complain(strdup("which server? give --server HOST:PORT"), CLIENT_EXIT_USAGE);
        if (!l->found.token_file)
                l->found.token_file = str_format("%s/token", l->folder);
        return l->found.token_file ? EXIT_SUCCESS : complain(NULL, CLIENT_EXIT_FAILURE);
}

static int make_text(Login *l) {
        size_t n;
        FILE *f = open_memstream(&l->text, &n);
        int status;

        if (!f)
                return complain(NULL, CLIENT_EXIT_FAILURE);
        fputs(LOGIN_HEAD "client: {\n", f);
        status = put_keys(l, f);
        fputs("};\n", f);
        return fclose(f) == 0 ? status : complain(NULL, CLIENT_EXIT_FAILURE);
}

/* ---- writing ---- */

/* Of the user who must be able to read what is in the service's folder, or -1. */
static gid_t service_group(const Login *l) {
        const struct group *group = getgrnam(SERVICE_GROUP);

        return geteuid() == 0 && group && streq(l->folder, PGROK_CONFIG_DIR) ? group->gr_gid : (gid_t) -1;
}

static int write_file(const Login *l, const char *path, const char *text) {
        gid_t gid = service_group(l);
        int r = files_replace_for(path, text, strlen(text), gid == (gid_t) -1 ? 0600 : 0640, gid);

        return r < 0 ? complain(str_format("%s: %s", path, strerror(-r)), CLIENT_EXIT_FAILURE) : EXIT_SUCCESS;
}

/* The token comes first: as long as nothing points to it, it does nothing. */
static int write_files(const Login *l) {
        _cleanup_free_ char *line = str_format("%s\n", l->given.token);
        int r = files_make_folder(l->folder), status;

        if (r < 0 || !line)
                return complain(line ? str_format("%s: %s", l->folder, strerror(-r)) : NULL,
                                CLIENT_EXIT_FAILURE);
        status = write_file(l, l->found.token_file, line);
        explicit_bzero(line, strlen(line));
        if (status == EXIT_SUCCESS)
                status = write_file(l, l->path, l->text);
        if (status == EXIT_SUCCESS)
                printf("The token is in %s, and the server in %s. Next: pgrok 3000\n", l->found.token_file,
                       login_elsewhere(l, "client.server") ? l->folder : l->path);
        return status;
}

static int login(Login *l) {
        int r = read_token(l), status;

        if (r < 0)
                return complain(r == -EINVAL ? strdup("that is not a token: one word is expected") : NULL,
                                CLIENT_EXIT_USAGE);
        status = read_options(l);
        if (status == EXIT_SUCCESS)
                status = read_folder(l);
        if (status == EXIT_SUCCESS)
                status = check_keys(l);
        if (status == EXIT_SUCCESS)
                status = make_text(l);
        return status == EXIT_SUCCESS ? write_files(l) : status;
}

int login_run(const Options *o) {
        Login l = { .options = o };
        int status = login(&l);

        if (l.given.token)
                explicit_bzero(l.given.token, strlen(l.given.token));
        login_done(&l);
        return status;
}
