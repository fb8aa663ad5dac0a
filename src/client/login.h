/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* `pgrok login': keeps the server, its pin or CA, and the token in files, so that `pgrok 3000' is enough from
 * then on. */

#include "client/options.h"

/* Returns the exit status; failures were told on stderr. */
int login_run(const Options *o);
