/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a configuration may say: tables of keys with their types and limits, and the checked way from a
 * written value into a struct. One way for files, command-line options and defaults. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

#define CONFIG_LIST_ITEMS_MAX 1000

typedef enum ConfigType {
        CONFIG_STRING,      /* char*, owned; NULL when never set */
        CONFIG_BOOL,        /* bool; true or false, without quotes */
        CONFIG_UINT,        /* uint64_t; a plain number */
        CONFIG_TIME,        /* uint64_t, microseconds; written "10s" */
        CONFIG_SIZE,        /* uint64_t, bytes, or bytes a second; written "64K" */
        CONFIG_STRING_LIST, /* ConfigList; written [ "a", "b" ] */
} ConfigType;

typedef struct ConfigList {
        char **items; /* owned, each too */
        size_t n;
} ConfigList;

/* Returns NULL when VALUE is right, else how the sentence "KEY …" goes on: "must be HOST:PORT". */
typedef const char *(*ConfigCheckFn)(const char *value);

/* Tables of keys end with an empty one. */
typedef struct ConfigKey {
        const char *path; /* "server.tls.certificate"; in a repeated group just "proto" */
        ConfigType type;
        size_t offset;        /* in the target struct, of the type above */
        uint64_t min, max;    /* of numbers, times and sizes, both included. A max of 0 is none */
        bool required;        /* in a repeated group: it must be there */
        bool takes_one;       /* a list: "a" is written for [ "a" ], too */
        ConfigCheckFn check;  /* of a string, of each string of a list; may be NULL */
        const char *fallback; /* as on the command line (a list's one item); NULL: zero bytes */
} ConfigKey;

/* CONFIG_KEY("server.domain", CONFIG_STRING, ServerConfig, domain, .check = check_domain) */
#define CONFIG_KEY(path_, type_, T, member, ...) \
        { .path = (path_), .type = (type_), .offset = offsetof(T, member), __VA_ARGS__ }

/* Takes a copy of S. Returns 0, -ENOBUFS above CONFIG_LIST_ITEMS_MAX, or -ENOMEM. */
int config_list_add(ConfigList *l, const char *s);

/* Takes S itself, also on failure; NULL reads as memory being out. */
int config_list_take(ConfigList *l, char *s);
bool config_list_equals(const ConfigList *a, const ConfigList *b);
void config_list_done(ConfigList *l);

/* The items, one a line; NULL when there are none, or memory is out. Owned by the caller. */
char *config_list_join(const ConfigList *l);

/* Store VALUE in TARGET in the place of what was there; a list gets one item more. Return 0, -ENOMEM, or
 * -EINVAL with *RET_WHY a sentence about it, owned by the caller; then TARGET is untouched. */
int config_key_set_text(const ConfigKey *key, void *target, const char *value, char **ret_why);
int config_key_set_bool(const ConfigKey *key, void *target, bool value, char **ret_why);
int config_key_set_number(const ConfigKey *key, void *target, int64_t value, char **ret_why);

/* -EINVAL with a sentence that says how such a key is written. */
int config_key_wrong_type(const ConfigKey *key, char **ret_why);

/* Empties a list key; nothing for the other types. */
void config_key_clear_list(const ConfigKey *key, void *target);

/* Finds the key of that path, or NULL. */
const ConfigKey *config_key_find(const ConfigKey *keys, const char *path);

/* Stores the fallbacks of a table in a zeroed TARGET. Returns 0 or a negative errno; -EINVAL is a defect of
 * the table. */
int config_keys_init(const ConfigKey *keys, void *target);

/* What the keys of a table have set in A and B is the same. */
bool config_keys_equal(const ConfigKey *keys, const void *a, const void *b);

/* Frees what the keys of a table own in TARGET. */
void config_keys_done(const ConfigKey *keys, void *target);
