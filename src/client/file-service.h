/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files of folders over HTTP, for visitors: a service like any other local one, but in this process. It has
 * no listener: who connects gets one end of a pair of sockets, so nobody else on this machine can. */

#include "net/worker.h"

typedef struct FileService FileService;

/* Returns 0 or -ENOMEM. loop: W, for all but the connecting */
int file_service_new(FileService **ret, Worker *w);

/* *RET_FD, connected and non-blocking, is the caller's: what is asked there is answered with files of the
 * folder PATH. Any thread. Returns 0 or a negative errno. */
int file_service_connect(FileService *f, const char *path, int *ret_fd);

/* Ends all connections: lets go of everything that keeps the loop running. */
void file_service_close(FileService *f);

/* Once the loop has ended, since others may connect until then. Takes NULL; returns NULL. */
FileService *file_service_free(FileService *f);
