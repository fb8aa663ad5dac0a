/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/config-file.h"

#include <dirent.h>
#include <errno.h>
#include <libconfig.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "base/config-text.h"
#include "base/nearest.h"
#include "base/str.h"

/* A key or a group that was set, so that a second place can name the first. */
typedef struct ConfigMark {
        char *path;   /* owned: "server.domain", "tunnels.blog" */
        char *origin; /* owned: "FILE:LINE" or an option's spelling */
        bool by_option;
} ConfigMark;

struct ConfigFile {
        const ConfigSchema *schema; /* borrowed */
        void *target;               /* borrowed */
        ConfigMark *marks;          /* owned */
        size_t n_marks;
        ConfigList faults;
        bool out_of_memory; /* sticky: what is filled in can't be trusted */
};

int config_file_new(ConfigFile **ret, const ConfigSchema *schema, void *target) {
        ConfigFile *c;
        int r = config_keys_init(schema->keys, target);

        if (r < 0)
                return r;
        c = new0(ConfigFile, 1);
        if (!c)
                return -ENOMEM;
        c->schema = schema;
        c->target = target;
        *ret = c;
        return 0;
}

ConfigFile *config_file_free(ConfigFile *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n_marks; i++) {
                free(c->marks[i].path);
                free(c->marks[i].origin);
        }
        free(c->marks);
        config_list_done(&c->faults);
        free(c);
        return NULL;
}

const ConfigList *config_file_faults(const ConfigFile *c) {
        return &c->faults;
}

void config_file_fault(ConfigFile *c, const char *origin, const char *format, ...) {
        _cleanup_free_ char *reason = NULL;
        char *line;
        va_list ap;

        if (c->faults.n >= CONFIG_FAULTS_MAX)
                return;
        va_start(ap, format);
        if (vasprintf(&reason, format, ap) < 0)
                reason = NULL;
        va_end(ap);
        if (!reason)
                line = NULL;
        else
                line = origin ? str_format("%s: %s", origin, reason) : strdup(reason);
        if (config_list_take(&c->faults, line) < 0)
                c->out_of_memory = true;
}

/* Turns the result of storing a value into a fault. */
static void note_result(ConfigFile *c, int r, const char *why, const char *origin) {
        if (r == -EINVAL && why)
                config_file_fault(c, origin, "%s", why);
        else if (r < 0)
                c->out_of_memory = true;
}

static ConfigMark *mark_find(const ConfigFile *c, const char *path) {
        for (size_t i = 0; i < c->n_marks; i++)
                if (streq(c->marks[i].path, path))
                        return c->marks + i;
        return NULL;
}

static int mark_add(ConfigFile *c, const char *path, const char *origin, bool by_option) {
        ConfigMark *marks = realloc(c->marks, (c->n_marks + 1) * sizeof(ConfigMark)), *m;

        if (!marks)
                return -ENOMEM;
        c->marks = marks;
        m = marks + c->n_marks;
        *m = (ConfigMark) { .path = strdup(path), .origin = strdup(origin), .by_option = by_option };
        if (!m->path || !m->origin) {
                free(m->path);
                free(m->origin);
                return -ENOMEM;
        }
        c->n_marks++;
        return 0;
}

const char *config_file_origin(const ConfigFile *c, const char *key) {
        const ConfigMark *m = mark_find(c, key);

        return m ? m->origin : NULL;
}

/* Notes that PATH was set at ORIGIN. Returns whether that is the first time. */
static bool mark_once(ConfigFile *c, const char *path, const char *origin) {
        const ConfigMark *first = mark_find(c, path);

        if (first) {
                config_file_fault(c, origin, "%s is set a second time, first at %s", path, first->origin);
                return false;
        }
        if (mark_add(c, path, origin, false) < 0)
                c->out_of_memory = true;
        return !c->out_of_memory;
}

static bool has_prefix_dot(const char *path, const char *prefix) {
        const char *rest = str_skip_prefix(path, prefix);

        return rest && *rest == '.';
}

/* Is there a key below PATH? */
static bool is_section(const ConfigKey *keys, const char *path) {
        for (; keys->path; keys++)
                if (has_prefix_dot(keys->path, path))
                        return true;
        return false;
}

static int set_items(const ConfigKey *key, void *target, const config_setting_t *s, char **ret_why) {
        if (key->type != CONFIG_STRING_LIST)
                return config_key_wrong_type(key, ret_why);
        config_key_clear_list(key, target);
        for (int i = 0; i < config_setting_length(s); i++) {
                const config_setting_t *item = config_setting_get_elem(s, (unsigned) i);
                int r;

                if (config_setting_type(item) != CONFIG_TYPE_STRING)
                        return config_key_wrong_type(key, ret_why);
                r = config_key_set_text(key, target, config_setting_get_string(item), ret_why);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int set_value(const ConfigKey *key, void *target, const config_setting_t *s, char **ret_why) {
        switch (config_setting_type(s)) {
        case CONFIG_TYPE_STRING:
                if (key->type == CONFIG_BOOL || key->type == CONFIG_UINT)
                        break;
                if (key->type == CONFIG_STRING_LIST && !key->takes_one)
                        break;
                config_key_clear_list(key, target);
                return config_key_set_text(key, target, config_setting_get_string(s), ret_why);
        case CONFIG_TYPE_INT:
        case CONFIG_TYPE_INT64:
                return config_key_set_number(key, target, config_setting_get_int64(s), ret_why);
        case CONFIG_TYPE_BOOL:
                return config_key_set_bool(key, target, config_setting_get_bool(s), ret_why);
        case CONFIG_TYPE_ARRAY:
        case CONFIG_TYPE_LIST:
                return set_items(key, target, s, ret_why);
        }
        return config_key_wrong_type(key, ret_why);
}

/* What is being read; on the stack. */
typedef struct Reading {
        ConfigFile *config;
        const char *file;
        const ConfigKey *keys;
        void *target;
        bool once;         /* keys may be set in one place only, over all files */
        const char *group; /* "tunnels.blog" for what is in such a one, else NULL */
} Reading;

static char *origin_of(const Reading *reading, const config_setting_t *s) {
        char *origin = str_format("%s:%u", reading->file, s->line);

        if (!origin)
                reading->config->out_of_memory = true;
        return origin;
}

static void read_key(const Reading *reading, const ConfigKey *key, const config_setting_t *s,
                     const char *origin) {
        _cleanup_free_ char *why = NULL;
        int r;

        if (reading->once && !mark_once(reading->config, key->path, origin))
                return;
        r = set_value(key, reading->target, s, &why);
        note_result(reading->config, r, why, origin);
}

/* What there is below the section PREFIX ("" is none) and PATH, which is not there, may mean. */
static Nearest find_nearest(const ConfigKey *keys, const char *prefix, const char *path) {
        size_t skip = *prefix ? strlen(prefix) + 1 : 0;
        Nearest s = { .word = path + skip };

        for (; keys->path; keys++)
                if (skip == 0 || has_prefix_dot(keys->path, prefix))
                        nearest_offer(&s, keys->path + skip, strcspn(keys->path + skip, "."));
        return s;
}

static void refuse_key(const Reading *reading, const char *prefix, const char *path, const char *origin) {
        Nearest s = find_nearest(reading->keys, prefix, path);
        const char *group = reading->group ? reading->group : "", *dot = reading->group ? "." : "";

        if (s.found)
                config_file_fault(reading->config, origin,
                                  "%s%s%s is not a key that exists; did you mean %.*s?", group, dot, path,
                                  (int) s.n, s.found);
        else
                config_file_fault(reading->config, origin, "%s%s%s is not a key that exists", group, dot,
                                  path);
}

/* Reads the members of GROUP, whose own path is PREFIX; "" for a repeated group. */
static void read_members(const Reading *reading, const config_setting_t *group, const char *prefix) {
        ConfigFile *c = reading->config;

        for (int i = 0; i < config_setting_length(group); i++) {
                const config_setting_t *s = config_setting_get_elem(group, (unsigned) i);
                _cleanup_free_ char *origin = origin_of(reading, s);
                _cleanup_free_ char *path =
                        str_format("%s%s%s", prefix, *prefix ? "." : "", config_setting_name(s));
                const ConfigKey *key;

                if (!origin || !path) {
                        c->out_of_memory = true;
                        return;
                }
                key = config_key_find(reading->keys, path);
                if (key)
                        read_key(reading, key, s, origin);
                else if (!is_section(reading->keys, path))
                        refuse_key(reading, prefix, path, origin);
                else if (config_setting_is_group(s))
                        read_members(reading, s, path); /* as deep as the table's paths */
                else
                        config_file_fault(c, origin, "%s must be a group: %s: { … };", path, path);
        }
}

/* libconfig lets names have '*'; ours don't. */
static bool group_name_is_valid(const char *name) {
        for (const char *p = name; *p; p++)
                if (!char_is_alpha(*p) && (p == name || (!char_is_digit(*p) && *p != '_' && *p != '-')))
                        return false;
        return *name != '\0';
}

int config_file_add_group(ConfigFile *c, const char *name, const char *origin, void **ret) {
        const ConfigGroups *g = c->schema->groups;
        void *group = g->add(c->target, name, origin);
        int r;

        if (!group)
                return -ENOMEM;
        r = config_keys_init(g->keys, group);
        if (r < 0)
                return r;
        *ret = group;
        return 0;
}

static void check_required(const Reading *reading, const config_setting_t *group, const char *path,
                           const char *origin) {
        for (const ConfigKey *k = reading->keys; k->path; k++)
                if (k->required && !config_setting_get_member(group, k->path))
                        config_file_fault(reading->config, origin, "%s: %s is missing", path, k->path);
}

static void read_group(const Reading *reading, const config_setting_t *s) {
        ConfigFile *c = reading->config;
        const char *name = config_setting_name(s), *section = c->schema->groups->section;
        _cleanup_free_ char *origin = origin_of(reading, s);
        _cleanup_free_ char *path = str_format("%s.%s", section, name);
        Reading inner = {
                .config = c, .file = reading->file, .keys = c->schema->groups->keys, .group = path
        };

        if (!origin || !path)
                c->out_of_memory = true;
        else if (!group_name_is_valid(name))
                config_file_fault(c, origin, "%s: a name is a letter, then letters, digits, '_' and '-'",
                                  path);
        else if (!config_setting_is_group(s))
                config_file_fault(c, origin, "%s must be a group: %s: { … };", path, name);
        else if (mark_once(c, path, origin)) {
                if (config_file_add_group(c, name, origin, &inner.target) < 0)
                        c->out_of_memory = true;
                else {
                        read_members(&inner, s, "");
                        check_required(&inner, s, path, origin);
                }
        }
}

static void read_groups(const Reading *reading, const config_setting_t *section) {
        int n = config_setting_length(section);

        if (n > CONFIG_GROUPS_MAX) {
                config_file_fault(reading->config, reading->file, "%s has more than %d members",
                                  config_setting_name(section), CONFIG_GROUPS_MAX);
                return;
        }
        for (int i = 0; i < n; i++)
                read_group(reading, config_setting_get_elem(section, (unsigned) i));
}

static bool is_foreign(const ConfigSchema *schema, const char *name) {
        for (const char *const *f = schema->foreign; f && *f; f++)
                if (streq(*f, name))
                        return true;
        return false;
}

static void refuse_section(ConfigFile *c, const char *name, const char *origin) {
        Nearest s = find_nearest(c->schema->keys, "", name);

        if (c->schema->groups)
                nearest_offer(&s, c->schema->groups->section, strlen(c->schema->groups->section));
        for (const char *const *f = c->schema->foreign; f && *f; f++)
                nearest_offer(&s, *f, strlen(*f));
        if (s.found)
                config_file_fault(c, origin, "%s is not a section that exists; did you mean %.*s?", name,
                                  (int) s.n, s.found);
        else
                config_file_fault(c, origin, "%s is not a section that exists", name);
}

static void read_section(const Reading *reading, const config_setting_t *s) {
        const ConfigSchema *schema = reading->config->schema;
        const char *name = config_setting_name(s);
        bool repeated = schema->groups && streq(name, schema->groups->section);
        _cleanup_free_ char *origin = origin_of(reading, s);

        if (!origin || is_foreign(schema, name))
                return;
        if (!repeated && !is_section(schema->keys, name))
                refuse_section(reading->config, name, origin);
        else if (!config_setting_is_group(s))
                config_file_fault(reading->config, origin, "%s must be a section: %s: { … };", name, name);
        else if (repeated)
                read_groups(reading, s);
        else
                read_members(reading, s, name);
}

static void read_one(ConfigFile *c, const char *file) {
        _cleanup_(config_text_done) ConfigText text = {};
        Reading reading = {
                .config = c, .file = file, .keys = c->schema->keys, .target = c->target, .once = true
        };
        int r = config_text_read(&text, file);

        if (r == -ENOMEM)
                c->out_of_memory = true;
        else if (r < 0)
                config_file_fault(c, text.origin, "%s", text.why);
        else
                for (int i = 0; i < config_setting_length(text.config.root); i++)
                        read_section(&reading, config_setting_get_elem(text.config.root, (unsigned) i));
}

static int is_config_name(const struct dirent *e) {
        return e->d_name[0] != '.' && str_has_suffix(e->d_name, ".conf");
}

static int is_yaml_name(const struct dirent *e) {
        return e->d_name[0] != '.' &&
               (str_has_suffix(e->d_name, ".yml") || str_has_suffix(e->d_name, ".yaml"));
}

static int compare_names(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

/* Files of ngrok's kind where there are none of ours: they are not passed over without a word. */
static void refuse_yaml(ConfigFile *c, const char *path) {
        struct dirent **entries;
        int n = scandir(path, &entries, is_yaml_name, compare_names);

        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *file = str_format("%s/%s", path, entries[i]->d_name);

                if (file && i == 0)
                        read_one(c, file);
                free(entries[i]);
        }
        if (n >= 0)
                free(entries);
}

static void read_folder(ConfigFile *c, const char *path) {
        struct dirent **entries;
        int n = scandir(path, &entries, is_config_name, compare_names);

        if (n == 0)
                refuse_yaml(c, path);

        if (n < 0) {
                config_file_fault(c, path, "%s", config_text_explain_open(errno));
                return;
        }
        if (n > CONFIG_FILES_MAX)
                config_file_fault(c, path, "the folder has more than %d *.conf files", CONFIG_FILES_MAX);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *file =
                        str_format("%s%s%s", path, str_has_suffix(path, "/") ? "" : "/", entries[i]->d_name);

                if (!file)
                        c->out_of_memory = true;
                else if (n <= CONFIG_FILES_MAX)
                        read_one(c, file);
                free(entries[i]);
        }
        free(entries);
}

int config_file_read(ConfigFile *c, const char *path) {
        struct stat st;

        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
                read_folder(c, path);
        else
                read_one(c, path);
        return c->out_of_memory ? -ENOMEM : 0;
}

/* Returns whether this is the first option that sets KEY; or -ENOMEM. */
static int mark_option(ConfigFile *c, const ConfigKey *key, const char *origin) {
        ConfigMark *m = mark_find(c, key->path);
        bool first = !m || !m->by_option;
        int r;

        if (!m) {
                r = mark_add(c, key->path, origin, true);
                if (r < 0)
                        return r;
                return true;
        }
        r = str_replace(&m->origin, origin);
        if (r < 0)
                return r;
        m->by_option = true;
        return first;
}

int config_file_set(ConfigFile *c, const char *key, const char *value, const char *origin) {
        const ConfigKey *k = config_key_find(c->schema->keys, key);
        _cleanup_free_ char *why = NULL;
        int r;

        if (!k)
                return -ENOENT;
        r = mark_option(c, k, origin);
        if (r < 0)
                return r;
        if (r > 0 || *value == '\0')
                config_key_clear_list(k, c->target);
        if (k->type == CONFIG_STRING_LIST && *value == '\0')
                return 0;
        r = config_key_set_text(k, c->target, value, &why);
        note_result(c, r, why, origin);
        return c->out_of_memory ? -ENOMEM : 0;
}

int config_file_set_in_group(ConfigFile *c, void *group, const char *key, const char *value,
                             const char *origin) {
        const ConfigKey *k = config_key_find(c->schema->groups->keys, key);
        _cleanup_free_ char *why = NULL;
        int r;

        if (!k)
                return -ENOENT;
        r = config_key_set_text(k, group, value, &why);
        note_result(c, r, why, origin);
        return c->out_of_memory ? -ENOMEM : 0;
}
