/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/human.h"

#include "base/macro.h"

const char *human_bytes(uint64_t bytes, char ret[static HUMAN_TEXT_MAX]) {
        static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        uint64_t unit = 1024;
        size_t i = 0;

        if (bytes < unit) {
                snprintf(ret, HUMAN_TEXT_MAX, "%u B", (unsigned) bytes);
                return ret;
        }
        /* From 1023.95 on it would read as 1024.0 of the smaller unit. */
        while (i + 1 < ELEMENTSOF(units) && bytes / unit * 100 + bytes % unit * 100 / unit >= 102395) {
                unit *= 1024;
                i++;
        }
        snprintf(ret, HUMAN_TEXT_MAX, "%.1f %s", (double) bytes / (double) unit, units[i]);
        return ret;
}

const char *human_duration(uint64_t seconds, char ret[static HUMAN_TEXT_MAX]) {
        static const struct {
                const char *name;
                uint64_t seconds;
        } units[] = { { "d", 86400 }, { "h", 3600 }, { "min", 60 }, { "s", 1 } };
        size_t i = 0;
        uint64_t rest;

        while (i + 1 < ELEMENTSOF(units) && seconds < units[i].seconds)
                i++;
        rest = seconds % units[i].seconds;
        if (i + 1 < ELEMENTSOF(units) && rest >= units[i + 1].seconds)
                snprintf(ret, HUMAN_TEXT_MAX, "%llu%s %llu%s",
                         (unsigned long long) (seconds / units[i].seconds), units[i].name,
                         (unsigned long long) (rest / units[i + 1].seconds), units[i + 1].name);
        else
                snprintf(ret, HUMAN_TEXT_MAX, "%llu%s", (unsigned long long) (seconds / units[i].seconds),
                         units[i].name);
        return ret;
}
