/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A new configuration for a server that runs: read and made ready whole, or refused whole, then applied as
 * what is different. What stays isn't touched: sockets keep their backlog, connections their credentials. See
 * server_reload(). loop: main */

#include "server/server.h"

/* Takes over a certificate, key or CA that was replaced on disk. Called several times a second. */
void reload_look_at_credentials(Server *s);

/* From now on the versions that are there count as read. */
void reload_watch_credentials(Server *s);
