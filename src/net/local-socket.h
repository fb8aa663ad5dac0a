/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A listening socket in the file system, for people and programs of this machine. */

#include <sys/stat.h>

typedef struct LocalSocket {
        int fd;     /* owned, listening, non-blocking; or -1 */
        char *path; /* owned */
        dev_t device;
        ino_t inode;
} LocalSocket;

/* Binds PATH and listens; its folder is made if it isn't there. What nobody answers on is replaced; another
 * program's live socket never is. Mode 0660, of GROUP if there is one of that name and we may. Returns 0, or
 * a negative errno: -EADDRINUSE when somebody answers on PATH, -EEXIST when it is no socket,
 * -ENAMETOOLONG. */
int local_socket_bind(LocalSocket *ret, const char *path, const char *group);

/* The socket at PATH, whose descriptor the caller has from another process: FD is -1. Returns 0 or a negative
 * errno. */
int local_socket_find(LocalSocket *ret, const char *path);

/* As local_socket_done(), but the path stays. */
void local_socket_forget(LocalSocket *l);

/* Closes FD, and removes the path if it is still this socket's. Takes a zeroed one. */
void local_socket_done(LocalSocket *l);
