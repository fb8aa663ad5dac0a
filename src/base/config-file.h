/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads configuration (libconfig syntax) from files and folders into a struct, as a schema says, strictly:
 * an unknown key, a wrong type or a value out of range is a fault. Knows no key itself. All faults are
 * collected, each a line "FILE:LINE: reason", for the caller to print; nothing is logged.
 *
 * Sections merge across files, but one key, or one repeated group, in two places is a fault that names both.
 * Command-line options go through the same checks and replace what files say: read first, then set.
 * @include is refused: every *.conf of a folder is read anyway. */

#include "base/config-key.h"

#define CONFIG_FILES_MAX 256
#define CONFIG_FAULTS_MAX 100 /* further ones are dropped */
#define CONFIG_GROUPS_MAX 1000

typedef struct ConfigFile ConfigFile;

/* A section whose members are groups of the same keys: `tunnels: { NAME: { … }; … };` */
typedef struct ConfigGroups {
        const char *section;   /* "tunnels" */
        const ConfigKey *keys; /* relative to one group */
        /* Adds a group to TARGET and returns its zeroed struct, which stays in its place, or NULL when memory
         * is out. ORIGIN is "FILE:LINE" or an option's spelling. Both strings are borrowed for the call. */
        void *(*add)(void *target, const char *name, const char *origin);
} ConfigGroups;

typedef struct ConfigSchema {
        const ConfigKey *keys;      /* full paths; what stands before the first dot is a section of ours */
        const ConfigGroups *groups; /* NULL: none */
        const char *const *foreign; /* sections of other programs, known by name only; ends with NULL */
} ConfigSchema;

/* Fills TARGET (zeroed) with the fallbacks. SCHEMA and TARGET are borrowed; outlive the reader. Returns 0 or
 * a negative errno. What TARGET owns is freed by config_keys_done(), whatever happened. */
int config_file_new(ConfigFile **ret, const ConfigSchema *schema, void *target);

/* Takes NULL; returns NULL. TARGET stays. */
ConfigFile *config_file_free(ConfigFile *c);

/* Reads a file, or the *.conf of a folder in C-locale order. Returns 0, also with faults, or -ENOMEM. */
int config_file_read(ConfigFile *c, const char *path);

/* Sets a key from an option whose spelling is ORIGIN ("--domain"). A list's first option replaces what files
 * say, each further one adds an item, and an empty one empties it. Returns 0, also with faults,
 * -ENOENT for an unknown KEY, a defect of the caller, or -ENOMEM. */
int config_file_set(ConfigFile *c, const char *key, const char *value, const char *origin);

/* The same for repeated groups: adds one, as if a file had it, and sets a key of one. */
int config_file_add_group(ConfigFile *c, const char *name, const char *origin, void **ret);
int config_file_set_in_group(ConfigFile *c, void *group, const char *key, const char *value,
                             const char *origin);

/* Where KEY was set, "FILE:LINE" or an option, or NULL: it has its fallback. Borrowed until the next call. */
const char *config_file_origin(const ConfigFile *c, const char *key);

/* Adds a fault that the caller found, about something that was set at ORIGIN (NULL: nowhere). */
void config_file_fault(ConfigFile *c, const char *origin, const char *format, ...) _printf_(3, 4);

/* In the order in which they were found; borrowed. Empty means that everything is right. */
const ConfigList *config_file_faults(const ConfigFile *c);

DEFINE_CLEANUP(ConfigFile*, config_file_free);
