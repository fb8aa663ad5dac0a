/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* `pgrokctl token …', which needs no running pgrokd. Return the exit status; ARGUMENTS end with NULL. */

#include "ctl/options.h"

int token_command_add(const CtlOptions *o, char **arguments);
int token_command_list(const CtlOptions *o, char **arguments);
int token_command_revoke(const CtlOptions *o, char **arguments);
