/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The configured tunnels, for people as a table, for programs as one JSON object a line. */

#include "client/config.h"

void list_print(const ClientConfig *c, bool json);

/* {"folder":…,"tunnels":N,"faults":["FILE:LINE: …"]}; C is NULL when there are faults. */
void check_print_json(const ClientConfig *c, const ConfigList *faults);
