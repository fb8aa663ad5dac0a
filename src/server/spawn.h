/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Starts the process that is to replace this one: the same command line, and descriptors by name as systemd
 * passes them (sd_listen_fds(3)). Its parent is the system's first process, not this one: only then does
 * systemd accept it as the service's main process. */

#include <stddef.h>
#include <sys/types.h>

typedef struct SpawnFd {
        char *name; /* owned */
        int fd;     /* borrowed until it is started */
} SpawnFd;

typedef struct Spawn {
        const char *program; /* borrowed: a path */
        char *const *argv;   /* the same */
        SpawnFd *fds;        /* owned */
        size_t n_fds, n_allocated;
} Spawn;

/* S gets FD, which may be -1: then nothing is done. Returns 0 or -ENOMEM. */
int spawn_add(Spawn *s, const char *name, int fd);

/* Starts it. The first descriptor becomes 3; on it a failure to start is told, as "failed WHY". Returns its
 * process id, or a negative errno. */
pid_t spawn_start(const Spawn *s);

void spawn_done(Spawn *s);
