/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The method of authentication that is configured. */

#include "net/worker.h"
#include "server/auth.h"
#include "server/config.h"

/* FAULTS: what is wrong with the files that C names is added. C is borrowed for the call. Returns 0, -EINVAL
 * with faults, or -ENOMEM. loop: W */
int auth_method_new(Auth **ret, Worker *w, const ServerConfig *c, ConfigList *faults);

/* Whether that can be done. Returns as above. */
int auth_method_check(const ServerConfig *c, ConfigList *faults);
