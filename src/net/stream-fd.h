/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connected socket as a stream. */

#include "net/stream.h"

/* Owns FD (non-blocking) on success only. Returns 0 or a negative errno. loop: W */
int stream_fd_new(Stream **ret, Worker *w, int fd);

/* Its descriptor, which stays its own, or -1: S is of another kind. */
int stream_fd_number(const Stream *s);

/* Frees S, such a stream, and returns its socket, the caller's now. */
int stream_fd_release(Stream *s);
