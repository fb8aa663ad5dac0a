/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The commands that a running client carries out: status, add, remove, reload. */

#include "client/options.h"

/* Returns the exit status; failures were told on stderr. */
int remote_run(const Options *o);
