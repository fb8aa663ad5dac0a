/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/config-key.h"

#include <errno.h>

#include "base/parse.h"
#include "base/str.h"

#define LIMIT_TEXT_MAX 32

int config_list_take(ConfigList *l, char *s) {
        char **items;

        if (!s)
                return -ENOMEM;
        if (l->n >= CONFIG_LIST_ITEMS_MAX) {
                free(s);
                return -ENOBUFS;
        }
        items = realloc(l->items, (l->n + 1) * sizeof(char *));
        if (!items) {
                free(s);
                return -ENOMEM;
        }
        l->items = items;
        l->items[l->n++] = s;
        return 0;
}

int config_list_add(ConfigList *l, const char *s) {
        return config_list_take(l, strdup(s));
}

bool config_list_equals(const ConfigList *a, const ConfigList *b) {
        for (size_t i = 0; i < a->n && a->n == b->n; i++)
                if (!streq(a->items[i], b->items[i]))
                        return false;
        return a->n == b->n;
}

void config_list_done(ConfigList *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->items[i]);
        free(l->items);
        *l = (ConfigList){};
}

char *config_list_join(const ConfigList *l) {
        char *text = NULL;

        for (size_t i = 0; i < l->n; i++) {
                char *longer = str_format("%s%s%s", text ? text : "", text ? "\n" : "", l->items[i]);

                free(text);
                if (!longer)
                        return NULL;
                text = longer;
        }
        return text;
}

static void *key_field(const ConfigKey *key, void *target) {
        return (char*) target + key->offset;
}

static int refuse(char **ret_why, char *why) {
        if (!why)
                return -ENOMEM;
        *ret_why = why;
        return -EINVAL;
}

/* In the largest unit that leaves no remainder, as people write it. */
static void format_limit(ConfigType type, uint64_t v, char ret[static LIMIT_TEXT_MAX]) {
        static const struct {
                ConfigType type;
                uint64_t factor;
                const char *name;
        } units[] = {
                { CONFIG_TIME, 86400 * USEC_PER_SEC, "d" }, { CONFIG_TIME, 3600 * USEC_PER_SEC, "h" },
                { CONFIG_TIME, 60 * USEC_PER_SEC, "min" },  { CONFIG_TIME, USEC_PER_SEC, "s" },
                { CONFIG_TIME, USEC_PER_MSEC, "ms" },       { CONFIG_TIME, 1, "us" },
                { CONFIG_SIZE, UINT64_C(1) << 40, "T" },    { CONFIG_SIZE, UINT64_C(1) << 30, "G" },
                { CONFIG_SIZE, UINT64_C(1) << 20, "M" },    { CONFIG_SIZE, UINT64_C(1) << 10, "K" },
        };

        for (size_t i = 0; v > 0 && i < ELEMENTSOF(units); i++)
                if (units[i].type == type && v % units[i].factor == 0) {
                        snprintf(ret, LIMIT_TEXT_MAX, "%llu%s", (unsigned long long) (v / units[i].factor),
                                 units[i].name);
                        return;
                }
        snprintf(ret, LIMIT_TEXT_MAX, "%llu", (unsigned long long) v);
}

static int refuse_range(const ConfigKey *key, char **ret_why) {
        char low[LIMIT_TEXT_MAX], high[LIMIT_TEXT_MAX];

        format_limit(key->type, key->min, low);
        format_limit(key->type, key->max, high);
        if (key->max == 0)
                return refuse(ret_why, str_format("%s must be at least %s", key->path, low));
        return refuse(ret_why, str_format("%s must be from %s to %s", key->path, low, high));
}

static int set_uint(const ConfigKey *key, void *target, uint64_t v, char **ret_why) {
        if (v < key->min || (key->max > 0 && v > key->max))
                return refuse_range(key, ret_why);
        *(uint64_t*) key_field(key, target) = v;
        return 0;
}

static const char *check_string(const ConfigKey *key, const char *value) {
        for (const char *p = value; *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        return "contains a control character";
        return key->check ? key->check(value) : NULL;
}

static int set_string(const ConfigKey *key, void *target, const char *value, char **ret_why) {
        const char *why = check_string(key, value);
        int r;

        if (why)
                return refuse(ret_why, str_format("%s %s", key->path, why));
        if (key->type == CONFIG_STRING)
                return str_replace(key_field(key, target), value);
        r = config_list_add(key_field(key, target), value);
        if (r == -ENOBUFS)
                return refuse(ret_why,
                              str_format("%s has more than %d items", key->path, CONFIG_LIST_ITEMS_MAX));
        return r;
}

static int set_bool_text(const ConfigKey *key, void *target, const char *value, char **ret_why) {
        if (streq(value, "true") || streq(value, "yes"))
                return config_key_set_bool(key, target, true, ret_why);
        if (streq(value, "false") || streq(value, "no"))
                return config_key_set_bool(key, target, false, ret_why);
        return config_key_wrong_type(key, ret_why);
}

int config_key_set_text(const ConfigKey *key, void *target, const char *value, char **ret_why) {
        uint64_t v = 0;
        int r;

        switch (key->type) {
        case CONFIG_STRING:
        case CONFIG_STRING_LIST:
                return set_string(key, target, value, ret_why);
        case CONFIG_BOOL:
                return set_bool_text(key, target, value, ret_why);
        case CONFIG_UINT:
                r = parse_uint(value, INT64_MAX, &v);
                break;
        case CONFIG_TIME:
                r = parse_time(value, &v);
                break;
        default:
                r = parse_size(value, &v);
                break;
        }
        if (r == -ERANGE)
                return refuse_range(key, ret_why);
        if (r < 0)
                return config_key_wrong_type(key, ret_why);
        return set_uint(key, target, v, ret_why);
}

int config_key_set_bool(const ConfigKey *key, void *target, bool value, char **ret_why) {
        if (key->type != CONFIG_BOOL)
                return config_key_wrong_type(key, ret_why);
        *(bool*) key_field(key, target) = value;
        return 0;
}

int config_key_set_number(const ConfigKey *key, void *target, int64_t value, char **ret_why) {
        if (key->type != CONFIG_UINT)
                return config_key_wrong_type(key, ret_why);
        if (value < 0)
                return refuse_range(key, ret_why);
        return set_uint(key, target, (uint64_t) value, ret_why);
}

int config_key_wrong_type(const ConfigKey *key, char **ret_why) {
        static const char *const written[] = {
                [CONFIG_STRING] = "a string in double quotes",
                [CONFIG_BOOL] = "true or false",
                [CONFIG_UINT] = "a whole number, without quotes",
                [CONFIG_TIME] = "a time in double quotes, such as \"10s\" or \"5min\"",
                [CONFIG_SIZE] = "a size in double quotes, such as \"64K\" or \"10M\"",
                [CONFIG_STRING_LIST] = "a list of strings, such as [ \"a\", \"b\" ]",
        };

        return refuse(ret_why, str_format("%s must be %s", key->path, written[key->type]));
}

void config_key_clear_list(const ConfigKey *key, void *target) {
        if (key->type == CONFIG_STRING_LIST)
                config_list_done(key_field(key, target));
}

const ConfigKey *config_key_find(const ConfigKey *keys, const char *path) {
        for (; keys->path; keys++)
                if (streq(keys->path, path))
                        return keys;
        return NULL;
}

int config_keys_init(const ConfigKey *keys, void *target) {
        for (; keys->path; keys++) {
                _cleanup_free_ char *why = NULL;
                int r = keys->fallback ? config_key_set_text(keys, target, keys->fallback, &why) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

static bool key_equals(const ConfigKey *key, const void *a, const void *b) {
        switch (key->type) {
        case CONFIG_STRING:
                return str_equal(*(char *const *) a, *(char *const *) b);
        case CONFIG_STRING_LIST:
                return config_list_equals(a, b);
        case CONFIG_BOOL:
                return *(const bool*) a == *(const bool*) b;
        default:
                return *(const uint64_t*) a == *(const uint64_t*) b;
        }
}

bool config_keys_equal(const ConfigKey *keys, const void *a, const void *b) {
        for (; keys->path; keys++)
                if (!key_equals(keys, (const char*) a + keys->offset, (const char*) b + keys->offset))
                        return false;
        return true;
}

void config_keys_done(const ConfigKey *keys, void *target) {
        for (; keys->path; keys++) {
                config_key_clear_list(keys, target);
                if (keys->type == CONFIG_STRING) {
                        char **s = key_field(keys, target);

                        free(*s);
                        *s = NULL;
                }
        }
}
