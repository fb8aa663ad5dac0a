/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* pgrokctl's commands. */

#include "ctl/options.h"

#define EXIT_USAGE 2

/* Runs the one that O names. Returns the exit status; failures were told on stderr. */
int command_run(const CtlOptions *o);
