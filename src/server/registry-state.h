/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a restart of the server must not forget: who had which name and port. As a text, for a file that
 * nobody else may read: it holds ClientIds. */

#include "server/registry.h"

/* Returns the text, owned by the caller, with its length in *RET_N, or NULL when memory is out. main only */
char *registry_save(Registry *r, size_t *ret_n);

/* The listening socket of a tcp port that was kept over the restart, the callee's from now on, or -1. */
typedef int (*RegistrySocketFn)(uint16_t port, void *userdata);

/* Reserves what TEXT of registry_save() names, as of NOW; what is no more possible is left out. SOCKET_OF:
 * NULL for none. Before anybody logs in. Returns 0, or -EBADMSG for another text. main only */
int registry_restore(Registry *r, const char *text, size_t n, RegistrySocketFn socket_of, void *userdata,
                     uint64_t now_usec);
