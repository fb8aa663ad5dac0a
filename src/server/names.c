/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/names.h"

#include "base/str.h"

static const char *const adjectives[] = {
        "able",     "agile",   "amazing", "amber",   "ample",   "azure",   "bold",    "brave",   "breezy",
        "bright",   "brisk",   "calm",    "candid",  "careful", "cheery",  "civil",   "clear",   "clever",
        "cosmic",   "cosy",    "crisp",   "curious", "dapper",  "daring",  "deft",    "eager",   "early",
        "earnest",  "easy",    "elegant", "epic",    "exact",   "fair",    "famous",  "fancy",   "fast",
        "fine",     "fluent",  "fresh",   "friendly","gentle",  "giant",   "glad",    "golden",  "good",
        "grand",    "great",   "green",   "handy",   "happy",   "hardy",   "honest",  "humble",  "ideal",
        "jolly",    "keen",    "kind",    "lively",  "loyal",   "lucid",   "lucky",   "mellow",  "merry",
        "mighty",   "modern",  "modest",  "neat",    "nimble",  "noble",   "novel",   "patient", "polite",
        "proud",    "quick",   "quiet",   "rapid",   "ready",   "robust",  "royal",   "serene",  "sharp",
        "silver",   "smart",   "smooth",  "solid",   "sonic",   "steady",  "sunny",   "super",   "swift",
        "tidy",     "trusty",  "upbeat",  "vivid",   "warm",    "wise",    "witty",   "zesty",
};

static const char *const nouns[] = {
        "acorn",    "anchor",  "arrow",   "aspen",   "badger",  "bakery",  "banjo",   "beacon",  "birch",
        "bison",    "bridge",  "brook",   "cabin",   "canyon",  "castle",  "cedar",   "cello",   "cloud",
        "coder",    "comet",   "compass", "coral",   "cricket", "crystal", "delta",   "dolphin", "eagle",
        "ember",    "falcon",  "fern",    "ferry",   "finch",   "forest",  "fox",     "galaxy",  "garden",
        "geyser",   "glacier", "harbor",  "hawk",    "heron",   "hill",    "island",  "ivy",     "jaguar",
        "kestrel",  "kite",    "lagoon",  "lantern", "lemur",   "lily",    "lynx",    "maple",   "marble",
        "meadow",   "melody",  "meteor",  "mill",    "moon",    "moose",   "nebula",  "nova",    "oak",
        "oasis",    "ocean",   "orbit",   "orchid",  "otter",   "owl",     "panda",   "pebble",  "pine",
        "planet",   "prairie", "puffin",  "quartz",  "quill",   "raven",   "reef",    "river",   "robin",
        "rocket",   "saddle",  "sailor",  "sparrow", "spruce",  "star",    "stone",   "summit",  "thicket",
        "tiger",    "trail",   "tulip",   "valley",  "violin",  "walnut",  "willow",  "wren",
};

void random_name(unsigned attempt, char ret[static RANDOM_NAME_MAX]) {
        const char *adjective = adjectives[random_below(ELEMENTSOF(adjectives))];
        const char *noun = nouns[random_below(ELEMENTSOF(nouns))];

        if (attempt < RANDOM_NAME_PLAIN)
                snprintf(ret, RANDOM_NAME_MAX, "%s-%s", adjective, noun);
        else
                snprintf(ret, RANDOM_NAME_MAX, "%s-%s-%u", adjective, noun, random_below(100000));
}

static bool is_open(const char *pattern) {
        return str_has_suffix(pattern, "*");
}

bool random_label(const ConfigList *patterns, unsigned attempt, char ret[static HOST_LABEL_LENGTH_MAX + 1]) {
        char name[RANDOM_NAME_MAX];
        unsigned n_open = 0;

        random_name(attempt, name);
        if (patterns->n == 0) {
                strcpy(ret, name);
                return true;
        }
        for (size_t i = 0; i < patterns->n; i++) {
                const char *pattern = patterns->items[i];

                if (is_open(pattern) && random_below(++n_open) == 0) /* each is as likely */
                        snprintf(ret, HOST_LABEL_LENGTH_MAX + 1, "%.*s%s", (int) strlen(pattern) - 1, pattern,
                                 name);
        }
        if (n_open == 0 && attempt < patterns->n)
                snprintf(ret, HOST_LABEL_LENGTH_MAX + 1, "%s", patterns->items[attempt]);
        return n_open > 0 || attempt < patterns->n;
}
