/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/config-text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "base/str.h"

#define INCLUDE_REFUSED "@include is not supported; in a folder every *.conf is read"
#define NUMBER_REFUSED "this number is too large; sizes and times are strings, such as \"10M\" or \"5min\""
#define YAML_REFUSED \
        "this is a YAML file of ngrok 1.x or jerson/pgrok; pgrok-migration(7) says how it reads here"

void config_text_done(ConfigText *t) {
        config_destroy(&t->config); /* takes a zeroed one */
        free(t->text);
        free(t->origin);
        free(t->why);
        *t = (ConfigText){};
}

/* LINE 0: the file as a whole. Owns WHY. */
static int refuse(ConfigText *t, const char *file, unsigned line, char *why) {
        t->why = why;
        t->origin = line > 0 ? str_format("%s:%u", file, line) : strdup(file);
        return t->why && t->origin ? -EINVAL : -ENOMEM;
}

const char *config_text_explain_open(int error) {
        switch (error) {
        case ENOENT:
                return "there is no such file or folder; --config names one that exists";
        case EACCES:
                return "permission denied; files of root:pgrok, mode 0640, need root or the group";
        case EISDIR:
                return "this is a folder, where a file is expected";
        default:
                return strerror(error);
        }
}

static int read_all(int fd, char *text, size_t size, size_t *ret_size) {
        size_t n = 0;

        while (n < size) {
                ssize_t k = read(fd, text + n, size - n);

                if (k < 0 && errno != EINTR)
                        return -errno;
                if (k == 0)
                        break;
                if (k > 0)
                        n += (size_t) k;
        }
        *ret_size = n;
        return 0;
}

/* Reads the whole file, NUL-terminated. */
static int slurp(ConfigText *t, const char *file) {
        /* never waits for a FIFO */
        _cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        size_t size = 0;
        struct stat st;
        int r;

        if (fd < 0)
                return refuse(t, file, 0, strdup(config_text_explain_open(errno)));
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return refuse(t, file, 0, strdup("this is not a regular file"));
        if (st.st_size > CONFIG_TEXT_BYTES_MAX)
                return refuse(t, file, 0, strdup("the file is larger than 1 MiB"));
        t->text = malloc((size_t) st.st_size + 1);
        if (!t->text)
                return -ENOMEM;
        r = read_all(fd, t->text, (size_t) st.st_size, &size);
        if (r < 0)
                return refuse(t, file, 0, strdup(strerror(-r)));
        t->text[size] = '\0';
        if (strlen(t->text) < size)
                return refuse(t, file, 0, strdup("the file has a NUL byte; is it a text file?"));
        return 0;
}

/* P is the first quote. */
static const char *skip_string(const char *p) {
        for (p++; *p && *p != '"'; p++)
                if (*p == '\\' && p[1])
                        p++;
        return *p ? p + 1 : p;
}

static const char *skip_name(const char *p) {
        while (char_is_alpha(*p) || char_is_digit(*p) || *p == '*' || *p == '_' || *p == '-')
                p++;
        return p;
}

/* What follows the string, comment or name at P; P itself when there is none. */
static const char *skip_opaque(const char *p) {
        if (*p == '"')
                return skip_string(p);
        if (*p == '#' || str_skip_prefix(p, "//"))
                return p + strcspn(p, "\n");
        if (str_skip_prefix(p, "/*")) {
                const char *end = strstr(p + 2, "*/");

                return end ? end + 2 : p + strlen(p);
        }
        return char_is_alpha(*p) || *p == '*' ? skip_name(p) : p;
}

/* libconfig puts a number into an int and drops what doesn't fit. */
static bool number_wraps(const char *p) {
        bool hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X');

        errno = 0;
        return strtoull(p, NULL, hex ? 16 : 10) > INT_MAX || errno == ERANGE;
}

/* Looks for what libconfig would take without a word. Returns a sentence about it and *RET_LINE, or NULL. */
static const char *find_trap(const char *text, unsigned *ret_line) {
        unsigned line = 1;

        for (const char *p = text, *next; *p; p = next) {
                next = skip_opaque(p);
                if (next == p) {
                        bool number = char_is_digit(*p);

                        *ret_line = line;
                        if (str_skip_prefix(p, "@include"))
                                return INCLUDE_REFUSED;
                        if (number && number_wraps(p))
                                return NUMBER_REFUSED;
                        next = number ? skip_name(p) : p + 1;
                }
                for (; p < next; p++)
                        line += *p == '\n';
        }
        return NULL;
}

/* By its name, or by ngrok's keys with none of libconfig's punctuation. */
static bool looks_like_yaml(const char *text, const char *file) {
        static const char *const keys[] = { "server_addr:", "auth_token:", "trust_host_root_certs:",
                                            "tunnels:" };

        if (str_has_suffix(file, ".yml") || str_has_suffix(file, ".yaml"))
                return true;
        if (strpbrk(text, ";={"))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                const char *p = strstr(text, keys[i]);

                if (p && (p == text || p[-1] == '\n'))
                        return true;
        }
        return false;
}

/* Where NAME is set in the line at LINE, or NULL. */
static const char *find_in_line(const char *line, const char *name) {
        const char *end = line + strcspn(line, "\n");
        size_t n = strlen(name);

        for (const char *p = line; p < end; p++) {
                const char *next = skip_name(p);

                if ((size_t) (next - p) == n && memcmp(p, name, n) == 0 && strspn(next, " \t:=") > 0)
                        return p;
                if (next > p)
                        p = next - 1;
        }
        return NULL;
}

typedef struct Duplicate {
        const char *line;              /* of the error */
        unsigned number;               /* of that line */
        const char *where;             /* in the line: its name */
        const config_setting_t *first; /* what has that name already */
} Duplicate;

/* The parser doesn't say which name it was. It gave up in the group that is the last one on each level: looks
 * there for what is set again in the line of the error; the leftmost is it. */
static void find_duplicate(const config_setting_t *group, Duplicate *d) {
        int n = config_setting_length(group);

        for (int i = 0; i < n; i++) {
                const config_setting_t *s = config_setting_get_elem(group, (unsigned) i);
                const char *where = find_in_line(d->line, config_setting_name(s));

                if (where && s->line == d->number) /* that is the first one */
                        where = find_in_line(where + strlen(config_setting_name(s)), config_setting_name(s));
                if (where && (!d->where || where < d->where)) {
                        d->where = where;
                        d->first = s;
                }
                if (i == n - 1 && config_setting_is_group(s))
                        find_duplicate(s, d);
        }
}

static const char *find_line(const char *text, unsigned number) {
        for (; number > 1 && *text; number--) {
                text += strcspn(text, "\n");
                text += *text == '\n';
        }
        return text;
}

static int refuse_parse_error(ConfigText *t, const char *file) {
        const char *text = config_error_text(&t->config);
        unsigned n = (unsigned) MAX(config_error_line(&t->config), 1);
        Duplicate d = { .line = find_line(t->text, n), .number = n };

        if (!streq(text, "duplicate setting name"))
                return refuse(t, file, n,
                              str_format("%s (perhaps a ';', quote or brace is missing before)", text));
        find_duplicate(t->config.root, &d);
        if (!d.first)
                return refuse(t, file, n, strdup("a name is set a second time"));
        return refuse(t, file, n,
                      str_format("%s is set a second time, first at %s:%u", config_setting_name(d.first),
                                 file, d.first->line));
}

int config_text_read(ConfigText *t, const char *file) {
        unsigned line = 0;
        const char *trap;
        int r;

        config_init(&t->config);
        r = slurp(t, file);
        if (r < 0)
                return r;
        if (looks_like_yaml(t->text, file))
                return refuse(t, file, 0, strdup(YAML_REFUSED));
        trap = find_trap(t->text, &line);
        if (trap)
                return refuse(t, file, line, strdup(trap));
        if (config_read_string(&t->config, t->text) != CONFIG_TRUE)
                return refuse_parse_error(t, file);
        return 0;
}
