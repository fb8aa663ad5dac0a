/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The running client: keeps a session with the server, for ever, and the visitors that it brings. */

#include "client/config.h"
#include "client/report.h"

#define CLIENT_EXIT_FAILURE 1
#define CLIENT_EXIT_USAGE 2
#define CLIENT_EXIT_REFUSED 3

/* Runs the selected tunnels of CONFIG, which it owns and which OPTIONS (borrowed) made, until a signal asks
 * to stop. DAEMON: never gives up, not even when the server refuses us before we ever were online. Returns
 * the exit status of the program. Only once, on the main thread. */
int client_run(ClientConfig *config, const Options *options, bool daemon, ReportMode mode);
